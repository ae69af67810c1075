"""The step shared by all instance norms: normalise each channel of each image by itself."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 1e-5  # as in torch's instance norm


def normalize_instances(
    features: Tensor, scale: Tensor | None = None, shift: Tensor | None = None
) -> Tensor:
    """Normalise (B, C, H, W), then scale and shift, as ``F.instance_norm`` does.

    That function first copies features out of channels-last order, which convolutions take and
    return, and the next convolution copies them back. On CPUs this was two fifths of a net's time.
    Batch norm computes the same for a batch of one image, and keeps the order.

    Args:
        features: in any memory order.
        scale: of the channels, (C), or of each image's, (B, C); None for 1.
        shift: likewise; None for 0.
    """
    batch, channels = features.shape[:2]
    scales, shifts = (
        None if numbers is None else numbers.expand(batch, channels) for numbers in (scale, shift)
    )
    if features.device.type == "cpu" and batch > 1:
        return normalize_one_by_one(features, scales, shifts)
    return normalize_as_one(features, scales, shifts)


def normalize_one_by_one(features: Tensor, scales: Tensor | None, shifts: Tensor | None) -> Tensor:
    """Normalise image by image, keeping the memory order; scales and shifts are (B, C)."""
    none = [None] * len(features)
    images = zip(
        features.split(1),
        none if scales is None else scales,
        none if shifts is None else shifts,
        strict=True,
    )
    return torch.cat([_batch_norm(*image) for image in images])


def normalize_as_one(features: Tensor, scales: Tensor | None, shifts: Tensor | None) -> Tensor:
    """Normalise as one image of B·C channels: off the CPU, one large call beats many small ones."""
    rows = (None if numbers is None else numbers.flatten() for numbers in (scales, shifts))
    if len(features) == 1:
        # A view would have strides for which torch 2.14 computes wrong gradients.
        return _batch_norm(features, *rows)
    one = features.reshape(1, -1, *features.shape[2:])
    return _batch_norm(one, *rows).view_as(features)


def _batch_norm(features: Tensor, scale: Tensor | None, shift: Tensor | None) -> Tensor:
    return F.batch_norm(features, None, None, scale, shift, training=True, eps=EPSILON)

"""What every kind of instance norm does: normalise each channel of each image by itself."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 1e-5  # as in torch's instance norm


def normalize_instances(
    features: Tensor, scale: Tensor | None = None, shift: Tensor | None = None
) -> Tensor:
    """Normalise (B, C, H, W), then scale and shift, as ``F.instance_norm`` does.

    That function first copies features that are channels-last, the order in which convolutions
    give and take them, and the next convolution copies them back. On CPUs this was two fifths of
    a net's time. Batch norm computes the same, for a batch of one image, and keeps the order.

    Args:
        features: in any order of memory.
        scale: of the channels, (C), or of each image's, (B, C); None for 1.
        shift: likewise; None for 0.
    """
    batch, channels, height, width = features.shape
    if features.device.type == "cpu":
        images = [
            _batch_norm(image, *rows)
            for image, *rows in zip(
                features.split(1), _of_each(scale, batch), _of_each(shift, batch), strict=True
            )
        ]
        return images[0] if batch == 1 else torch.cat(images)
    # One image with B C channels: on other devices few large calls beat many small ones.
    rows = [
        None if numbers is None else numbers.expand(batch, channels).flatten()
        for numbers in (scale, shift)
    ]
    return _batch_norm(features.reshape(1, -1, height, width), *rows).view_as(features)


def _of_each(numbers: Tensor | None, batch: int) -> list[Tensor | None]:
    """What belongs to each image."""
    return list(numbers) if numbers is not None and numbers.ndim == 2 else [numbers] * batch


def _batch_norm(features: Tensor, scale: Tensor | None, shift: Tensor | None) -> Tensor:
    return F.batch_norm(features, None, None, scale, shift, training=True, eps=EPSILON)

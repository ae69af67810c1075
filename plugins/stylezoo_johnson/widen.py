"""A wider net that draws the same: Net2WiderNet (Chen, Goodfellow, Shlens 2016, arXiv 1511.05641).

The narrow net's channels are copied until the wide net is full, and whatever reads a copied channel
divides its old weight among the copies. The shares differ from one reader to the next, so that the
copies get different gradients from the first step on, and grow apart.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from stylezoo.errors import OptionError
from stylezoo_johnson.johnson import Convolution, Johnson

SMALLEST_SHARE = 0.25  # of one copy; at 0 the reader would not see it


def widened(net: Johnson, width: int) -> Johnson:
    """Make a wider net that maps every picture to what a given net maps it to.

    Args:
        net: to start from; it is not changed.
        width: of the new net.

    Raises:
        OptionError: the net is already that wide, or its norms mix channels.
    """
    if width <= net.arguments.width:
        raise OptionError(
            f"a net of width {net.arguments.width} cannot be widened to {width}; choose a larger "
            "width"
        )
    with torch.random.fork_rng(devices=[]):  # what a new net draws is replaced below
        wide = Johnson(replace(net.arguments, width=width)).train(net.training)
    wide = wide.to(next(net.parameters()))
    state = net.state_dict()
    convolutions = {name for name, part in net.named_modules() if isinstance(part, Convolution)}
    generator = torch.Generator().manual_seed(0)
    grown = {}
    for key, tensor in state.items():
        layer, _, kind = key.rpartition(".")
        shape = wide.state_dict()[key].shape
        if kind == "weight" and layer in convolutions:
            readers, channels = shape[:2]
            outputs = tensor[_copies(tensor.shape[0], readers)]
            grown[key] = _shared(outputs, channels, generator)
        elif tensor.shape == shape:
            grown[key] = tensor
        elif tensor.shape[:-1] not in ((), (net.styles,)):
            raise OptionError(
                f"norms {net.arguments.norm!r} mix channels, so a net with them "
                f"cannot be widened to {width}; start from one with plain norms"
            )
        else:  # the bias of a convolution, or a norm's value for each channel and style
            grown[key] = tensor[..., _copies(tensor.shape[-1], shape[-1])]
    wide.load_state_dict(grown)
    return wide


def _copies(old: int, new: int) -> Tensor:
    """For each of the ``new`` channels, which of the ``old`` ones it copies."""
    return torch.arange(new) % old


def _shared(weight: Tensor, channels: int, generator: torch.Generator) -> Tensor:
    """Divide each input channel's weight among its copies: (O, I, k, k) to (O, C, k, k)."""
    readers, old = weight.shape[:2]
    copies = _copies(old, channels)
    parts = torch.rand(readers, channels, generator=generator) * (1 - SMALLEST_SHARE)
    parts += SMALLEST_SHARE
    # Shares rounded to half precision would not add up to the whole.
    parts = parts.to(torch.promote_types(weight.dtype, torch.float32))
    totals = parts.new_zeros(readers, old).index_add_(1, copies, parts)
    shares = (parts / totals[:, copies]).to(weight.device)
    return weight[:, copies] * shares[..., None, None]

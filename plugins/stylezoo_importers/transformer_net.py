"""``TransformerNet`` of the PyTorch examples, as the net ``johnson``.

Source: github.com/pytorch/examples, fast_neural_style/neural_style/transformer_net.py. Its layers
are those of ``johnson``, so it needs no net of its own: three convolutions, residual blocks, two
resize-convolutions and a last convolution, each padded by reflection and, except for the last,
followed by instance norm. It only differs in range: its values run over [0, 255] at both ends,
while ``johnson`` maps [0, 1] to [-1, 1] inside and back. The first and the last convolution absorb
the change of scale.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from stylezoo import ImportedNet
from stylezoo.errors import WeightsError

ENCODER = 3  # convolutions before the residual blocks
DECODER = 2  # resize-convolutions after them
LEVELS = 127.5  # half of 255


@dataclass(frozen=True)
class Layer:
    """Weight and bias of a convolution or norm."""

    weight: Tensor
    bias: Tensor


def imported_net(
    convolutions: Sequence[Layer], norms: Sequence[Layer], *, format: str
) -> ImportedNet:
    """Make a ``johnson`` from the layers of a ``TransformerNet``.

    Args:
        convolutions: in the order in which they run.
        norms: in the order in which they run.
        format: the checkpoint's format, in words.

    Raises:
        WeightsError: these are not the layers of such a net.
    """
    blocks, rest = divmod(len(convolutions) - ENCODER - DECODER - 1, 2)
    if rest or blocks < 0 or len(norms) != len(convolutions) - 1:
        raise WeightsError(
            f"{len(convolutions)} convolutions and {len(norms)} norms do not make up a net of "
            "fast neural style"
        )
    layers = dict(zip(_convolution_names(blocks), convolutions, strict=True))
    layers |= dict(zip(_norm_names(blocks), norms, strict=True))
    tensors = {}
    for name, layer in layers.items():
        for leaf, tensor in (("weight", layer.weight), ("bias", layer.bias)):
            if tensor.is_complex():
                raise WeightsError(f"{name}.{leaf} holds complex numbers")
            tensors[f"{name}.{leaf}"] = tensor.detach().float().clone()
    first = convolutions[0]
    shape = tuple(first.weight.shape)
    if len(shape) != 4:
        raise WeightsError(
            f"the first convolution does not take pictures: its weight has the shape {shape}"
        )
    if first.bias.shape != shape[:1]:
        raise WeightsError(
            f"the first convolution has {shape[0]} channels, but its bias has the shape "
            f"{tuple(first.bias.shape)}"
        )
    _change_range(tensors)
    width = shape[0]
    return ImportedNet(
        net="johnson",
        arguments={"width": width, "residual_blocks": blocks, "norm": "instance"},
        tensors=tensors,
        format=format,
    )


def _change_range(tensors: dict[str, Tensor]) -> None:
    first, last = "encoder.0.conv", f"decoder.{2 * DECODER}"
    # conv(255 x) with x = (y + 1) / 2 is a convolution of y and a constant. Reflection padding
    # keeps the constant whole at the borders.
    weight = tensors[f"{first}.weight"] * LEVELS
    tensors[f"{first}.weight"] = weight
    tensors[f"{first}.bias"] = tensors[f"{first}.bias"] + weight.sum(dim=(1, 2, 3))
    tensors[f"{last}.weight"] = tensors[f"{last}.weight"] / LEVELS
    tensors[f"{last}.bias"] = tensors[f"{last}.bias"] / LEVELS - 1


def _convolution_names(blocks: int) -> Iterator[str]:
    yield from (f"encoder.{number}.conv" for number in range(ENCODER))
    for number in range(blocks):
        yield f"residuals.{number}.block.0.conv"
        yield f"residuals.{number}.block.1"
    yield from (f"decoder.{2 * number + 1}.conv" for number in range(DECODER))
    yield f"decoder.{2 * DECODER}"


def _norm_names(blocks: int) -> Iterator[str]:
    yield from (f"encoder.{number}.norm" for number in range(ENCODER))
    for number in range(blocks):
        yield f"residuals.{number}.block.0.norm"
        yield f"residuals.{number}.block.2"
    yield from (f"decoder.{2 * number + 1}.norm" for number in range(DECODER))

"""State dicts of ``TransformerNet``, as the PyTorch examples save them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stylezoo import ImportedNet, Importer
from stylezoo.errors import WeightsError
from stylezoo_importers.transformer_net import DECODER, ENCODER, Layer, imported_net

PREFIX = "module."  # of torch.nn.DataParallel
FIRST = "conv1.conv2d.weight"
# Instance norms saved before PyTorch 0.4 have them; the example itself drops them on loading.
RUNNING = re.compile(r"\.(running_mean|running_var|num_batches_tracked)$")
SHOWN = 5


class CheckpointImporter(Importer):
    """Reads ``.pth`` and ``.model`` files. Pickles that need more than tensors are never read."""

    def recognises(self, path: Path) -> bool:
        """Whether the file is a torch checkpoint with the first layer of such a net."""
        try:
            return FIRST in _state_dict(path)
        except WeightsError:
            return False

    def convert(self, path: Path) -> ImportedNet:
        """Convert; see ``Importer.convert``."""
        left = _state_dict(path)
        blocks = 0
        while f"res{blocks + 1}.conv1.conv2d.weight" in left:
            blocks += 1
        convolutions = [*_numbered("conv", ENCODER), *_paired("conv", blocks)]
        convolutions += _numbered("deconv", DECODER + 1)
        encoder = _numbered("in", ENCODER)
        decoder = [f"in{ENCODER + number + 1}" for number in range(DECODER)]
        norms = [*encoder, *_paired("in", blocks), *decoder]
        missing: list[str] = []

        def take(name: str) -> Layer:
            wanted = [f"{name}.{leaf}" for leaf in ("weight", "bias")]
            missing.extend(one for one in wanted if one not in left)
            weight, bias = (left.pop(one, torch.empty(0)) for one in wanted)
            return Layer(weight, bias)

        taken = [take(f"{name}.conv2d") for name in convolutions], [take(name) for name in norms]
        for what, names in (("lacks", missing), ("has unexpected tensors:", list(left))):
            if names:
                more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
                raise WeightsError(f"{path} {what} {', '.join(names[:SHOWN])}{more}")
        return imported_net(*taken, format="fast_neural_style of the PyTorch examples")


def _numbered(name: str, count: int) -> list[str]:
    return [f"{name}{number + 1}" for number in range(count)]


def _paired(name: str, blocks: int) -> list[str]:
    """The two layers of each residual block."""
    return [f"res{block + 1}.{name}{number}" for block in range(blocks) for number in (1, 2)]


def _state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint, by their names in the net.

    Raises:
        WeightsError: it is not a torch checkpoint, or holds more than tensors.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a file of another kind can fail in any way
        raise WeightsError(f"{path} is not a checkpoint of plain tensors: {error}") from error
    tensors = _tensors(content)
    if tensors is None:
        raise WeightsError(f"{path} does not contain a state dict")
    return {
        name.removeprefix(PREFIX): tensor
        for name, tensor in tensors.items()
        if not RUNNING.search(name)
    }


def _tensors(content: Any) -> Mapping[str, Tensor] | None:
    """The state dict: the checkpoint itself, or its ``state_dict`` entry."""
    if not isinstance(content, Mapping):
        return None
    inner = content.get("state_dict", content)
    if not isinstance(inner, Mapping):
        return None
    plain = all(isinstance(k, str) and isinstance(v, Tensor) for k, v in inner.items())
    return inner if plain else None

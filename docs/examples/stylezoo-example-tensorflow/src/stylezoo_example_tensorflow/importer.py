"""The variables of a checkpoint of fast-style-transfer, as ``checkpoint_to_npz.py`` saves them.

That program names nothing: TensorFlow calls its variables ``Variable``, ``Variable_1`` and so on,
in the order in which they were made. Each layer made three: kernel, shift, scale.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stylezoo import ImportedNet, Importer
from stylezoo.errors import WeightsError

# What the optimiser kept beside them ("Variable/Adam", "beta1_power") is not of the net.
VARIABLE = re.compile(r"Variable(?:_(\d+))?(?::0)?")
OTHER_LAYERS = 6  # three before the residual blocks, three after
PARTS = 3  # variables of a layer


class VariablesImporter(Importer):
    """Reads ``.npz`` files with variables that TensorFlow named."""

    def recognises(self, path: Path) -> bool:
        """Whether it is an archive with the first two variables."""
        if not zipfile.is_zipfile(path):
            return False
        with zipfile.ZipFile(path) as archive:
            return {0, 1} <= {_number(name.removesuffix(".npy")) for name in archive.namelist()}

    def convert(self, path: Path) -> ImportedNet:
        """Convert; see ``Importer.convert``."""
        variables = _variables(path)
        layers, left = divmod(len(variables), PARTS)
        blocks, odd = divmod(layers - OTHER_LAYERS, 2)
        if left or odd or blocks < 0 or set(variables) != set(range(len(variables))):
            raise WeightsError(
                f"{path} holds {len(variables)} variables, which do not make up a net of "
                "fast-style-transfer: it has three per layer, numbered without gaps"
            )
        tensors = {}
        for number, layer in enumerate(_layers(blocks)):
            kernel, shift, scale = (variables[PARTS * number + part] for part in range(PARTS))
            if (kernel.dim(), shift.dim(), scale.dim()) != (4, 1, 1):
                raise WeightsError(
                    f"{path}: the variables of layer {number + 1} have {kernel.dim()}, "
                    f"{shift.dim()} and {scale.dim()} dimensions, not 4, 1 and 1"
                )
            # TensorFlow stores height, width, in, out, and for a transposed convolution height,
            # width, out, in; PyTorch wants the last two first, in either case the other way round.
            tensors[f"{layer}.conv.weight"] = kernel.permute(3, 2, 0, 1).contiguous()
            tensors[f"{layer}.norm.bias"] = shift
            tensors[f"{layer}.norm.weight"] = scale
        return ImportedNet(
            net="tensorflow-fast-style",
            arguments={
                "width": tensors["encoder.0.conv.weight"].shape[0],
                "residual_blocks": blocks,
            },
            tensors=tensors,
            format="fast-style-transfer of TensorFlow",
        )


def _layers(blocks: int) -> Iterator[str]:
    """The layers of the net, in the order in which their variables were made."""
    yield from (f"encoder.{number}" for number in range(3))
    yield from (f"residuals.{block}.{number}" for block in range(blocks) for number in range(2))
    yield from (f"decoder.{number}" for number in range(3))


def _number(name: str) -> int | None:
    """Of ``Variable_12``, 12; of what is no variable of the net, None."""
    match = VARIABLE.fullmatch(name)
    return None if match is None else int(match[1] or 0)


def _variables(path: Path) -> dict[int, Tensor]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            numbered = {name: _number(name) for name in arrays.files}
            return {
                number: torch.from_numpy(arrays[name].astype(np.float32))
                for name, number in numbered.items()
                if number is not None
            }
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path} does not contain plain arrays: {error}") from error

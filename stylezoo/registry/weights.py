"""Reading and writing weights as safetensors, checked before anything is loaded.

The header is read and checked first: safetensors itself accepts headers with a repeated key, with
hundreds of thousands of tensors, or with values that are not numbers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylezoo.components import COMPONENT_NAME
from stylezoo.errors import WeightsError
from stylezoo.files import write_file
from stylezoo.objective_config import Scalar

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

MAX_HEADER_BYTES = 1_000_000
MAX_TENSORS = 2000
MAX_TENSOR_NAME = 256
MAX_DIMENSIONS = 8
NAMES_SHOWN = 5

# Only one key: safetensors writes several in an order that changes from run to run.
METADATA_KEY = "stylezoo.net"

_DTYPE_BYTES = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}
_DTYPES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}

# The first bytes of files found in place of weights when something went wrong.
_IMPOSTORS = {
    b"version https://git-lfs": "a Git LFS pointer, not the file itself: run 'git lfs pull'",
    b"<": "an HTML page, not weights: fetch it again",
    b"PK\x03\x04": "a zip archive or a PyTorch pickle, not safetensors",
    b"\x80": "a Python pickle, not safetensors; pickles are never loaded",
}


def read_header(path: Path) -> dict[str, Any]:
    """Read and check the header of a safetensors file, without loading a tensor.

    Returns:
        The header: metadata under ``"__metadata__"``, tensors by name.

    Raises:
        WeightsError: it is not a safetensors file, is truncated, or its header is out of bounds.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(64)
            length = int.from_bytes(start[:8], "little")
            for magic, what in _IMPOSTORS.items():
                # A valid header length may start with these bytes, but text read as one is huge.
                if start.startswith(magic) and length > MAX_HEADER_BYTES:
                    raise WeightsError(f"{path} is {what}")
            if size < 10:
                raise WeightsError(f"{path} is {size} bytes long, too short for safetensors")
            if length > MAX_HEADER_BYTES:
                raise WeightsError(
                    f"{path} is not a safetensors file, or its header of {length} bytes is longer "
                    f"than {MAX_HEADER_BYTES}"
                )
            if length > size - 8:
                raise WeightsError(f"{path} is truncated in its header; fetch it again")
            file.seek(8)
            text = file.read(length)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from error
    try:
        header = json.loads(text, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path} has a broken header: {error}") from error
    if not isinstance(header, dict):
        raise WeightsError(f"{path} has a broken header: it is not an object")
    tensors = len(header) - ("__metadata__" in header)
    if not 1 <= tensors <= MAX_TENSORS:
        raise WeightsError(f"{path} holds {tensors} tensors; 1 to {MAX_TENSORS} are allowed")
    fault = _header_fault(header, size - 8 - length)
    if fault is not None:
        raise WeightsError(f"{path} is broken: {fault}; fetch it again")
    return header


def _header_fault(header: Mapping[str, Any], data_size: int) -> str | None:
    """What is wrong with a header, given the size of the data after it; None for nothing."""
    spans = []
    for name, entry in header.items():
        if name == "__metadata__":
            plain = isinstance(entry, dict) and all(isinstance(v, str) for v in entry.values())
            if not plain:
                return "its metadata is not a table of texts"
            continue
        if not 0 < len(name) <= MAX_TENSOR_NAME or not name.isprintable():
            return f"a tensor has the invalid name {name[:50]!r}"
        span = _span(entry)
        if isinstance(span, str):
            return f"{name}: {span}"
        spans.append((*span, name))
    end = 0
    for start, stop, name in sorted(spans):
        if start != end:
            return f"{name} does not start where the tensor before it ends"
        end = stop
    return (
        None if end == data_size else f"its tensors have {end} bytes, but the file has {data_size}"
    )


def _span(entry: Any) -> tuple[int, int] | str:
    """Where the data of a tensor starts and ends, or what is wrong with its entry."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        return "its keys must be exactly dtype, shape and data_offsets"
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _DTYPE_BYTES:
        return f"its dtype is {str(dtype)[:50]!r}, not one of {', '.join(_DTYPE_BYTES)}"
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        return "its shape or data_offsets is not a list of sizes"
    start, stop = offsets
    if stop - start != math.prod(shape) * _DTYPE_BYTES[dtype]:
        return f"its shape {str(shape)[:50]} as {dtype} does not take {stop - start} bytes"
    return start, stop


def _are_sizes(values: Any) -> bool:
    # Not isinstance: JSON's true is an int to Python.
    few = isinstance(values, list) and len(values) <= MAX_DIMENSIONS
    return few and all(type(value) is int and 0 <= value < 2**48 for value in values)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key appears twice")
    return table


def read_net_metadata(path: Path) -> tuple[str, dict[str, Scalar]]:
    """Read from a bare weights file which net it is for.

    Returns:
        The name of the net and its arguments.

    Raises:
        WeightsError: the file does not say, or is broken.
    """
    metadata = read_header(path).get("__metadata__", {})
    try:
        net = json.loads(metadata[METADATA_KEY])
        name, arguments = net["name"], net["arguments"]
    except (KeyError, TypeError, ValueError, RecursionError):
        raise WeightsError(
            f"{path} does not say which net it is for (no {METADATA_KEY!r} in its metadata)"
            "; load the style folder it belongs to"
        ) from None
    if not isinstance(name, str) or not COMPONENT_NAME.fullmatch(name):
        raise WeightsError(
            f"{path} names a net {str(name)[:100]!r}, which is not the name of a net"
        )
    scalars = isinstance(arguments, dict) and all(
        isinstance(value, bool | int | float | str) for value in arguments.values()
    )
    if not scalars:
        raise WeightsError(f"{path} has net arguments that are not plain values")
    return name, arguments


def stored_dtype(header: Mapping[str, Any]) -> str:
    """The dtype of the floating-point tensors of a file, as records name it.

    Args:
        header: as returned by ``read_header``.

    Returns:
        Such as ``"float16"``; several are joined by ``", "``, and ``"none"`` stands for none.
    """
    kinds = {entry["dtype"] for name, entry in header.items() if name != "__metadata__"}
    return ", ".join(sorted(_DTYPES[kind] for kind in kinds & _DTYPES.keys())) or "none"


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Load all tensors of a file, after checking its header.

    Raises:
        WeightsError: the file is broken.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    read_header(path)
    try:
        return load_file(path)
    # numpy and torch raise all kinds of errors for shapes and dtypes that they cannot hold.
    except (OSError, SafetensorError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise WeightsError(f"{path} is broken: {error}; fetch it again") from error


def check_header(net: nn.Module, path: Path, base: Path | None = None) -> None:
    """Check that a file has the tensors of a net, by its header alone.

    Args:
        net: the net the weights are for; it may be on torch's meta device, without memory.
        path: of the weights.
        base: see ``load_weights``.

    Raises:
        WeightsError: tensors are missing, too many, or of another shape.
    """
    shapes: dict[str, Any] = {}
    for file in filter(None, (base, path)):
        shapes |= {
            name: entry["shape"]
            for name, entry in read_header(file).items()
            if name != "__metadata__"
        }
    wanted = {name: list(tensor.shape) for name, tensor in net.state_dict().items()}
    for fault in _shape_faults(wanted, shapes):
        raise WeightsError(f"{path} {fault}")


def load_weights(net: nn.Module, path: Path, base: Path | None = None) -> None:
    """Fill a net with the tensors of a file: exactly its names and shapes, all finite.

    Half-precision tensors become the net's own dtype.

    Args:
        net: to fill.
        path: of the weights.
        base: of the base's weights, if the file is an adapter's and replaces only some of them.

    Raises:
        WeightsError: tensors are missing, too many, of another shape, or not finite.
    """
    tensors = read_tensors(path)
    if base is not None:
        tensors = {**read_tensors(base), **tensors}
    for fault in weights_faults(net, tensors):
        raise WeightsError(f"{path} {fault}")
    net.load_state_dict(tensors)


def weights_faults(net: nn.Module, tensors: Mapping[str, Tensor]) -> Iterator[str]:
    """Why tensors are not the weights of a net: one line for each kind of fault, naming them.

    Args:
        net: to be filled.
        tensors: a state dict.
    """
    wanted = net.state_dict()
    both = [name for name in wanted if name in tensors]
    yield from _shape_faults(
        {name: list(tensor.shape) for name, tensor in wanted.items()},
        {name: list(tensor.shape) for name, tensor in tensors.items()},
    )
    kinds = [
        f"{name} ({tensors[name].dtype})"
        for name in both
        if tensors[name].is_floating_point() != wanted[name].is_floating_point()
    ]
    yield from _listing("has tensors of the wrong type:", kinds)
    broken = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    yield from _listing("has non-finite values in", broken)


def _shape_faults(wanted: Mapping[str, list[int]], found: Mapping[str, list[int]]) -> Iterator[str]:
    """Where tensors are missing, too many, or of another shape."""
    yield from _listing("lacks the tensors", wanted.keys() - found.keys())
    yield from _listing("has tensors that the net does not have:", found.keys() - wanted.keys())
    shapes = [
        f"{name} ({found[name]} instead of {shape})"
        for name, shape in wanted.items()
        if name in found and found[name] != shape
    ]
    yield from _listing("has tensors of the wrong shape:", shapes)


def _listing(what: str, names: Iterable[str]) -> Iterator[str]:
    """What is wrong, with the first few names, if there are any."""
    listed = sorted(names)
    if listed:
        more = f" and {len(listed) - NAMES_SHOWN} more" if len(listed) > NAMES_SHOWN else ""
        yield f"{what} {', '.join(listed[:NAMES_SHOWN])}{more}"


def save_weights(
    path: Path,
    tensors: Mapping[str, Tensor],
    *,
    dtype: torch.dtype,
    net_name: str,
    net_arguments: Mapping[str, Scalar],
) -> None:
    """Write weights with the net's name and arguments in the header, so that a bare file loads.

    (That of an adapter does not: it lacks what its base has.) The same weights give the same bytes.

    Args:
        path: of the file; it appears complete or not at all.
        tensors: a state dict; floating-point tensors are stored as ``dtype``.
        dtype: such as ``torch.float16``.
        net_name: the registered name.
        net_arguments: of the net.

    Raises:
        OutputError: it cannot be written.
        WeightsError: a value is not finite, or overflows ``dtype``.
    """
    # Each a copy: safetensors refuses tensors that share memory, as tied parameters do.
    stored = {
        name: tensor.detach().to(
            "cpu", dtype if tensor.is_floating_point() else tensor.dtype, copy=True
        )
        for name, tensor in tensors.items()
    }
    broken = [name for name, tensor in stored.items() if not tensor.isfinite().all()]
    for fault in _listing("would have non-finite values in", broken):
        raise WeightsError(f"{path.name} {fault}")
    net = json.dumps({"name": net_name, "arguments": dict(net_arguments)}, sort_keys=True)
    save_tensors(path, stored, {METADATA_KEY: net})


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write tensors to a file atomically.

    Raises:
        OutputError: it cannot be written.
    """
    from safetensors.torch import save

    content = save({name: tensor.contiguous() for name, tensor in tensors.items()}, metadata)
    write_file(path, content, overwrite=True)

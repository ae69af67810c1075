"""Checkpoints: the state of a long computation, replaced atomically."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from stylezoo import __version__
from stylezoo.errors import CheckpointError
from stylezoo.files import write_file

LONGEST_VALUE = 60  # characters of a value that a message quotes


def save_checkpoint(
    path: Path, state: Mapping[str, Any], *, fingerprint: Mapping[str, Any]
) -> None:
    """Write a state, atomically replacing an older one.

    Args:
        path: path of the file.
        state: tensors and plain values, nested at will.
        fingerprint: all that determines the result, by name, as JSON can hold it; only a run with
            the same one may resume.

    Raises:
        OutputError: it cannot be written.
    """
    content = io.BytesIO()
    torch.save(dict(state), content)
    header = {
        "stylezoo": __version__,
        "fingerprint": dict(fingerprint),
        "sha256": sha256(content.getvalue()).hexdigest(),
    }
    line = json.dumps(header).encode() + b"\n"
    write_file(path, line + content.getvalue(), overwrite=True)


def load_checkpoint(
    path: Path, *, fingerprint: Mapping[str, Any], advice: str = ""
) -> dict[str, Any]:
    """Read the state that ``save_checkpoint`` wrote.

    Args:
        path: path of the file.
        fingerprint: all that determines the result, by name.
        advice: what to add to the message if the fingerprints differ.

    Raises:
        CheckpointError: it cannot be read or is damaged, was written by another version of
            stylezoo, whose states may differ in form, or belongs to a run with another fingerprint.
    """
    try:
        line, _, content = path.read_bytes().partition(b"\n")
        header = json.loads(line)
        version, found, digest = header["stylezoo"], header["fingerprint"], header["sha256"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(
            f"the checkpoint {path} cannot be read ({type(error).__name__}); "
            "delete it to start again"
        ) from error
    if version != __version__:
        raise CheckpointError(
            f"the checkpoint {path} was written by stylezoo {version}, but this is {__version__}; "
            "resume with that version, or delete it to start again"
        )
    wanted = json.loads(json.dumps(dict(fingerprint)))  # as it was written: lists for tuples
    if found != wanted:
        raise CheckpointError(
            f"the checkpoint {path} belongs to a run with other options"
            f"{_differences(found, wanted)}; give the same ones to resume{advice}, "
            "or delete it to start again"
        )
    # torch does not verify the checksums in its own files.
    if sha256(content).hexdigest() != digest:
        raise CheckpointError(f"the checkpoint {path} is damaged; delete it to start again")
    state = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    assert isinstance(state, dict)
    return state


def _differences(found: object, wanted: dict[str, Any]) -> str:
    """Name what differs between two fingerprints, with values that are short enough to quote."""
    if not isinstance(found, dict):
        return ""
    parts = []
    for name in wanted:
        was, is_now = (json.dumps(values.get(name)) for values in (found, wanted))
        if was != is_now:
            short = max(len(was), len(is_now)) <= LONGEST_VALUE
            parts.append(f"{name} was {was}, is {is_now}" if short else f"{name} changed")
    return f" ({'; '.join(parts)})" if parts else ""

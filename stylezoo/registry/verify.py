"""Verifying files: the size and sha256 of each must match the record."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterable
from pathlib import Path

from stylezoo.errors import IntegrityError
from stylezoo.registry.record import File, Record


def sha256_of(path: Path) -> str:
    """The sha256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify_files(folder: Path, record: Record, files: Iterable[File] | None = None) -> None:
    """Check files against the record.

    Args:
        folder: the style folder.
        record: its record.
        files: which of the record's files; None for all.

    Raises:
        IntegrityError: a file is missing, not a regular file, or of another size or content.
    """
    for file in record.files if files is None else files:
        field = f"files[{record.files.index(file)}]"
        _verify(folder / file.path, file, field, f"{record.name} {record.version}")


def _verify(path: Path, file: File, field: str, style: str) -> None:
    advice = f"get {style} again, or reinstall the package that provides it"
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise IntegrityError(f"{path} is not a regular file; {advice}")
        if status.st_size != file.size:
            raise IntegrityError(
                f"{path} has {status.st_size} bytes, but its record says {file.size} in "
                f"{field}.size; {advice}"
            )
        digest = sha256_of(path)
    except OSError as error:
        raise IntegrityError(f"{path} cannot be read: {error.strerror}; {advice}") from error
    if digest != file.sha256:
        raise IntegrityError(
            f"{path} has the sha256 {digest}, but its record says {file.sha256} in "
            f"{field}.sha256; {advice}"
        )

"""Files that appear complete or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from stylezoo.errors import OutputError


def write_file(path: Path, content: bytes, *, overwrite: bool) -> None:
    """Write a file under another name beside it, and move it into place.

    Raises:
        OutputError: the file exists and may not be replaced, or it cannot be written.
    """
    if path.is_dir():
        raise OutputError(f"{path} is a folder")
    if not overwrite and path.exists():
        raise OutputError(f"{path} exists; replace it with --overwrite, or choose another name")
    unfinished: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".stylezoo-", suffix=".part")
        unfinished = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        # mkstemp makes private files; this one gets the permissions of any new file.
        mask = os.umask(0)
        os.umask(mask)
        unfinished.chmod(0o666 & ~mask)
        unfinished.replace(path)
        unfinished = None
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        if unfinished is not None:  # an error, or Ctrl-C
            unfinished.unlink(missing_ok=True)

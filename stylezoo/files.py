"""Write files and folders so that they appear complete or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stylezoo.errors import OutputError, StyleZooError

_UNFINISHED = (".stylezoo-", ".part")  # prefix and suffix of a file being written


def check_writable(path: Path, *, overwrite: bool) -> None:
    """Fail before the work starts if writing the file would fail after it.

    Args:
        path: path of the file.
        overwrite: whether the file may exist.

    Raises:
        OutputError: it exists and may not be replaced, it is a folder, pipe or device, or its
            folder cannot be written or made.
    """
    with writing(path):
        _refuse_existing(path, overwrite)
        folder = next((folder for folder in path.absolute().parents if folder.exists()), None)
        if folder is None:  # a missing drive or network host
            raise OutputError(f"{path} cannot be written: {path.absolute().anchor} does not exist")
        with tempfile.TemporaryFile(dir=folder):
            pass


def write_file(path: Path, content: bytes, *, overwrite: bool, private: bool = False) -> None:
    """Write a file under a temporary name beside it, then move it into place.

    Args:
        path: path of the file; its folder is made if missing.
        content: content of the file.
        overwrite: whether the file may exist.
        private: whether only its owner may read it, from the first byte on.

    Raises:
        OutputError: the file exists and may not be replaced, it is a folder, pipe or device, or it
            cannot be written.
    """
    unfinished: Path | None = None
    try:
        with writing(path):
            _refuse_existing(path, overwrite)
            path.parent.mkdir(parents=True, exist_ok=True)
            prefix, suffix = _UNFINISHED
            descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=suffix)
            unfinished = Path(name)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            if not private:
                # mkstemp makes private files; give this one the permissions of any new file.
                mask = os.umask(0)
                os.umask(mask)
                unfinished.chmod(0o666 & ~mask)
            unfinished.replace(path)
            unfinished = None
    finally:
        if unfinished is not None:  # an error, or Ctrl-C
            unfinished.unlink(missing_ok=True)


def is_unfinished(path: Path) -> bool:
    """Whether a file is an unfinished one of ``write_file``, still running or killed."""
    prefix, suffix = _UNFINISHED
    return path.name.startswith(prefix) and path.name.endswith(suffix)


def _refuse_existing(path: Path, overwrite: bool) -> None:
    if path.is_dir():
        raise OutputError(f"{path} is a folder; move it, or choose another name")
    if not path.exists():
        return
    if not path.is_file():  # a pipe or device, which must not be replaced by a file
        raise OutputError(f"{path} exists and is not a regular file; choose another name")
    if not overwrite:
        raise OutputError(f"{path} exists; replace it with --overwrite, or choose another name")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError in this block into an OutputError that names the file or folder.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error


def check_new_folder(folder: Path) -> None:
    """Fail before the work starts if ``new_folder`` would fail after it.

    Raises:
        OutputError: the folder exists and is not empty, has no name, or cannot be written.
    """
    if not folder.name:
        raise OutputError(f"{folder} cannot be a new folder; name another with -o")
    with writing(folder):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise OutputError(f"{folder} exists and is not empty; choose another folder with -o")
    check_writable(folder / "style.toml", overwrite=False)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Fill a folder under a temporary name beside it, then move it into place.

    Args:
        folder: the folder to make; it may exist if it is empty.

    Yields:
        The folder to fill.

    Raises:
        OutputError: the folder exists and is not empty, or it cannot be written.
    """
    check_new_folder(folder)
    # Not mkdtemp: its folders are private, on Windows permanently.
    unfinished = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished.mkdir()
    except OSError as error:
        raise OutputError(f"{folder} cannot be created: {error.strerror}") from error
    try:
        yield unfinished
        if folder.is_dir():  # empty, but Windows would not replace it
            folder.rmdir()
        unfinished.replace(folder)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)  # gone already if all went well


def expand_home(path: str | Path, refusal: type[StyleZooError]) -> Path:
    """Replace ``~`` in a path by the home folder.

    Args:
        path: the path as the user wrote it.
        refusal: the error class to raise.

    Raises:
        StyleZooError: there is no such user; an instance of ``refusal``.
    """
    try:
        return Path(path).expanduser()
    except (RuntimeError, ValueError) as error:  # no such user, or none named
        raise refusal(
            f"{str(path)[:300]!r} begins with the home folder of an unknown user; write "
            "the full path"
        ) from error


def remove_path(path: Path) -> None:
    """Remove a folder, file or link if it exists; a link is not followed.

    Raises:
        OSError: it cannot be removed.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

"""Files and folders that appear complete or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stylezoo.errors import OutputError, StyleZooError

_UNFINISHED = (".stylezoo-", ".part")  # begin and end of the name of a file that is being written


def check_writable(path: Path, *, overwrite: bool) -> None:
    """Fail before the work is done, where writing the file would fail after it.

    Args:
        path: of the file.
        overwrite: whether it may be there.

    Raises:
        OutputError: it exists and may not be replaced, it is a folder, pipe or device, or the
            folder for it cannot be written or made.
    """
    with writing(path):
        _refuse_existing(path, overwrite)
        folder = next((folder for folder in path.absolute().parents if folder.exists()), None)
        if folder is None:  # a drive, or a computer on the network
            raise OutputError(f"{path} cannot be written: {path.absolute().anchor} is not there")
        with tempfile.TemporaryFile(dir=folder):
            pass


def write_file(path: Path, content: bytes, *, overwrite: bool, private: bool = False) -> None:
    """Write a file under another name beside it, and move it into place.

    Args:
        path: of the file; the folder for it is made, if it is not there.
        content: of it.
        overwrite: whether it may be there.
        private: whether its owner alone may read it, from the first byte on.

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
                # mkstemp makes private files; this one gets the permissions of any new file.
                mask = os.umask(0)
                os.umask(mask)
                unfinished.chmod(0o666 & ~mask)
            unfinished.replace(path)
            unfinished = None
    finally:
        if unfinished is not None:  # an error, or Ctrl-C
            unfinished.unlink(missing_ok=True)


def is_unfinished(path: Path) -> bool:
    """Whether a file is one that ``write_file`` is writing, or was when it was killed."""
    prefix, suffix = _UNFINISHED
    return path.name.startswith(prefix) and path.name.endswith(suffix)


def _refuse_existing(path: Path, overwrite: bool) -> None:
    if path.is_dir():
        raise OutputError(f"{path} is a folder")
    if not path.exists():
        return
    if not path.is_file():  # a pipe or a device, which a file in its place would end
        raise OutputError(f"{path} exists and is no file; choose another name")
    if not overwrite:
        raise OutputError(f"{path} exists; replace it with --overwrite, or choose another name")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Make what the system refuses in this block an error that names the file or folder.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error


def check_new_folder(folder: Path) -> None:
    """Fail before the work is done, where ``new_folder`` would fail after it.

    Raises:
        OutputError: the folder exists and is not empty, has no name, or cannot be written.
    """
    if not folder.name:
        raise OutputError(f"{folder} is no new folder; give the name of one with -o")
    with writing(folder):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise OutputError(f"{folder} exists and is not empty; choose another folder with -o")
    check_writable(folder / "style.toml", overwrite=False)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Fill a folder under another name beside it, and move it into place.

    Args:
        folder: to make; it may be there if it is empty.

    Yields:
        The folder to fill.

    Raises:
        OutputError: the folder exists and is not empty, or it cannot be written.
    """
    check_new_folder(folder)
    # Not mkdtemp: its folders are private, on Windows for good.
    unfinished = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished.mkdir()
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error.strerror}") from error
    try:
        yield unfinished
        if folder.is_dir():  # an empty one, which Windows would not replace
            folder.rmdir()
        unfinished.replace(folder)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)  # gone already if all went well


def expand_home(path: str | Path, refusal: type[StyleZooError]) -> Path:
    """A path with the home folder in place of ``~``.

    Args:
        path: as a person wrote it.
        refusal: what to raise.

    Raises:
        StyleZooError: there is no such user; of the class given.
    """
    try:
        return Path(path).expanduser()
    except (RuntimeError, ValueError) as error:  # no such user, or no name of one
        raise refusal(
            f"{str(path)[:300]!r} begins with the home folder of nobody known here; write the "
            "whole path"
        ) from error


def remove_path(path: Path) -> None:
    """Remove a folder, file or link, if it is there; a link is not followed.

    Raises:
        OSError: it cannot be removed.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

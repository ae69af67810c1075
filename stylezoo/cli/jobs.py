"""Decides which picture goes where, or refuses, before any work is done."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from stylezoo.cli.output import is_terminal
from stylezoo.errors import OptionError
from stylezoo.files import check_writable

PIPE = "-"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One picture to style: its source and its target, ``"-"`` for a pipe."""

    source: str
    target: str
    format: str


def plan(
    images: tuple[str, ...], output: str | None, label: str, output_format: str | None
) -> list[Job]:
    """Decide where each picture goes.

    Args:
        images: files, folders, or ``"-"`` for stdin.
        output: value of -o.
        label: the style's name, which is appended to a file's own.
        output_format: value of --output-format.

    Raises:
        click.UsageError: the arguments contradict each other, a name is empty, or a pipe is a
            terminal.
        ImageError: a folder holds no pictures.
        OptionError: the output's suffix is not that of a format.
    """
    from stylezoo.images import WRITE_FORMATS, format_of, is_picture_name

    if "" in images:  # as a path, the current folder
        raise click.UsageError("The name of a picture is empty; is a shell variable unset?")
    if output == "":
        raise click.UsageError("The name after -o is empty; is a shell variable unset?")
    default = output_format or "png"
    ending = f"-{label}{WRITE_FORMATS[default]}"
    sources = _sources(images, output, label)
    if PIPE in sources and is_terminal(sys.stdin):
        raise click.UsageError("stdin is a terminal; pipe a picture into it.")
    if output == PIPE or (output is None and PIPE in sources):
        if len(sources) > 1:
            raise click.UsageError("Only one picture can go to stdout; give -o FOLDER for several.")
        if is_terminal(sys.stdout):
            raise click.UsageError("stdout is a terminal; redirect it, or give -o FILE.")
        return [Job(source=sources[0], target=PIPE, format=default)]
    if output is not None and len(images) == 1 and _is_file(output, images[0]):
        try:
            chosen = output_format or format_of(Path(output))
        except OptionError as error:
            raise OptionError(f"{error}, or give --output-format") from error
        return [Job(source=sources[0], target=output, format=chosen)]
    if output is not None and not _is_folder(output) and os.path.lexists(output):
        raise click.UsageError(f"{output} is a file; for several pictures, name a folder with -o.")
    if output is not None and not _means_folder(output) and is_picture_name(Path(output)):
        raise click.UsageError(
            f"{output} is the name of one picture; for several, name a folder with -o."
        )
    jobs = [
        Job(source=source, target=str(_target(source, output, ending)), format=default)
        for source in sources
    ]
    _refuse_collisions(jobs)
    return jobs


def check_job(job: Job, *, overwrite: bool) -> None:
    """Fail before the work is done if writing the file would fail after it.

    Raises:
        OutputError: the target exists and may not be replaced, or cannot be written.
    """
    if job.target != PIPE:
        check_writable(Path(job.target), overwrite=overwrite)


def _sources(images: tuple[str, ...], output: str | None, label: str) -> list[str]:
    from stylezoo.images import find_photos

    sources: list[str] = []
    for image in images:
        if image == PIPE or not _is_folder(image):
            sources.append(image)
            continue
        photos = [str(photo) for photo in find_photos(Path(image))]
        # Leave out the results of an earlier run, which would be styled again.
        results = {_place(result) for photo in photos for result in _results(photo, output, label)}
        sources.extend(photo for photo in photos if _place(photo) not in results)
    return sources


def _results(source: str, output: str | None, label: str) -> Iterator[Path]:
    """What a run may have made from a picture, in any format."""
    from stylezoo.images import WRITE_FORMATS

    return (_target(source, output, f"-{label}{suffix}") for suffix in WRITE_FORMATS.values())


def _target(source: str, output: str | None, ending: str) -> Path:
    path = Path("stdin" if source == PIPE else source)
    folder = path.parent if output is None else Path(output)
    return folder / f"{path.stem}{ending}"


def _place(path: str | Path) -> str:
    """The same string for all paths to one file: the path with links resolved.

    One that leads nowhere, such as a link to itself, is left as it is.
    """
    place = os.path.realpath(path)
    # On most disks of these systems, a.png and A.png are the same file.
    return place.casefold() if sys.platform in ("win32", "darwin") else place


def _is_file(output: str, image: str) -> bool:
    """Whether -o means a file: not if it is a folder, ends in '/', or the source is a folder."""
    return not (_means_folder(output) or _is_folder(image))


def _means_folder(output: str) -> bool:
    return _is_folder(output) or output.endswith(("/", os.sep))


def _is_folder(path: str) -> bool:
    """Whether it is a folder, as far as can be told; reading or writing reports any error."""
    try:
        return Path(path).is_dir()
    except OSError:  # a name that is too long, or a folder without permission
        return False


def _refuse_collisions(jobs: list[Job]) -> None:
    read = {_place(job.source): job.source for job in jobs if job.source != PIPE}
    written: dict[str, str] = {}
    for job in jobs:
        place = _place(job.target)
        if place in written:
            raise click.UsageError(
                f"{written[place]} and {job.source} would both be written to {job.target}; "
                "style them one by one with -o."
            )
        if place in read:
            raise click.UsageError(
                f"{job.source} would be written to {job.target}, which is itself to be styled; "
                "give -o FOLDER."
            )
        written[place] = job.source

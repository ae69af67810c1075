"""``stylezoo apply``: a style on one photo, on many, on a folder, or in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stylezoo.cli.output import print_json
from stylezoo.errors import ImageError, OptionError, OutputError, StyleZooError

if TYPE_CHECKING:
    from stylezoo.images import Photo
    from stylezoo.style import Style

PIPE = "-"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One picture to style: where from and where to; ``"-"`` for a pipe."""

    source: str
    target: str
    format: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the options say of every picture."""

    strength: float
    preserve_color: bool
    size: int | None
    quality: int | None
    overwrite: bool
    seed: int
    max_pixels: int | None


@click.command("apply")
@click.argument("style")
@click.argument("images", nargs=-1, required=True)
@click.option("-o", "--output", help="File to write, '-' for stdout; for several, a folder.")
@click.option(
    "--strength",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    help="0 is the photo, 1 the whole style.",
)
@click.option("--preserve-color", is_flag=True, help="Keep the colours of the photo.")
@click.option("--size", type=click.IntRange(min=1), help="Scale the longest side to N pixels.")
@click.option(
    "--output-format",
    type=click.Choice(["png", "jpeg", "webp", "tiff"]),
    help="By default, what the output's suffix says, else png.",
)
@click.option("--quality", type=click.IntRange(1, 100), help="Of jpeg and webp  [default: 95]")
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
@click.option("--device", help="Such as cpu or cuda; by default, the best there is.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of nets that draw lots.")
@click.option(
    "--max-pixels",
    type=click.IntRange(min=0),
    help="Refuse larger pictures; 0 lifts the limit  [default: 89478485]",
)
def command(
    style: str,
    images: tuple[str, ...],
    output: str | None,
    strength: float,
    preserve_color: bool,
    size: int | None,
    output_format: str | None,
    quality: int | None,
    overwrite: bool,
    as_json: bool,
    device: str | None,
    seed: int,
    max_pixels: int | None,
) -> None:
    """Apply STYLE to IMAGES: files, folders, or '-' for stdin.

    Without -o, photo.jpg becomes photo-STYLE.png beside it. Nothing is overwritten without
    --overwrite.
    """
    from stylezoo.images import DEFAULT_MAX_PIXELS
    from stylezoo.style import load

    loaded = load(style, device=device)
    jobs = plan(images, output, _label(loaded, style), output_format)
    if as_json and any(job.target == PIPE for job in jobs):
        raise click.UsageError("--json and the picture would both go to stdout; give -o FILE.")
    if not overwrite:
        _refuse_existing(jobs)
    settings = Settings(
        strength=strength,
        preserve_color=preserve_color,
        size=size,
        quality=quality,
        overwrite=overwrite,
        seed=seed,
        max_pixels=DEFAULT_MAX_PIXELS if max_pixels is None else max_pixels or None,
    )
    failures: dict[Job, StyleZooError] = {}
    done = []
    with _progress(len(jobs)) as advance:
        for job in jobs:
            try:
                done.append(_run(job, loaded, settings))
            except (ImageError, OutputError, OptionError) as error:
                failures[job] = error
                if len(jobs) > 1:
                    click.echo(f"error: {error}", err=True)
            advance()
    if as_json:
        failed = [{"source": job.source, "error": str(e)} for job, e in failures.items()]
        print_json({"style": style, "done": done, "failed": failed})
    else:
        for row in done:
            if row["output"] != PIPE:
                click.echo(row["output"])
    if not failures:
        return
    if len(jobs) == 1:
        raise next(iter(failures.values()))
    names = ", ".join(job.source for job in failures)
    click.echo(f"{len(done)} of {len(jobs)} done; failed: {names}", err=True)
    sys.exit(1)


def plan(
    images: tuple[str, ...], output: str | None, label: str, output_format: str | None
) -> list[Job]:
    """Decide where each picture goes, before any work is done.

    Raises:
        click.UsageError: the arguments contradict each other.
        ImageError: a folder holds no pictures.
        OptionError: the output's suffix is of no format.
    """
    from stylezoo.images import WRITE_FORMATS, find_photos, format_of

    sources: list[str] = []
    for image in images:
        is_folder = image != PIPE and Path(image).is_dir()
        sources.extend(map(str, find_photos(Path(image))) if is_folder else [image])
    default = output_format or "png"
    one_file = output is not None and (
        output == PIPE or (len(images) == 1 and len(sources) == 1 and _is_file(output, images[0]))
    )
    if one_file:
        assert output is not None
        if len(sources) > 1:
            raise click.UsageError("Several pictures do not go to stdout; give -o FOLDER.")
        chosen = output_format or ("png" if output == PIPE else format_of(Path(output)))
        return [Job(source=sources[0], target=output, format=chosen)]
    jobs = []
    for source in sources:
        if source == PIPE and output is None:
            if len(sources) > 1:
                raise click.UsageError("stdin goes to stdout, alone; give -o FOLDER.")
            if sys.stdout.isatty():
                raise click.UsageError("stdout is a terminal; redirect it, or give -o FILE.")
            jobs.append(Job(source=PIPE, target=PIPE, format=default))
            continue
        path = Path("stdin" if source == PIPE else source)
        folder = path.parent if output is None else Path(output)
        target = folder / f"{path.stem}-{label}{WRITE_FORMATS[default]}"
        jobs.append(Job(source=source, target=str(target), format=default))
    _refuse_collisions(jobs)
    return jobs


def _is_file(output: str, image: str) -> bool:
    """Whether -o means a file: a folder is one that exists, ends in '/', or takes a folder."""
    is_folder = Path(output).is_dir() or output.endswith("/") or Path(image).is_dir()
    return not is_folder


def _refuse_collisions(jobs: list[Job]) -> None:
    sources: dict[str, str] = {}
    for job in jobs:
        if job.target in sources:
            raise click.UsageError(
                f"{sources[job.target]} and {job.source} would both become {job.target}; "
                "style them one by one with -o."
            )
        sources[job.target] = job.source


def _refuse_existing(jobs: list[Job]) -> None:
    """Fail at once for a single picture; in a batch, each one says so in its turn."""
    if len(jobs) == 1 and jobs[0].target != PIPE and Path(jobs[0].target).exists():
        raise OutputError(
            f"{jobs[0].target} exists; replace it with --overwrite, or choose another name"
        )


def _run(job: Job, style: Style, settings: Settings) -> dict[str, object]:
    from stylezoo.images import encode_photo, save_photo

    started = time.perf_counter()
    photo = _read(job, settings)
    if settings.size is not None:
        photo = photo.resized(settings.size)
    styled: Photo = style(
        photo,
        strength=settings.strength,
        preserve_color=settings.preserve_color,
        seed=settings.seed,
    )
    if job.target == PIPE:
        sys.stdout.buffer.write(encode_photo(styled, format=job.format, quality=settings.quality))
    else:
        target = Path(job.target)
        _make_folder(target.parent)
        save_photo(
            styled,
            target,
            format=job.format,
            quality=settings.quality,
            overwrite=settings.overwrite,
        )
    width, height = styled.size
    return {
        "source": job.source,
        "output": job.target,
        "width": width,
        "height": height,
        "seconds": round(time.perf_counter() - started, 3),
    }


def _read(job: Job, settings: Settings) -> Photo:
    from stylezoo.images import open_photo

    if job.source != PIPE:
        return open_photo(job.source, max_pixels=settings.max_pixels)
    content = sys.stdin.buffer.read()
    if not content:
        raise ImageError("stdin is empty")
    return open_photo(content, max_pixels=settings.max_pixels)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the folder {folder} cannot be made: {error.strerror}") from error


def _label(style: Style, spec: str) -> str:
    return style.record.name if style.record else Path(spec).stem


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar on stderr for a batch on a terminal; nothing otherwise."""
    if total == 1 or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("applying", total=total)
        yield lambda: progress.advance(task)

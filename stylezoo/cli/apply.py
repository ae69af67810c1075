"""``stylezoo apply``: apply a style to photos, folders of photos, or a pipe."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stylezoo.catalog import default_catalog
from stylezoo.cli.fetch import fetch
from stylezoo.cli.jobs import PIPE, Job, check_job, plan
from stylezoo.cli.option_types import SEED
from stylezoo.cli.output import print_bytes, print_error, print_json, print_line
from stylezoo.cli.progress import progress
from stylezoo.cli.styling import styling_options
from stylezoo.errors import ImageError, OptionError, OutputError, StyleZooError
from stylezoo.registry.lock_file import find_style
from stylezoo.registry.resolve import ResolvedStyle
from stylezoo.registry.sources import all_sources
from stylezoo.registry.spec import StyleSpec

if TYPE_CHECKING:
    from stylezoo.images import Photo
    from stylezoo.style import Style

SCALING_BYTES = 40  # that scaling takes at its peak for each pixel of the result: measured, 36


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The options that apply to every picture."""

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
@click.option("-o", "--output", help="Output file, '-' for stdout; for several images, a folder.")
@styling_options
@click.option(
    "--size", type=click.IntRange(min=1), help="Scale the longest side to this many pixels."
)
@click.option(
    "--output-format",
    type=click.Choice(["png", "jpeg", "webp", "tiff"]),
    help="Output format  [default: from the output's suffix, else png]",
)
@click.option("--quality", type=click.IntRange(1, 100), help="JPEG or WebP quality  [default: 95]")
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
@click.option("--locked", metavar="FILE", help="Use exactly what this lock file pins.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.option("--device", help="Such as cpu or cuda  [default: the best available]")
@click.option("--seed", type=SEED, default=0, help="Random seed, for nets that use randomness.")
@click.option(
    "--max-pixels",
    type=click.IntRange(min=0),
    help="Refuse pictures with more pixels; 0 for no limit  [default: 89478485]",
)
def command(
    style: str,
    images: tuple[str, ...],
    output: str | None,
    strength: float,
    preserve_color: bool,
    runtime: str | None,
    size: int | None,
    output_format: str | None,
    quality: int | None,
    overwrite: bool,
    locked: str | None,
    as_json: bool,
    device: str | None,
    seed: int,
    max_pixels: int | None,
) -> None:
    """Apply STYLE to IMAGES: files, folders, or '-' for stdin.

    Without -o, photo.jpg becomes photo-STYLE.png next to it. Existing files are only replaced with
    --overwrite. In a folder, results of an earlier run with STYLE are skipped.
    """
    from stylezoo.images import DEFAULT_MAX_PIXELS
    from stylezoo.loading import load

    parsed = StyleSpec.parse(style)
    found = None
    if locked is not None or parsed.path is None or not parsed.path.is_file():
        found = find_style(parsed, all_sources(default_catalog()), locked)
    jobs = plan(images, output, _label(parsed, found), output_format)
    if as_json and any(job.target == PIPE for job in jobs):
        raise click.UsageError("--json and the picture would both go to stdout; give -o FILE.")
    if len(jobs) == 1:
        check_job(jobs[0], overwrite=overwrite)  # before the seconds that loading takes
    settings = Settings(
        strength=strength,
        preserve_color=preserve_color,
        size=size,
        quality=quality,
        overwrite=overwrite,
        seed=seed,
        max_pixels=DEFAULT_MAX_PIXELS if max_pixels is None else max_pixels or None,
    )
    if found is not None:
        fetch(found)  # with a bar; load would fetch without
    failures: dict[Job, StyleZooError] = {}
    done = []
    with progress("applying", len(jobs)) as advance:
        loaded = load(style, device=device, runtime=runtime, locked=locked)
        for job in jobs:
            try:
                done.append(_run(job, loaded, settings))
            except (ImageError, OutputError, OptionError) as error:
                failures[job] = error
            else:
                if not as_json and job.target != PIPE:
                    print_line(job.target)
            advance()
    if as_json:
        failed = [{"source": job.source, "error": str(e)} for job, e in failures.items()]
        version = str(loaded.record.version) if loaded.record else None
        print_json({"style": style, "version": version, "done": done, "failed": failed})
    if not failures:
        return
    if len(jobs) == 1:
        raise next(iter(failures.values()))
    for failure in failures.values():
        print_error(str(failure))
    names = ", ".join(job.source for job in failures)
    click.echo(f"{len(done)} of {len(jobs)} done; failed: {names}", err=True)
    sys.exit(1)


def _run(job: Job, style: Style, settings: Settings) -> dict[str, object]:
    from stylezoo.images import encode_photo, save_photo

    started = time.perf_counter()
    check_job(job, overwrite=settings.overwrite)
    photo = _resized(_read(job, settings), job.source, settings)
    styled: Photo = style(
        photo,
        strength=settings.strength,
        preserve_color=settings.preserve_color,
        seed=settings.seed,
    )
    if job.target == PIPE:
        print_bytes(encode_photo(styled, format=job.format, quality=settings.quality))
    else:
        save_photo(
            styled,
            Path(job.target),
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
    content = sys.stdin.buffer.read() if sys.stdin is not None else b""
    if not content:
        raise ImageError("stdin is empty; pipe a picture into it")
    try:
        return open_photo(content, max_pixels=settings.max_pixels)
    except ImageError as error:
        raise ImageError(f"stdin: {error}") from error


def _resized(photo: Photo, source: str, settings: Settings) -> Photo:
    """Scale to --size, within the limit that keeps a typo from filling memory."""
    if settings.size is None:
        return photo
    import torch

    from stylezoo.memory import check_memory, within_memory

    scale = settings.size / max(photo.size)
    pixels = round(photo.size[0] * scale) * round(photo.size[1] * scale)
    if settings.max_pixels is not None and pixels > settings.max_pixels:
        raise OptionError(
            f"{source} would have {pixels} pixels with --size {settings.size}, more than the "
            f"limit of {settings.max_pixels}; choose a smaller size, or lift the limit with "
            "--max-pixels 0"
        )
    check_memory(SCALING_BYTES * pixels, torch.device("cpu"), size=settings.size)
    with within_memory(f"{settings.size} pixels", "choose a smaller size (--size)"):
        return photo.resized(settings.size)


def _label(spec: StyleSpec, found: ResolvedStyle | None) -> str:
    """The style's name in file names; for a file of weights, the file's own name."""
    if found is None:
        assert spec.path is not None
        return spec.path.stem
    return "-".join([found.record.name, *spec.shares])

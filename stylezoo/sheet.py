"""Every style of the zoo on one photo, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stylezoo.catalog import Catalog, default_catalog
from stylezoo.contact_sheet import LabelledPhoto, contact_sheet, in_rows
from stylezoo.errors import OptionError, StyleZooError
from stylezoo.images import Photo, open_photo
from stylezoo.loading import load
from stylezoo.registry.listing import list_sources
from stylezoo.registry.resolve import resolve
from stylezoo.registry.sources import all_sources
from stylezoo.registry.spec import StyleSpec

if TYPE_CHECKING:
    from PIL import Image

    from stylezoo.interfaces.source import RegistrySource
    from stylezoo.registry.entry import StyleEntry

MAX_SIDE = 2048  # pixels


def styles_for_sheet(
    specs: Sequence[str] = (), *, tag: str | None = None, catalog: Catalog | None = None
) -> list[str]:
    """List the specs of single styles, with each pack expanded into the styles it holds.

    Args:
        specs: specs of styles and packs; empty for the newest version of all that installed
            packages provide, which needs no network.
        tag: include only those with this tag.
        catalog: where they come from; None for the installed plugins.

    Raises:
        StyleZooError: a spec cannot be read or resolved.
        OptionError: nothing is left.
    """
    catalog = catalog or default_catalog()
    if specs:
        sources = all_sources(catalog)
        named = [(spec, _entry(StyleSpec.parse(spec), sources)) for spec in specs]
    else:
        listed = list_sources(catalog.sources())
        named = [(style.entry.name, style.entry) for style in listed if style.taken]
        if not named:
            raise OptionError("no installed package provides a style; name one")
    tagged = [
        (spec, entry)
        for spec, entry in named
        if tag is None or (entry is not None and tag in entry.tags)
    ]
    if not tagged:
        where = f"none of {', '.join(specs)}" if specs else "no style"
        raise OptionError(f"{where} has the tag {tag!r}; 'stylezoo list --json' shows the tags")
    return [one for spec, entry in tagged for one in _single_styles(spec, entry)]


def _entry(spec: StyleSpec, sources: Mapping[str, RegistrySource]) -> StyleEntry | None:
    """The listing entry of a style; None for a weights file, which has none."""
    if spec.path is not None and spec.path.is_file():
        return None
    return resolve(spec, sources).record.entry


def _single_styles(spec: str, entry: StyleEntry | None) -> list[str]:
    if entry is None or not entry.styles or StyleSpec.parse(spec).shares:
        return [spec]
    return [f"{spec}:{name}" for name, _ in entry.styles]


def style_sheet(
    photo: Photo | str | Path,
    specs: Sequence[str],
    *,
    side: int = 320,
    columns: int = 4,
    strength: float = 1.0,
    preserve_color: bool = False,
    device: str | None = None,
    runtime: str | None = None,
    catalog: Catalog | None = None,
    on_style: Callable[[str, StyleZooError | None], None] | None = None,
) -> Image.Image:
    """Draw a labelled contact sheet: the photo, then each style applied to it.

    Args:
        photo: a photo or its path.
        specs: specs of single styles, as ``styles_for_sheet`` returns them.
        side: the longest side of each picture, in pixels; the photo is styled at this size.
        columns: pictures per row.
        strength: from 0, the photo, to 1, the full style.
        preserve_color: take only the luminance from the styles.
        device: such as ``"cpu"`` or ``"cuda"``; None for the best available.
        runtime: a registered runtime; None for the default of ``load``.
        catalog: where styles come from; None for the installed plugins.
        on_style: called after each style, with the error if it could not be loaded or applied;
            the sheet continues without it.

    Raises:
        ImageError: the photo cannot be read.
        OptionError: an argument is out of range.
        StyleZooError: a style fails and no ``on_style`` is given.
    """
    if not 16 <= side <= MAX_SIDE:
        raise OptionError(f"the side is {side}; it must be from 16 to {MAX_SIDE} pixels")
    if columns < 1:
        raise OptionError(f"the number of columns is {columns}; it must be 1 or more")
    opened = photo if isinstance(photo, Photo) else open_photo(photo)
    small = opened.resized(side)
    pictures = [LabelledPhoto(small, "photo")]
    for spec in specs:
        failure = None
        try:
            style = load(spec, device=device, runtime=runtime, catalog=catalog)
            styled = style(small, strength=strength, preserve_color=preserve_color)
            pictures.append(LabelledPhoto(styled, spec))
        except StyleZooError as error:
            if on_style is None:
                raise
            failure = error
        if on_style is not None:
            on_style(spec, failure)
    return contact_sheet(in_rows(pictures, columns), side=side)

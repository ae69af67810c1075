"""Searching what the sources list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stylezoo.registry.entry import StyleEntry
from stylezoo.registry.listing import ListedStyle


def search_styles(
    styles: Iterable[ListedStyle],
    words: Sequence[str] = (),
    *,
    tags: Sequence[str] = (),
    licence: str | None = None,
    net: str | None = None,
) -> list[ListedStyle]:
    """Pick the matching styles, with those whose name has all the words first.

    Args:
        styles: to pick from.
        words: each must be in the name, the summary, a tag, or the name or title of a style of
            the pack, in any case.
        tags: each must be one of the style's tags.
        licence: of the weights, as an SPDX expression in any case.
        net: the registered name of the transform net.
    """
    lowered = [word.lower() for word in words]
    found = [
        style
        for style in styles
        if (net is None or style.entry.net == net)
        and (licence is None or style.entry.licence.lower() == licence.lower())
        and all(tag in style.entry.tags for tag in tags)
        and _has_words(style.entry, lowered)
    ]
    return sorted(found, key=lambda style: not all(word in style.entry.name for word in lowered))


def _has_words(entry: StyleEntry, words: Sequence[str]) -> bool:
    if not words:
        return True
    parts = (
        entry.name,
        entry.summary,
        *entry.tags,
        *(part for pair in entry.styles for part in pair),
    )
    text = "\n".join(parts).lower()
    return all(word in text for word in words)

"""The state of each source, as known without asking anyone."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from stylezoo.errors import StyleZooError
from stylezoo.interfaces.source import RegistrySource
from stylezoo.registry.folder import FolderSource


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceState:
    """One source of styles.

    Attributes:
        name: of the source.
        location: where its styles are.
        signed: whether keys vouch for its index.
        state: ``"ok"``; ``"expired"``: the signatures of its index have expired; ``"unknown"``: it
            was never asked; ``"missing"``: its folder does not exist; ``"failed"``.
        error: why it failed.
        refreshed: when its index was last confirmed (UTC), if signed.
        expires: when its index expires (UTC), if signed.
        styles: how many it lists; None if unknown.
    """

    name: str
    location: str
    signed: bool
    state: Literal["ok", "expired", "unknown", "missing", "failed"]
    error: str | None = None
    refreshed: datetime | None = None
    expires: datetime | None = None
    styles: int | None = None


def source_states(sources: Mapping[str, RegistrySource]) -> list[SourceState]:
    """The state of each source, in lookup order; none is asked over the network."""
    return [_state(name, source) for name, source in sources.items()]


def _state(name: str, source: RegistrySource) -> SourceState:
    from stylezoo.registry.remote import RemoteSource

    location = source.location
    with suppress(OSError):  # of an unreadable folder, which names() reports
        if isinstance(source, FolderSource) and not Path(location).is_dir():
            return SourceState(name=name, location=location, signed=False, state="missing")
    if not isinstance(source, RemoteSource):
        try:
            styles = len(source.names())
        except StyleZooError as error:
            return SourceState(
                name=name, location=location, signed=False, state="failed", error=str(error)
            )
        return SourceState(name=name, location=location, signed=False, state="ok", styles=styles)
    index = source.registry.copy()
    if index is None:
        return SourceState(name=name, location=location, signed=True, state="unknown")
    return SourceState(
        name=name,
        location=location,
        signed=True,
        state="expired" if index.expired else "ok",
        refreshed=index.refreshed,
        expires=index.expires,
        styles=len(index.entries),
    )

"""``stylezoo verify``: check that styles on this machine are intact and draw as they did."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from packaging.version import Version

from stylezoo.catalog import default_catalog
from stylezoo.cli.output import print_error, print_json, print_line
from stylezoo.cli.progress import progress
from stylezoo.errors import (
    CacheError,
    IntegrityError,
    StyleNotFoundError,
    StyleZooError,
    VersionNotFoundError,
)
from stylezoo.interfaces.source import RegistrySource, SourceWarning
from stylezoo.registry.record import RECORD_FILE, Record
from stylezoo.registry.record_io import read_record
from stylezoo.registry.sources import all_sources, used_repositories
from stylezoo.registry.spec import StyleSpec
from stylezoo.registry.store import Store
from stylezoo.registry.verify import verify_files

if TYPE_CHECKING:
    from stylezoo.registry.hub_repository import HubRepository

CACHE = "cache"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Local:
    """One version of a style on this machine, with its source and folder.

    ``repository`` is the Hub repository that it was fetched from, if any.
    """

    name: str
    version: Version
    source: str
    folder: Path
    repository: str | None = None

    @property
    def spec(self) -> str:
        """The spec to fetch it by."""
        return f"{self.repository or self.name}@{self.version}"

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.source})"


@click.command("verify")
@click.argument("styles", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Verify everything fetched or installed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(styles: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Verify STYLES: names, name@version or folders. Nothing is fetched.

    Every file is compared with the sha256 in the record, and the net must give the golden output
    here, an adapter's with its base. A style that was fetched and is damaged is mended by: stylezoo
    fetch NAME
    """
    if bool(styles) == everything:
        raise click.UsageError("Name the styles to verify, or give --all.")
    here = list(_all_local())
    wanted = here if everything else [one for style in styles for one in _matching(style, here)]
    differences: dict[_Local, float] = {}
    failures: dict[_Local, StyleZooError] = {}
    with progress("verifying", len(wanted)) as advance:
        for local in wanted:
            try:
                differences[local] = _verify(local, here)
            except StyleZooError as error:
                failures[local] = error
            else:
                if not as_json:
                    print_line(f"{local}: intact, golden output within {differences[local]:.2g}")
            advance()
    damaged, unreadable = (Store().damaged(), Store().unreadable()) if everything else ([], [])
    if as_json:
        print_json(
            {
                "verified": [{**_to_dict(one), "difference": d} for one, d in differences.items()],
                "failed": [{**_to_dict(one), "error": str(e)} for one, e in failures.items()],
                "damaged": damaged,
                "unreadable": unreadable,
            }
        )
    for local, failure in failures.items():
        damaged_here = local.source == CACHE and isinstance(failure, IntegrityError)
        advice = f"; run: stylezoo fetch {local.spec}" if damaged_here else ""
        print_error(f"{local}: {failure}{advice}")
    for sha256 in damaged:
        path = Store().root / sha256 / RECORD_FILE
        print_error(f"{path} is damaged; run: stylezoo cache prune")
    for sha256 in unreadable:
        path = Store().root / sha256
        click.echo(f"not verified: {path}, which only a newer stylezoo can read", err=True)
    if failures or damaged:
        sys.exit(1)


def _verify(local: _Local, here: list[_Local]) -> float:
    """Hash every file, run the golden test and return how much its output differs.

    The net is not loaded by name: that would fetch or repair what is to be judged.
    """
    from stylezoo.loading import build_net
    from stylezoo.registry.golden import golden_difference, golden_run

    record = read_record(local.folder)
    verify_files(local.folder, record)
    net = build_net(
        record.net,
        record,
        local.folder / record.file("weights").path,
        _base_weights(record, here),
        style=record.name,
        catalog=default_catalog(),
    )
    return golden_difference(golden_run(net), local.folder, record)


def _base_weights(record: Record, here: list[_Local]) -> Path | None:
    """The weights that an adapter builds on, verified; None for a style that needs no base.

    Raises:
        StyleNotFoundError: they are not on this machine.
        IntegrityError: they are damaged.
    """
    base = record.base
    if base is None:
        return None
    for local in here:
        if (local.name, local.version) == (base.name, base.version):
            theirs = read_record(local.folder)
            weights = theirs.file("weights")
            if weights.sha256 == base.sha256:
                verify_files(local.folder, theirs, [weights])
                return local.folder / weights.path
    raise StyleNotFoundError(
        f"it builds on {base.spec} with weights of sha256 {base.sha256}, which is not on this "
        f"machine; run: stylezoo fetch {base.spec}"
    )


def _all_local() -> Iterator[_Local]:
    """All styles that are installed, in folders, or fetched."""
    for name, source in _sources().items():
        try:
            yield from list(_of_source(name, source))
        except StyleZooError as error:
            warnings.warn(f"the source {name!r} is left out: {error}", SourceWarning, stacklevel=2)
    repositories = _repositories()
    for stored in Store().entries():
        yield _Local(
            name=stored.record.name,
            version=stored.record.version,
            source=CACHE,
            folder=stored.folder,
            repository=repositories.get(stored.folder),
        )


def _of_source(name: str, source: RegistrySource) -> Iterator[_Local]:
    for style in source.names():
        for version in source.local_versions(style):
            folder = source.local_folder(style, version)
            if folder is not None:
                yield _Local(name=style, version=version, source=name, folder=folder)


def _repositories() -> dict[Path, str]:
    """The Hub repository of each folder in the store that came from one."""
    found: dict[Path, str] = {}
    for source in used_repositories().values():
        with suppress(CacheError):  # its metadata is damaged; its styles may be intact
            found |= {local.folder: local.name for local in _of_repository(source)}
    return found


def _sources() -> dict[str, RegistrySource]:
    """The sources that hold styles on this machine: those of plugins, and folders."""
    from stylezoo.registry.remote import RemoteSource

    sources = all_sources(default_catalog()).items()
    return {name: source for name, source in sources if not isinstance(source, RemoteSource)}


def _matching(style: str, here: list[_Local]) -> list[_Local]:
    """The local styles that a user's spec matches.

    Raises:
        StyleNotFoundError, VersionNotFoundError: there is none on this machine.
    """
    spec = StyleSpec.parse(style)
    if spec.path is not None:
        record = read_record(spec.path)
        return [_Local(name=record.name, version=record.version, source="folder", folder=spec.path)]
    name = spec.name or spec.repository
    if spec.repository is not None:
        from stylezoo.registry.hub_repository import HubRepository

        named = list(_of_repository(HubRepository(spec.repository)))
    else:
        named = [local for local in here if local.name == name]
    matching = [local for local in named if spec.versions.contains(local.version, prereleases=True)]
    if matching:
        return matching
    advice = f"run: stylezoo fetch {style}"
    if named:
        versions = ", ".join(str(local.version) for local in named)
        raise VersionNotFoundError(
            f"{style!r} is not on this machine, which has {name} {versions}; {advice}"
        )
    raise StyleNotFoundError(f"{style!r} is not on this machine; {advice}")


def _of_repository(source: HubRepository) -> Iterator[_Local]:
    """All styles fetched from a Hub repository, whatever they are called."""
    name = source.repository
    for version in source.local_versions(name):
        folder = source.local_folder(name, version)
        if folder is not None:
            yield _Local(name=name, version=version, source=CACHE, folder=folder)


def _to_dict(local: _Local) -> dict[str, object]:
    return {
        "name": local.name,
        "version": str(local.version),
        "source": local.source,
        "folder": str(local.folder),
    }

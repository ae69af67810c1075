"""All sources of styles, in lookup order: those of plugins, and the configured registries."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from stylezoo.cache import cache_dir
from stylezoo.catalog import Catalog
from stylezoo.errors import CacheError, RegistryError
from stylezoo.interfaces.source import RegistrySource
from stylezoo.plugin_loader import PluginWarning
from stylezoo.registry.config import (
    HUB_PREFIX,
    RegistryConfig,
    RegistryWarning,
    is_remote,
    parse_location,
    read_registries,
)
from stylezoo.registry.folder import FolderSource
from stylezoo.registry.guarded_source import GuardedSource
from stylezoo.registry.transport import Transport

if TYPE_CHECKING:
    from stylezoo.registry.hub_repository import HubRepository


def all_sources(catalog: Catalog) -> dict[str, RegistrySource]:
    """Every source by name, in lookup order.

    First come the sources of plugins, then the registries of plugins, then those of the user's
    list. A plugin's source that the list names without a location takes its position there.
    Creating sources reads no registry. One that cannot be created is skipped with a warning.

    Args:
        catalog: of the plugins.

    Raises:
        RegistryError: the user's list cannot be read.
    """
    sources = _sources_of_plugins(catalog)
    sources |= _registries_of_plugins(catalog, taken=sources)
    configured = read_registries()
    ordered = {name: source for name, source in sources.items() if name not in configured}
    for name, config in configured.items():
        if config is None and name in sources:
            ordered[name] = sources[name]
        elif config is None:
            known = ", ".join(sources) or "none"
            _warn(
                f"no plugin provides a source {name!r}, and it has no location; there are: {known}"
            )
        elif name in sources:
            _warn(
                f"the registry {name!r} is left out: a plugin's source has this name; give it "
                "another, or leave out its location to mean that source"
            )
            ordered[name] = sources[name]
        else:
            try:
                ordered[name] = make_source(name, config)
            except (RegistryError, CacheError) as error:
                _warn(f"the registry {name!r} is left out: {error}")
    return ordered


def used_repositories() -> dict[str, HubRepository]:
    """The repositories on the Hub used on this machine, as sources by location.

    One whose pin file cannot be read is skipped with a warning.
    """
    try:
        folder = cache_dir() / "hub"
    except CacheError:  # no home folder: nothing was kept in it
        return {}
    if not folder.is_dir():  # otherwise the module is worth importing
        return {}
    from stylezoo.registry.hub_repository import known_repositories

    return {source.location: source for source in known_repositories()}


def make_source(name: str, config: RegistryConfig) -> RegistrySource:
    """Create the source of one registry, without reading the registry yet.

    Args:
        name: what the user calls it.
        config: where it is, and whose keys are trusted.

    Raises:
        RegistryError: the location is invalid, the root cannot be read, or a remote one has none.
        CacheError: there is no home folder to keep a cache in.
    """
    location = parse_location(config.location)
    if config.root is None:
        if is_remote(location):
            raise RegistryError(
                f"{location} has no trusted root; run: stylezoo registries add "
                f"{location} --root FILE"
            )
        return FolderSource(Path(location))
    # Imported only now: a plain folder needs none of it.
    from stylezoo.registry.remote import RemoteSource
    from stylezoo.registry.trust import TrustedRegistry

    state = state_folder(name, config.root)
    return RemoteSource(TrustedRegistry(name, make_transport(location), config, state))


def make_transport(location: str) -> Transport:
    """Create what reads the files of a registry.

    Args:
        location: as returned by ``parse_location``.
    """
    if location.startswith(HUB_PREFIX):
        from stylezoo.registry.hub_transport import HubTransport

        return HubTransport(location.removeprefix(HUB_PREFIX))
    if is_remote(location):
        from stylezoo.registry.http_transport import HttpTransport

        return HttpTransport(location)
    from stylezoo.registry.folder_transport import FolderTransport

    return FolderTransport(Path(location))


def state_folder(name: str, root: Path) -> Path:
    """The folder where the verified state of a registry is kept.

    It depends on name and root: a registry that moves to another server must still not be older
    than it was, while one with other keys is unrelated.

    Raises:
        RegistryError: the root cannot be read.
        CacheError: there is no home folder to keep a cache in.
    """
    import hashlib

    from stylezoo.registry.store import Store

    try:
        digest = hashlib.sha256(root.read_bytes()).hexdigest()
    except OSError as error:
        raise RegistryError(
            f"the trusted root {root} cannot be read: {error.strerror}; add the registry again "
            "with: stylezoo registries add LOCATION --root FILE"
        ) from error
    folder = f"{name.replace(':', '-')}-{digest[:12]}"  # Windows allows no colon
    return Store().root.parent / "registries" / folder


def _sources_of_plugins(catalog: Catalog) -> dict[str, RegistrySource]:
    made: dict[str, RegistrySource] = {}
    for name, source in catalog.sources().items():
        known = isinstance(source, FolderSource)  # which keeps what a source promises
        made[name] = source if known else GuardedSource(name, source)
    return made


def _registries_of_plugins(catalog: Catalog, taken: Collection[str]) -> dict[str, RegistrySource]:
    """The registries of plugins, under their full names where a name is taken."""
    components = catalog.components("registry")
    names = [*taken, *(component.name for component in components)]
    made: dict[str, RegistrySource] = {}
    for component in components:
        name = component.name if names.count(component.name) == 1 else component.full_name
        try:
            config = catalog.get("registry", component.full_name)
            if not isinstance(config, RegistryConfig):
                raise RegistryError(f"{config!r} is not a RegistryConfig")
            made[name] = make_source(name, config)
        except Exception as error:  # third-party code may raise anything
            warnings.warn(
                f"the registry {component.full_name!r} is left out: {error}",
                PluginWarning,
                stacklevel=2,
            )
    return made


def _warn(message: str) -> None:
    warnings.warn(message, RegistryWarning, stacklevel=3)

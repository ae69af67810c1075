"""The registries a user has configured: the config file and STYLEZOO_REGISTRIES."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stylezoo.errors import OutputError, RegistryError
from stylezoo.files import expand_home, write_file
from stylezoo.registry.strict_toml import parse_toml

CONFIG_VARIABLE = "STYLEZOO_CONFIG"
REGISTRIES_VARIABLE = "STYLEZOO_REGISTRIES"

REGISTRY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
HUB_PREFIX = "hub:"

_HUB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_LONGEST_HUB_NAME = 96
_FIELDS = ("name", "location", "root")


class RegistryWarning(UserWarning):
    """A registry is skipped, or used as last known; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RegistryConfig:
    """One registry.

    Attributes:
        location: a folder's path, ``https://...``, or ``hub:owner/name``.
        root: path of the ``root.json`` whose keys are trusted; None for a plain folder of styles,
            which is trusted like this machine's own disk.
        seed: a folder of metadata known to be good when it was packaged, laid out like a
            registry's ``metadata``; the registry must not be older. None for none.

    Paths may also be given as strings.
    """

    location: str
    root: Path | None = None
    seed: Path | None = None

    def __post_init__(self) -> None:
        for name in ("root", "seed"):
            path = getattr(self, name)
            if path is not None:
                object.__setattr__(self, name, Path(path))


Registries = Mapping[str, RegistryConfig | None]
"""Registries by name, in lookup order. None marks the position of a source from a plugin."""


def config_file() -> Path:
    """The config file: STYLEZOO_CONFIG, or the platform's default. It need not exist."""
    chosen = os.environ.get(CONFIG_VARIABLE)
    if chosen:
        return Path(chosen).absolute()  # its entries are relative to its folder
    import platformdirs

    return platformdirs.user_config_path("stylezoo") / "registries.toml"


def is_remote(location: str) -> bool:
    """Whether a location needs the network."""
    return location.startswith(("http://", "https://", HUB_PREFIX))


def is_hub_name(text: str) -> bool:
    """Whether a text is a valid repository name on the Hub, ``owner/name``."""
    return (
        _HUB_NAME.fullmatch(text) is not None
        and len(text) <= _LONGEST_HUB_NAME
        and not any(part.endswith(("-", ".", ".git")) for part in text.split("/"))
        and not any(refused in text for refused in ("--", ".."))
    )


def parse_location(text: str) -> str:
    """Validate and normalise the location of a registry.

    Args:
        text: a folder's path, an address, or ``hub:owner/name``.

    Returns:
        The location, with a path made absolute, a lower-case scheme, and an address without its
        trailing slash.

    Raises:
        RegistryError: it is none of these.
    """
    if text.lower().startswith(HUB_PREFIX):
        name = text[len(HUB_PREFIX) :]
        if not is_hub_name(name):
            raise RegistryError(f"{text!r} is not a repository on the Hub; write hub:owner/name")
        return HUB_PREFIX + name
    if "://" in text:
        return _parse_address(text)
    if not text or "\0" in text:
        raise RegistryError(
            f"{text!r} is not the location of a registry; write a folder, https://... or hub:..."
        )
    return str(expand_home(text, RegistryError).absolute())


def read_registries() -> dict[str, RegistryConfig | None]:
    """Read the registries that the user has configured.

    STYLEZOO_REGISTRIES, if set, replaces the file's list: comma-separated ``name=location``
    pairs, locations, or names of the file's registries or of plugins' sources. A name in the
    file takes precedence over a folder of that name. A location listed in the file keeps its
    root; any other is a plain folder.

    Returns:
        By name, in lookup order; see ``Registries``.

    Raises:
        RegistryError: the file or the variable cannot be read.
    """
    configured = read_config_file()
    chosen = os.environ.get(REGISTRIES_VARIABLE)
    if chosen is None:
        return configured
    return _read_variable(chosen, configured)


def read_config_file() -> dict[str, RegistryConfig | None]:
    """Read the config file alone; empty if there is no file.

    Raises:
        RegistryError: it cannot be read, or breaks the format.
    """
    return {name: config for name, (_, config) in _read_file().items()}


def write_registries(registries: Registries) -> None:
    """Write the config file atomically; an entry that stays the same stays as it was written.

    Raises:
        OutputError: it cannot be written.
        RegistryError: the present file cannot be read.
    """
    import tomli_w

    path = config_file()
    if path.parts[0] == "~":
        raise OutputError(f"there is no home folder to keep {path.name} in; set {CONFIG_VARIABLE}")
    written = _read_file()
    entries = []
    for name, config in registries.items():
        entry, known = written.get(name, ({}, None))
        entries.append(entry if entry and known == config else _to_entry(name, config, path.parent))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path.parent} cannot be created: {error.strerror}") from error
    tables = ["[[registries]]\n" + tomli_w.dumps(entry) for entry in entries]
    write_file(path, "\n".join(tables).encode(), overwrite=True)


def root_file(name: str, content: bytes) -> Path:
    """The path at which a trusted root is kept, next to the config file.

    Named by content, as another list in this folder may have another registry of the same name.

    Args:
        name: of the registry.
        content: of the root.
    """
    import hashlib

    digest = hashlib.sha256(content).hexdigest()
    return config_file().parent / "roots" / f"{name}-{digest[:12]}.json"


def default_name(location: str) -> str:
    """Derive a name for a registry from its location."""
    if location.startswith(HUB_PREFIX):
        text = location.removeprefix(HUB_PREFIX).replace("/", "-")
    elif is_remote(location):
        parts = urlsplit(location)
        text = Path(parts.path).name or str(parts.hostname)
    else:
        text = Path(location).name
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:64]
    return name or "registry"


def check_registry_name(name: str) -> None:
    """Check the name of a registry.

    Raises:
        RegistryError: it is invalid.
    """
    if not REGISTRY_NAME.fullmatch(name):
        raise RegistryError(
            f"{name[:100]!r} is not a valid registry name; use up to 64 letters, digits, '.', '_' "
            "and '-', starting with a letter or digit"
        )


def _parse_address(text: str) -> str:
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bad port or IPv6 address
        good = False
    if not good:
        raise RegistryError(f"{text[:300]!r} is not a registry address; write https://host/path")
    if parts.username is not None or parts.password is not None:
        # The address is displayed and stored, so it must not contain a password.
        raise RegistryError(
            f"the address of {parts.hostname} contains a user name; put it in ~/.netrc with the "
            "password, and leave it out here"
        )
    if parts.query or parts.fragment:
        raise RegistryError(f"{text[:300]!r} must not contain '?' or '#'; write https://host/path")
    return f"{parts.scheme}{text[len(parts.scheme) :].rstrip('/')}"


def _read_file() -> dict[str, tuple[dict[str, str], RegistryConfig | None]]:
    """The entries of the config file by name: as written, and what they mean."""
    path = config_file()
    try:
        table = parse_toml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise RegistryError(
            f"{path} cannot be read: {error.strerror}; to use another file, set {CONFIG_VARIABLE}"
        ) from error
    except ValueError as error:  # TOML and UTF-8
        raise RegistryError(f"{path} is not TOML: {error}; fix or remove it") from error
    entries = table.get("registries", [])
    if not isinstance(entries, list) or set(table) - {"registries"}:
        raise RegistryError(f"{path} must hold [[registries]] and nothing else; fix or remove it")
    registries: dict[str, tuple[dict[str, str], RegistryConfig | None]] = {}
    for index, entry in enumerate(entries):
        where = f"{path}: registries[{index}]"
        name, config = _read_entry(entry, where, path.parent)
        if name in registries:
            raise RegistryError(f"{where}: the name {name!r} is already used; choose another")
        registries[name] = entry, config
    return registries


def _read_entry(entry: Any, where: str, folder: Path) -> tuple[str, RegistryConfig | None]:
    if not isinstance(entry, dict):
        raise RegistryError(f"{where}: it is not a table")
    for key, value in entry.items():
        if key not in _FIELDS:
            raise RegistryError(
                f"{where}: there is no field {key[:100]!r}; the fields are name, location, root"
            )
        if not isinstance(value, str):
            raise RegistryError(f"{where}.{key}: {repr(value)[:100]} is not text")
    name = entry.get("name", "")
    check_registry_name(name)
    if "location" not in entry:
        if "root" in entry:
            raise RegistryError(f"{where}: it has a root but no location")
        return name, None
    location = parse_location(entry["location"])
    if not is_remote(location):
        location = str(folder / expand_home(entry["location"], RegistryError))
    if "root" not in entry:
        _require_folder(location, where)
        return name, RegistryConfig(location=location)
    return name, RegistryConfig(
        location=location, root=folder / expand_home(entry["root"], RegistryError)
    )


def _read_variable(text: str, configured: Registries) -> dict[str, RegistryConfig | None]:
    known = {_place(config.location): name for name, config in configured.items() if config}
    registries: dict[str, RegistryConfig | None] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, location = part.partition("=")
        named = REGISTRY_NAME.fullmatch(part) is not None and not Path(part).is_dir()
        # A folder that happens to share a registry's name must not bypass its keys.
        if part in configured or (not equals and named):
            registries[part] = configured.get(part)
            continue
        location = parse_location(location if equals else part)
        place = _place(location)
        where = f"{REGISTRIES_VARIABLE}, {part!r}"
        if not equals:
            name = known.get(place) or _free_name(default_name(location), registries)
        check_registry_name(name)
        if name in registries:
            raise RegistryError(f"{where}: the name {name!r} is already used; choose another")
        config = configured[known[place]] if place in known else None
        if config is None:
            _require_folder(location, where)
        registries[name] = config or RegistryConfig(location=location)
    return registries


def _place(location: str) -> str:
    """A location to compare with others: a folder stays the same by way of ``..`` or a link."""
    return location if is_remote(location) else os.path.realpath(location)


def _free_name(name: str, taken: Registries) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free


def _require_folder(location: str, where: str) -> None:
    if is_remote(location):
        raise RegistryError(
            f"{where}: {location} has no trusted root; run: "
            f"stylezoo registries add {location} --root FILE"
        )


def _to_entry(name: str, config: RegistryConfig | None, folder: Path) -> dict[str, str]:
    entry = {"name": name}
    if config is not None:
        entry["location"] = config.location
        if config.root is not None:
            entry["root"] = _relative(config.root, folder)
    return entry


def _relative(path: Path, folder: Path) -> str:
    """Relative if the file is in the folder, so that both can move together."""
    try:
        return path.relative_to(folder).as_posix()
    except ValueError:
        return str(path.absolute())

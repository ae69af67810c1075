"""What is known about a repository on the Hub: its versions, and the exact bytes of each.

The owner of a repository can move a tag, but not change a commit. On first use a version is pinned
to the full commit and to the sha256 of its record, which holds the hashes of all its files. From
then on it means the same bytes on this machine, whatever the Hub says.
"""

from __future__ import annotations

import dataclasses
import json
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import Version

from stylezoo.cache import CACHE_VARIABLE
from stylezoo.errors import CacheError, OutputError, RecordError, RegistryFormatError
from stylezoo.files import write_file
from stylezoo.interfaces.source import SourceWarning
from stylezoo.registry.locks import locked
from stylezoo.registry.record_text import SHA256, check_version
from stylezoo.registry.strict_json import parse_object

FORMAT = 1
MAX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """What a version permanently refers to.

    Attributes:
        commit: of the repository, 40 hex digits.
        sha256: of the record.
    """

    commit: str
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MovedTag:
    """A tag that was moved after its version was used here.

    Attributes:
        repository: on the Hub.
        version: of the style.
        pinned: the commit that the version is pinned to here.
        found: the commit that the Hub reports now; None if the tag is gone.
    """

    repository: str
    version: Version
    pinned: str
    found: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Knowledge:
    """What is known about a repository.

    Attributes:
        listed: the commit of each version, as last reported by the Hub.
        pins: of the versions used here.
    """

    listed: Mapping[Version, str]
    pins: Mapping[Version, Pin]

    @property
    def versions(self) -> list[Version]:
        """All versions, oldest first."""
        return sorted({*self.listed, *self.pins})


class PinFile:
    """Stores what is known about one repository.

    Args:
        folder: of all such files.
        repository: on the Hub, ``owner/name``.
    """

    def __init__(self, folder: Path, repository: str) -> None:
        self.repository = repository
        # The Hub allows no "--" in a name, and no two names that differ only in case.
        self.path = folder / f"{repository.casefold().replace('/', '--')}.json"

    def read(self) -> Knowledge | None:
        """Read what is known; None if nothing is.

        Raises:
            CacheError: the file is damaged or cannot be read.
        """
        value = _read(self.path)
        if value is None:
            return None
        try:
            return _parse(value)
        except (RegistryFormatError, RecordError) as error:
            raise _damaged(self.path, error) from error

    def set_listed(self, listed: Mapping[Version, str]) -> Knowledge:
        """Store what the Hub lists now; pins stay as they are.

        Raises:
            CacheError: the file cannot be written.
        """
        with self._alone():
            known = self.read()
            return self._write(Knowledge(listed=listed, pins=known.pins if known else {}))

    def pin(self, version: Version, pin: Pin) -> Pin:
        """Pin a version, unless another process has done so meanwhile.

        Returns:
            The pin in effect.

        Raises:
            CacheError: the file cannot be written.
        """
        with self._alone():
            known = self.read() or Knowledge(listed={}, pins={})
            if version not in known.pins:
                known = self._write(dataclasses.replace(known, pins={**known.pins, version: pin}))
            return known.pins[version]

    def _alone(self) -> AbstractContextManager[None]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(self.path, "written", error.strerror or str(error)) from error
        return locked(self.path.with_suffix(".lock"), f"the versions of {self.repository}")

    def _write(self, known: Knowledge) -> Knowledge:
        value = {
            "format": FORMAT,
            "repository": self.repository,
            "listed": {str(version): known.listed[version] for version in sorted(known.listed)},
            "pins": {
                str(version): dataclasses.asdict(known.pins[version])
                for version in sorted(known.pins)
            },
        }
        try:
            write_file(self.path, json.dumps(value, indent=1).encode(), overwrite=True)
        except OutputError as error:
            raise _unusable(self.path, "written", str(error)) from error
        return known


def repositories(folder: Path) -> list[str]:
    """The repositories about which something is known, sorted.

    One whose file is damaged or cannot be read is skipped with a warning.

    Args:
        folder: of the files.
    """
    names = []
    for path in folder.glob("*--*.json"):
        try:
            value = _read(path)
        except CacheError as error:
            message = f"a repository on the Hub is left out: {error}"
            warnings.warn(message, SourceWarning, stacklevel=2)
            continue
        name = value.get("repository") if value else None
        if isinstance(name, str) and PinFile(folder, name).path == path:
            names.append(name)
    return sorted(names)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, "read", error.strerror or str(error)) from error
    try:
        return parse_object(content, "it")
    except RegistryFormatError as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> CacheError:
    return CacheError(
        f"{path} is damaged: {error}; it records which bytes each version has: restore it from a "
        "backup, or remove it to trust what the Hub says now"
    )


def _unusable(path: Path, what: str, reason: str) -> CacheError:
    return CacheError(
        f"{path} cannot be {what}: {reason}; choose another folder with {CACHE_VARIABLE}"
    )


def _parse(value: Mapping[str, Any]) -> Knowledge:
    from stylezoo.registry.hub_client import COMMIT

    if value.get("format") != FORMAT:
        raise RegistryFormatError(
            f"its format is {value.get('format')!r}, not {FORMAT}; a newer stylezoo may have "
            "written it: run: pip install --upgrade stylezoo"
        )
    listed, pins = value.get("listed"), value.get("pins")
    if not isinstance(listed, dict) or not isinstance(pins, dict):
        raise RegistryFormatError("it needs the tables 'listed' and 'pins'")
    for version, commit in listed.items():
        if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
            raise RegistryFormatError(f"the commit of {version} is {commit!r}")
    for version, pin in pins.items():
        good = isinstance(pin, dict) and pin.keys() == {"commit", "sha256"}
        good = good and COMMIT.fullmatch(str(pin["commit"])) is not None
        if not good or not SHA256.fullmatch(str(pin["sha256"])):
            raise RegistryFormatError(f"the pin of {version} is {pin!r}")
    return Knowledge(
        listed={check_version(version): commit for version, commit in listed.items()},
        pins={check_version(version): Pin(**pin) for version, pin in pins.items()},
    )

"""Checks for sources of styles."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from packaging.version import Version

from stylezoo.catalog import Catalog
from stylezoo.errors import (
    AuthError,
    RegistryError,
    StyleZooError,
    UnavailableError,
    VersionNotFoundError,
)
from stylezoo.findings import Report
from stylezoo.interfaces.source import RegistrySource, newest
from stylezoo.registry.record import RECORD_FILE, Record
from stylezoo.registry.record_text import STYLE_NAME
from stylezoo.registry.verify import verify_files
from stylezoo.testing.examination import (
    Check,
    Findings,
    check_skipped,
    describe_error,
    examine,
    names_of,
)
from stylezoo.testing.imports import check_light
from stylezoo.testing.subject import Subject, subject_of

FOLDERS_CHECKED = 3
"""How many versions to get the files of: a network source downloads each."""

SLOW_SECONDS = 0.5
NOBODY = "no-such-style-anywhere"
NEVER = Version("9999")


@dataclasses.dataclass(frozen=True, slots=True)
class Made:
    """A source, and what was registered."""

    subject: Subject
    source: RegistrySource

    def versions(self) -> list[tuple[str, Version]]:
        """Every style in each of its versions."""
        names = self.source.names()
        return [(name, version) for name in names for version in self.source.versions(name)]


def check_source(
    subject: str | Callable[[], Any],
    *,
    catalog: Catalog | None = None,
    skip: Collection[str] = (),
) -> Report:
    """Check that a source keeps the promises of ``RegistrySource``.

    Args:
        subject: a registered name, or the class or function itself.
        catalog: where a name is looked up; None for the installed plugins.
        skip: the names of checks to leave out.

    Returns:
        Every fault found.

    Raises:
        PluginError: no plugin, or several, registered the name, or it cannot be imported.
        OptionError: ``skip`` names an unknown check, or ``subject`` is neither a name nor callable.
    """
    check_skipped(skip, names_of(FIRST, CHECKS))
    chosen = subject_of("source", subject, None, catalog)
    report = Report(subject=chosen.label)
    examine(report, chosen, FIRST, skip)
    if report.ok:
        examine(report, Made(chosen, chosen.factory()), CHECKS, skip)
    return report


def check_interface(subject: Subject, findings: Findings) -> None:
    """It is made without arguments, and quickly."""
    started = time.perf_counter()
    try:
        source = subject.factory()
    except Exception as error:  # third-party code may raise anything
        findings.error(
            f"it cannot be made: {describe_error(error)}; a source is made without arguments, and "
            f"accesses its server or folder only when it is used"
        )
        return
    seconds = time.perf_counter() - started
    if not isinstance(source, RegistrySource):
        findings.error(
            f"the factory returns a {type(source).__name__}, which is not a RegistrySource; return "
            f"a stylezoo.FolderSource, or inherit from stylezoo.RegistrySource"
        )
    elif seconds > SLOW_SECONDS:
        findings.advise(f"making it takes {seconds:.2f} s, which delays every command")


def check_imports(subject: Subject, findings: Findings) -> None:
    """Making it and listing its names imports neither torch nor a network library."""
    module = getattr(subject.factory, "__module__", "")
    name = getattr(subject.factory, "__qualname__", "")
    # Anything defined inside a function exists in this process only.
    if module and name.isidentifier() and module != "__main__":
        check_light(module, findings, attribute=name)


def check_names(made: Made, findings: Findings) -> None:
    """Names are sorted and unique, and can be written in a command."""
    location = made.source.location
    if not isinstance(location, str) or not location:
        findings.error(f"location is {location!r}; it must tell people where the styles are")
    started = time.perf_counter()
    names = made.source.names()
    seconds = time.perf_counter() - started
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        findings.error(f"names() returns {names!r}; it must be a list of names")
        return
    if names != sorted(names):
        findings.error(f"names() returns {names!r}, which is not sorted; return sorted(names)")
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        findings.error(f"names() lists {', '.join(twice)} more than once")
    for name in names:
        if not STYLE_NAME.fullmatch(name):
            findings.error(
                f"{name!r} is not a valid style name: use lower-case letters and digits, in parts "
                f"joined by single '-'"
            )
    if not names:
        findings.advise("it has no styles; was their folder installed with the package?")
    if seconds > SLOW_SECONDS:
        findings.advise(f"names() takes {seconds:.2f} s, which delays 'stylezoo list'")


def check_versions(made: Made, findings: Findings) -> None:
    """Each style has versions, oldest first; an unknown style has none."""
    for name in made.source.names():
        with findings.at(f"versions({name!r})"):
            versions = made.source.versions(name)
            if not versions:
                findings.error("it is empty, but names() lists the style")
            elif not all(isinstance(version, Version) for version in versions):
                findings.error(
                    f"it is {versions!r}; it must be a list of packaging.version.Version"
                )
            elif versions != sorted(versions):
                listed = ", ".join(map(str, versions))
                findings.error(f"it is {listed}; the oldest must be first: return sorted(versions)")
    with findings.at(f"versions({NOBODY!r})"):
        if made.source.versions(NOBODY) != []:
            findings.error("it is not empty for a style that does not exist; return []")


def check_records(made: Made, findings: Findings) -> None:
    """Each version has a record, with its own name and version."""
    for name, version in made.versions():
        with findings.at(f"record({name!r}, {version})"):
            record = made.source.record(name, version)
            if not isinstance(record, Record):
                findings.error(f"it is a {type(record).__name__}, not a stylezoo.Record")
            elif (record.name, record.version) != (name, version):
                findings.error(
                    f"it is the record of {record.name} {record.version}; raise RecordError "
                    f"if a record is not of the requested name and version"
                )


def check_folders(made: Made, findings: Findings) -> None:
    """Each version has a folder with its record and the files listed there, unchanged."""
    for name, version in made.versions()[:FOLDERS_CHECKED]:
        with findings.at(f"folder({name!r}, {version})"):
            folder = made.source.folder(name, version)
            if not isinstance(folder, Path) or not folder.is_dir():
                findings.error(f"it is {folder!r}; it must be the Path of an existing folder")
                continue
            if not (folder / RECORD_FILE).is_file():
                findings.error(f"{folder} holds no {RECORD_FILE}")
            try:
                verify_files(folder, made.source.record(name, version))
            except StyleZooError as error:
                findings.error(str(error))


def check_fetching(made: Made, findings: Findings) -> None:
    """``fetch`` returns the folder and reports progress; local versions are a subset of all."""
    for name, version in made.versions()[:1]:
        with findings.at(f"fetch({name!r}, {version}, progress)"):
            told: list[int] = []
            folder = made.source.fetch(name, version, told.append)
            if folder != made.source.folder(name, version):
                findings.error(f"it is {folder!r}; it must be what folder() returns")
            if not all(isinstance(count, int) for count in told):
                findings.error(
                    f"progress is called with {told!r:.80}; give it the number "
                    f"of bytes received so far"
                )
        with findings.at(f"local_versions({name!r})"):
            here = made.source.local_versions(name)
            if not isinstance(here, list) or set(here) - set(made.source.versions(name)):
                findings.error(f"it is {here!r:.80}; it must be a list of some of versions()")
            elif version not in here:
                findings.error(f"it is {here!r:.80}, without {version}, which was fetched")
        with findings.at(f"local_folder({name!r}, {version})"):
            at = made.source.local_folder(name, version)
            if at != made.source.folder(name, version):
                findings.error(f"it is {at!r}; when fetched, it must be what folder() returns")
    with findings.at("refresh()"), suppress(UnavailableError, RegistryError, AuthError):
        made.source.refresh()


def check_missing(made: Made, findings: Findings) -> None:
    """A missing version raises VersionNotFoundError."""
    known = made.source.names()[:1]
    for name in (*known, NOBODY):
        for method in ("record", "folder"):
            with findings.at(f"{method}({name!r}, {NEVER})"):
                try:
                    found = getattr(made.source, method)(name, NEVER)
                except VersionNotFoundError:
                    continue
                except Exception as error:  # third-party code may raise anything
                    findings.error(
                        f"it raises {describe_error(error)}; raise "
                        f"stylezoo.errors.VersionNotFoundError for a missing version"
                    )
                else:
                    findings.error(
                        f"it returns {found!r}; raise stylezoo.errors.VersionNotFoundError for "
                        f"a missing version"
                    )


def check_entries(made: Made, findings: Findings) -> None:
    """``entries`` has each style once, sorted by name, in its newest version."""
    entries = made.source.entries()
    names = [entry.name for entry in entries]
    if names != made.source.names():
        findings.error(f"entries() lists {names!r}, but names() returns {made.source.names()!r}")
        return
    for entry in entries:
        latest = newest(made.source.versions(entry.name))
        if entry.version != latest:
            findings.error(
                f"entries() has {entry.name} {entry.version}, but its newest version is {latest}"
            )


FIRST = (Check("interface", check_interface), Check("imports", check_imports))

CHECKS = (
    Check("names", check_names),
    Check("versions", check_versions),
    Check("records", check_records),
    Check("folders", check_folders),
    Check("fetching", check_fetching),
    Check("missing", check_missing),
    Check("entries", check_entries),
)

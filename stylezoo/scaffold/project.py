"""Write a project from its template."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from importlib import metadata
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, get_args

from stylezoo.catalog import Catalog, default_catalog
from stylezoo.components import Kind
from stylezoo.errors import OptionError
from stylezoo.files import new_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS: tuple[str, ...] = ("backbone", "loss", "net", "norm", "source", "style-pack")
COMMON = "common"
HIDDEN = "dot-"  # prefix for files whose names begin with a dot

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST_NAME = 40  # characters; some generated lines contain it twice


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project that was written.

    Attributes:
        kind: of component, one of ``KINDS``.
        name: the component's.
        distribution: what pip calls it.
        folder: where it is.
        files: its files, relative to the folder.
    """

    kind: str
    name: str
    distribution: str
    folder: Path
    files: tuple[PurePosixPath, ...]


def write_project(
    kind: str, name: str, folder: Path | None = None, catalog: Catalog | None = None
) -> Project:
    """Write a project with one component; it appears complete or not at all.

    Args:
        kind: one of ``KINDS``.
        name: the component's, in kebab-case.
        folder: to make; None for one named after the distribution, in the current folder.
        catalog: whose names are taken; None for the installed plugins.

    Raises:
        OptionError: the kind is unknown, or the name is invalid or taken.
        OutputError: the folder exists and is not empty, or cannot be written.
    """
    if kind not in KINDS:
        raise OptionError(f"there is no template {kind!r}; use one of {', '.join(KINDS)}")
    _check_name(name)
    distribution = f"stylezoo-{name}"
    _check_free(kind, name, distribution, catalog or default_catalog())
    _check_package(name, distribution)
    folder = folder or Path(distribution)
    with new_folder(folder) as unfinished:
        for template in (COMMON, kind):
            _copy(template, name, unfinished)
        if kind == "style-pack":
            _write_example_style(unfinished, name)
        written = sorted(p.relative_to(unfinished) for p in unfinished.rglob("*") if p.is_file())
    return Project(
        kind=kind,
        name=name,
        distribution=distribution,
        folder=folder,
        files=tuple(map(PurePosixPath, written)),
    )


def _check_name(name: str) -> None:
    if _NAME.fullmatch(name) and len(name) <= LONGEST_NAME:
        if name.startswith("stylezoo-"):
            raise OptionError(
                f"the name {name!r} is that of the component; leave out 'stylezoo-', which is "
                "added for the distribution"
            )
        return
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name)  # MyLoss
    near = re.sub(r"[^a-z0-9]+", "-", spaced.lower()).strip("-")
    advice = f"; for example {near!r}" if _NAME.fullmatch(near) and len(near) <= 40 else ""
    raise OptionError(
        f"the name {name!r} must be lowercase letters, digits and single hyphens, start with a "
        f"letter and have at most {LONGEST_NAME} characters{advice}"
    )


def _check_free(kind: str, name: str, distribution: str, catalog: Catalog) -> None:
    component: Kind = next((k for k in get_args(Kind) if k == kind), "source")
    owners = {c.distribution for c in catalog.components(component) if c.name == name}
    for owner in sorted(owners - {distribution}):
        raise OptionError(
            f"the {component} {name!r} already exists, in {owner}; choose another name"
        )


def _check_package(name: str, distribution: str) -> None:
    """Refuse a name if another distribution has its package, which would be overwritten.

    Raises:
        OptionError: there is such a package.
    """
    package = f"stylezoo_{name.replace('-', '_')}"
    if importlib.util.find_spec(package) is None:
        return
    try:
        metadata.distribution(distribution)  # this project, written and installed before
    except metadata.PackageNotFoundError:
        raise OptionError(
            f"the package {package!r} already exists, in another distribution; choose another name"
        ) from None


def _copy(template: str, name: str, folder: Path) -> None:
    for path, source in _files(files("stylezoo.scaffold") / "templates" / template):
        parts = [part.replace(HIDDEN, ".", 1) if part.startswith(HIDDEN) else part for part in path]
        target = folder.joinpath(*(_renamed(part, name) for part in parts))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(_renamed(source.read_text(encoding="utf-8"), name).encode())


def _files(
    folder: Traversable, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Traversable]]:
    for entry in folder.iterdir():
        if entry.is_file():
            yield (*path, entry.name), entry
        elif entry.name != "__pycache__":  # pip compiles what it installs, templates too
            yield from _files(entry, (*path, entry.name))


def _renamed(text: str, name: str) -> str:
    """The text with another name, in every spelling of ``new-name`` that the templates use."""
    words = name.split("-")
    capitalised = [word.capitalize() for word in words]
    for old, new in (
        ("new-name", name),
        ("new_name", "_".join(words)),
        ("NEW_NAME", "_".join(words).upper()),
        ("NewName", "".join(capitalised)),
        ("New Name", " ".join(capitalised)),
    ):
        text = text.replace(old, new)
    return text


def _write_example_style(folder: Path, name: str) -> None:
    from stylezoo.scaffold.example_style import write_example_style

    styles = folder / "src" / f"stylezoo_{name.replace('-', '_')}" / "styles"
    write_example_style(styles, f"{name}-example")

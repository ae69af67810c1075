"""What users write to name a style.

``great-wave``, ``great-wave@1``, ``./my-style``, on the Hub ``alice/ink@1``, and in a pack
``museum:monet`` or ``museum@1:monet=0.7,hokusai=0.3``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from stylezoo.errors import InvalidSpecError, RecordError
from stylezoo.files import expand_home
from stylezoo.registry.config import is_hub_name
from stylezoo.registry.record_text import MAX_LINE, check_style_name

_PREFIX = re.compile(r"\d+(\.\d+)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class StyleSpec:
    """A style by name and versions, by repository and versions, or by path.

    Attributes:
        text: as written.
        name: of the style; None for a path or repository.
        versions: the wanted versions; empty for any.
        path: of a style folder or weights file; None for a name or repository.
        repository: on the Hub, ``owner/name``; None for a name or path.
        shares: of the styles of a pack; empty if none is named.
    """

    text: str
    name: str | None
    versions: SpecifierSet
    path: Path | None
    repository: str | None = None
    shares: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str | Path) -> StyleSpec:
        """Parse what a user wrote.

        ``owner/name`` is a repository on the Hub, unless such a path exists. Any other text that
        has a slash, starts with ``.`` or ``~``, or ends in ``.safetensors`` is a path. After ``@``
        comes a version (``1.2.0``), the start of one (``1``, ``1.2``), or a PEP 440 range
        (``>=1,<2``). After ``:`` comes a style of a pack, or several with their shares.

        Raises:
            InvalidSpecError: it is neither a path nor a name or repository with a version.
        """
        if isinstance(text, Path):
            path = expand_home(text, InvalidSpecError)
            return cls(text=str(text), name=None, versions=SpecifierSet(), path=path)
        whole, style = _split_style(text)
        shares = parse_shares(style, text) if style is not None else {}
        name, at, version = whole.partition("@")
        repository = name if is_repository(name) and not Path(whole).exists() else None
        if repository is None and _is_path(whole):
            path = expand_home(whole, InvalidSpecError)
            return cls(text=text, name=None, versions=SpecifierSet(), path=path, shares=shares)
        if repository is None:
            try:
                check_style_name(name)
            except RecordError as error:
                raise InvalidSpecError(error.reason) from error
        if at and not version:
            raise InvalidSpecError(f"{text!r} has no version after '@'; write {name}@1")
        return cls(
            text=text,
            name=None if repository else name,
            versions=_versions(version),
            path=None,
            repository=repository,
            shares=shares,
        )

    @classmethod
    def exact(cls, name: str, version: Version | str) -> StyleSpec:
        """One version of a style, by its name or repository, whatever paths there are."""
        spec = cls(
            text=f"{name}@{version}", name=name, versions=SpecifierSet(f"=={version}"), path=None
        )
        return spec.of_repository(name) if is_repository(name) else spec

    def of_repository(self, repository: str) -> StyleSpec:
        """The same versions in a repository on the Hub."""
        _, at, version = self.text.partition("@")
        return replace(self, text=f"{repository}{at}{version}", name=None, repository=repository)


def is_repository(text: str) -> bool:
    """Whether a text names a repository on the Hub, ``owner/name``, and not a weights file."""
    return is_hub_name(text) and not _is_weights(text)


def parse_shares(text: str, spec: str) -> dict[str, float]:
    """Parse ``monet``, or ``monet=0.5,hokusai=0.5``.

    Args:
        text: the styles of a pack.
        spec: what it is part of, for the error.

    Raises:
        InvalidSpecError: it is malformed.
    """
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, equals, share = part.partition("=")
        try:
            check_style_name(name)
            value = float(share) if equals else 1.0
        except (RecordError, ValueError):
            value = math.nan
        if name in shares:
            raise InvalidSpecError(f"{spec!r} names {name!r} twice; name each style once")
        if not (math.isfinite(value) and value >= 0):
            raise InvalidSpecError(
                f"{part!r} in {spec!r} is not a style of a pack with its share; write "
                "pack:monet, or pack:monet=0.5,hokusai=0.5"
            )
        shares[name] = value
    return shares


def _split_style(text: str) -> tuple[str, str | None]:
    """Split at the last colon, unless it is part of a path (a drive's, or one that exists)."""
    whole, colon, style = text.rpartition(":")
    if not colon or (_is_path(text) and ("/" in style or "\\" in style or Path(text).exists())):
        return text, None
    return whole, style


def _is_path(text: str) -> bool:
    return "/" in text or "\\" in text or text.startswith((".", "~")) or _is_weights(text)


def _is_weights(text: str) -> bool:
    return text.endswith(".safetensors")


def _versions(text: str) -> SpecifierSet:
    if len(text) > MAX_LINE:  # Python refuses to parse huge integers
        raise InvalidSpecError(f"{text[:100]!r}... is too long for a version or range")
    if _PREFIX.fullmatch(text):
        text = f"=={text}.*"
    else:
        with suppress(InvalidVersion):  # then it is a range
            text = f"=={Version(text)}"
    try:
        return SpecifierSet(text)
    except InvalidSpecifier as error:
        raise InvalidSpecError(
            f"{text!r} is not a version or range; write one like '1', '1.2.0' or '>=1,<2'"
        ) from error

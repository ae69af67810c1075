"""What users write to name a style: ``great-wave``, ``great-wave@1``, ``./my-style``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from stylezoo.errors import InvalidSpecError, RecordError
from stylezoo.registry.record import check_style_name

_PREFIX = re.compile(r"\d+(\.\d+)?")
_EXACT = re.compile(r"\d+\.\d+\.\d+\S*")


@dataclass(frozen=True, kw_only=True, slots=True)
class StyleSpec:
    """A style by name and versions, or by path.

    Attributes:
        text: as it was written.
        name: of the style; None for a path.
        versions: that are wanted; empty for any.
        path: of a style folder or weights file; None for a name.
    """

    text: str
    name: str | None
    versions: SpecifierSet
    path: Path | None

    @classmethod
    def parse(cls, text: str | Path) -> StyleSpec:
        """Read what a user wrote.

        A text with a slash, or that starts with ``.`` or ``~``, or ends in ``.safetensors``, is a
        path. After ``@`` comes a version (``1.2.0``), the start of one (``1``, ``1.2``), or a
        PEP 440 range (``>=1,<2``).

        Raises:
            InvalidSpecError: it is neither a path nor a name with a version.
        """
        if isinstance(text, Path) or _is_path(text):
            return cls(
                text=str(text),
                name=None,
                versions=SpecifierSet(),
                path=Path(text).expanduser(),
            )
        name, at, version = text.partition("@")
        try:
            check_style_name(name)
        except RecordError as error:
            raise InvalidSpecError(error.reason) from error
        if at and not version:
            raise InvalidSpecError(f"{text!r} names no version after '@'; write {name}@1")
        return cls(text=text, name=name, versions=_versions(version), path=None)


def _is_path(text: str) -> bool:
    return "/" in text or "\\" in text or text.startswith((".", "~")) or _is_weights(text)


def _is_weights(text: str) -> bool:
    return text.endswith(".safetensors")


def _versions(text: str) -> SpecifierSet:
    if _PREFIX.fullmatch(text):
        text = f"=={text}.*"
    elif _EXACT.fullmatch(text):
        text = f"=={text}"
    try:
        return SpecifierSet(text)
    except InvalidSpecifier as error:
        raise InvalidSpecError(
            f"{text!r} is no version or range; write one like '1', '1.2.0' or '>=1,<2'"
        ) from error

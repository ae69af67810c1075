"""Checks of the texts in a record: names, paths, addresses, licences and versions."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.version import InvalidVersion, Version

from stylezoo.errors import RecordError

UNKNOWN = "unknown"
MAX_LINE = 1000  # characters, of what a list shows
MAX_WORD = 100

STYLE_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
SHA256 = re.compile(r"[0-9a-f]{64}")
DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
# "scheme://", or a scheme by which browsers run code or read files.
ADDRESS = re.compile(
    r"\b(?P<scheme>[a-z][a-z0-9+.-]*(?=://)|(javascript|vbscript|data|file)(?=:\S))", re.IGNORECASE
)
WINDOWS_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def check_style_name(name: str, field: str = "name") -> None:
    """Check the name of a style.

    Raises:
        RecordError: it is not kebab-case, or too long.
    """
    if not STYLE_NAME.fullmatch(name) or len(name) > 64 or WINDOWS_DEVICE.fullmatch(name):
        raise RecordError(
            f"{name!r} is not a style name; use lower-case letters and digits, in groups joined by "
            "'-', at most 64 characters",
            field=field,
        )


def check_line(text: str, field: str, limit: int) -> str:
    """Check that a text is one printable line: others could move the cursor or forge a line.

    Raises:
        RecordError: it has unprintable characters, or more than ``limit`` characters.
    """
    if len(text) > limit:
        raise RecordError(f"it has {len(text)} characters, more than {limit}", field=field)
    if not text.isprintable():
        raise RecordError(f"{text[:100]!r} contains unprintable characters", field=field)
    return text


def check_file_path(path: str, field: str = "path") -> None:
    """Check that a path stays in its folder on every platform.

    Raises:
        RecordError: it is absolute, leaves the folder, or cannot exist on some platform.
    """
    parts = path.split("/")
    unsafe = (
        not path
        or len(path) > 255
        or any(character in path for character in '\\:*?"<>|')
        or any(ord(character) < 32 or ord(character) == 127 for character in path)
        or any(part in ("", ".", "..") or part.endswith((".", " ")) for part in parts)
        or any(WINDOWS_DEVICE.fullmatch(part) for part in parts)
        or unicodedata.normalize("NFC", path) != path
    )
    if unsafe:
        raise RecordError(f"{path[:100]!r} is not a plain relative path", field=field)


def check_addresses(text: str, field: str) -> None:
    """Check that anything in a text that looks like an address is a web address.

    Raises:
        RecordError: it has another scheme, such as ``file:``.
    """
    for found in ADDRESS.finditer(text):
        scheme = found["scheme"].lower()
        if scheme not in ("http", "https"):
            raise RecordError(
                f"{text[:100]!r} has an address with the scheme {scheme!r}; only https and http "
                "are allowed",
                field=field,
            )


def check_licence(expression: str, field: str) -> None:
    """Check a single licence.

    Raises:
        RecordError: it is neither an SPDX expression nor ``"unknown"``.
    """
    if expression == UNKNOWN:
        return
    try:
        canonicalize_license_expression(expression)
    except InvalidLicenseExpression as error:
        raise RecordError(
            f"{expression!r} is not an SPDX licence expression; see https://spdx.org/licenses, "
            f"or write {UNKNOWN!r}",
            field=field,
        ) from error


def check_version(text: Any, field: str = "version") -> Version:
    """Parse the version of a style.

    Raises:
        RecordError: it is not a PEP 440 version, is too long, not normalised, or has a local part.
    """
    if isinstance(text, str) and len(text) > MAX_WORD:  # Python refuses to parse huge integers
        raise RecordError(f"it has {len(text)} characters, more than {MAX_WORD}", field=field)
    try:
        version = Version(text)
    except (InvalidVersion, TypeError):
        raise RecordError(
            f"{text!r} is not a version (PEP 440), like '1.0.0'", field=field
        ) from None
    if version.local or str(version) != text:
        raise RecordError(f"{text!r} is not in its plain form, like '1.0.0'", field=field)
    return version

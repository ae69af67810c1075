"""Every error that stylezoo raises on purpose, in one tree.

::

    StyleZooError
    ├── OptionError               an argument or option out of range
    ├── InvalidSpecError          a style name or version that cannot be parsed
    ├── StyleNotFoundError        no source has a style of this name
    ├── VersionNotFoundError      the style exists, but not in this version
    ├── RecordError               a record (style.toml) that breaks the format
    ├── IntegrityError            a file whose size or sha256 differs from its record
    ├── RegistryError             a registry that cannot be used
    │   ├── RegistryFormatError       its index cannot be read
    │   ├── SignatureError            its index is not signed by trusted keys
    │   ├── RollbackError             its index is older than one seen before
    │   └── ExpiredError              its index has expired: nobody vouches for it now
    ├── UnavailableError          a server that cannot be reached, or answers wrongly
    │   └── OfflineError              the network is needed, but stylezoo must stay offline
    ├── AuthError                 a server that refuses access: no token, or a wrong one
    ├── CacheError                the cache folder cannot be used
    ├── LockFileError             a lock file that cannot be read, or lacks what is needed
    ├── PublishError              a style that cannot be published
    ├── WeightsError              weights that cannot be read or do not fit the net
    ├── ImageError                a picture that cannot be read
    ├── OutputError               a result that cannot be written
    ├── MissingDependencyError    an optional package that is not installed
    ├── PluginError               a plugin that cannot be used
    │   ├── ComponentNotFoundError    a backbone, loss, net, norm, ... that no plugin registers
    │   └── PluginConflictError       one name, claimed by several plugins
    ├── CheckpointError           a checkpoint that cannot be read, or of another run or version
    └── TrainingError             training that cannot start or continue

Each message says what is wrong, with the value, and what to do next. The command line prints
only the message; a traceback always means a bug in stylezoo or in a plugin.
"""

from __future__ import annotations


class StyleZooError(Exception):
    """The base class of every error that stylezoo raises on purpose."""


class OptionError(StyleZooError, ValueError):
    """An argument or option is out of range."""


class InvalidSpecError(StyleZooError, ValueError):
    """A style name or version range cannot be parsed."""


class StyleNotFoundError(StyleZooError, LookupError):
    """No source has a style of this name."""


class VersionNotFoundError(StyleZooError, LookupError):
    """The style exists, but not in the requested version."""


class RecordError(StyleZooError, ValueError):
    """A record breaks the format.

    Attributes:
        field: where in the record, such as ``files[0].sha256``; empty for the record as a whole.
        reason: what is wrong with that field.
        origin: which record, such as the path of its ``style.toml``; None if unknown.
    """

    def __init__(self, reason: str, *, field: str = "", origin: str | None = None) -> None:
        # Records are untrusted: their content must not flood or control a terminal.
        self.field = one_line(field, 200)
        self.reason = one_line(reason, 1000)
        self.origin = origin
        super().__init__(": ".join(part for part in (origin, self.field, self.reason) if part))


class IntegrityError(StyleZooError):
    """A file's size or sha256 differs from its record."""


class RegistryError(StyleZooError):
    """A registry cannot be used."""


class RegistryFormatError(RegistryError, ValueError):
    """The index of a registry cannot be read."""


class SignatureError(RegistryError):
    """The index of a registry is not signed by trusted keys."""


class RollbackError(RegistryError):
    """The index of a registry is older than one seen before."""


class ExpiredError(RegistryError):
    """The index of a registry has expired."""


class UnavailableError(StyleZooError):
    """A server cannot be reached, or answers wrongly."""


class OfflineError(UnavailableError):
    """The network is needed, but stylezoo must stay offline."""


class AuthError(StyleZooError):
    """A server refuses access."""


class CacheError(StyleZooError):
    """The cache folder cannot be used."""


class LockFileError(StyleZooError):
    """A lock file cannot be read, or lacks what is needed."""


class PublishError(StyleZooError):
    """A style cannot be published."""


class WeightsError(StyleZooError):
    """Weights cannot be read, or do not fit the net that the record describes."""


class ImageError(StyleZooError):
    """A picture cannot be read."""


class OutputError(StyleZooError):
    """A result cannot be written."""


class MissingDependencyError(StyleZooError, ImportError):
    """An optional package is not installed."""


class PluginError(StyleZooError):
    """A plugin cannot be used."""


class ComponentNotFoundError(PluginError, LookupError):
    """No plugin registers a component of this kind and name."""


class PluginConflictError(PluginError):
    """Several plugins claim one name."""


class CheckpointError(StyleZooError):
    """A checkpoint cannot be read, or belongs to another run or version of stylezoo."""


class TrainingError(StyleZooError):
    """Training cannot start or continue."""


def printable(text: str) -> str:
    """Put untrusted text on one line: control characters could forge lines, or worse."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def one_line(text: str, limit: int) -> str:
    """Make an untrusted text printable, on one line of at most ``limit`` characters and an "…"."""
    shown = printable(text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[:limit]}…"

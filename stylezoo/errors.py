"""Every error that stylezoo raises on purpose, in one tree.

::

    StyleZooError
    ├── OptionError               an argument or option out of its range
    ├── InvalidSpecError          a style name or version that cannot be read
    ├── StyleNotFoundError        no source has a style of this name
    ├── VersionNotFoundError      the style exists, but not in this version
    ├── RecordError               a record (style.toml) that breaks the format
    ├── IntegrityError            a file whose size or sha256 is not what the record says
    ├── RegistryError             a registry that cannot be used
    │   ├── RegistryFormatError       its index cannot be read
    │   ├── SignatureError            its index is not signed by the keys that are trusted
    │   ├── RollbackError             its index is older than one that was seen
    │   └── ExpiredError              its index has expired: nobody vouches for it any more
    ├── UnavailableError          a server that cannot be reached, or does not answer as it should
    │   └── OfflineError              the network is wanted, and stylezoo is told to stay offline
    ├── AuthError                 a server that refuses access: no token, or not the right one
    ├── CacheError                the cache folder cannot be used
    ├── LockFileError             a lock file that cannot be read, or what it does not hold
    ├── PublishError              a style that cannot be published
    ├── WeightsError              weights that cannot be read or do not fit the net
    ├── ImageError                a picture that cannot be read
    ├── OutputError               a result that cannot be written
    ├── MissingDependencyError    an optional package that is not installed
    ├── PluginError               a plugin that cannot be used
    │   ├── ComponentNotFoundError    a backbone, loss, net, norm, ... that nobody registered
    │   └── PluginConflictError       one name, claimed by several plugins
    ├── CheckpointError           a checkpoint that cannot be read, or is of another run or version
    └── TrainingError             training that cannot start or go on

A message names what was wrong, with the value, and what to do next. The command line prints
the message alone; a traceback always means a fault in stylezoo or in a plugin.
"""

from __future__ import annotations


class StyleZooError(Exception):
    """The root of the tree: catch it to catch every error that stylezoo raises on purpose."""


class OptionError(StyleZooError, ValueError):
    """An argument or option has a value out of its range."""


class InvalidSpecError(StyleZooError, ValueError):
    """A style name or version range cannot be read."""


class StyleNotFoundError(StyleZooError, LookupError):
    """No source has a style of this name."""


class VersionNotFoundError(StyleZooError, LookupError):
    """The style exists, but not in a version that was asked for."""


class RecordError(StyleZooError, ValueError):
    """A record breaks the format.

    Attributes:
        field: where in the record, such as ``files[0].sha256``; empty for the record as a whole.
        reason: what is wrong with that field.
        origin: which record, such as the path of its ``style.toml``; None if it is not known.
    """

    def __init__(self, reason: str, *, field: str = "", origin: str | None = None) -> None:
        # Records come from anywhere: what they hold shall not fill or move a terminal.
        self.field = _one_line(field, 200)
        self.reason = _one_line(reason, 1000)
        self.origin = origin
        super().__init__(": ".join(part for part in (origin, self.field, self.reason) if part))


class IntegrityError(StyleZooError):
    """A file's size or sha256 is not what its record says."""


class RegistryError(StyleZooError):
    """A registry cannot be used."""


class RegistryFormatError(RegistryError, ValueError):
    """The index of a registry cannot be read."""


class SignatureError(RegistryError):
    """The index of a registry is not signed by the keys that are trusted."""


class RollbackError(RegistryError):
    """The index of a registry is older than one that was seen before."""


class ExpiredError(RegistryError):
    """The index of a registry has expired."""


class UnavailableError(StyleZooError):
    """A server cannot be reached, or does not answer as it should."""


class OfflineError(UnavailableError):
    """The network is wanted, and stylezoo is told to stay offline."""


class AuthError(StyleZooError):
    """A server refuses access."""


class CacheError(StyleZooError):
    """The cache folder cannot be used."""


class LockFileError(StyleZooError):
    """A lock file cannot be read, or does not hold what is asked for."""


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
    """No plugin registered a component of this kind and name."""


class PluginConflictError(PluginError):
    """Several plugins claim one name."""


class CheckpointError(StyleZooError):
    """A checkpoint cannot be read, or belongs to another run or version of stylezoo."""


class TrainingError(StyleZooError):
    """Training cannot start or go on."""


def _one_line(text: str, limit: int) -> str:
    """A text that prints on one line, and not on a long one."""
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[:limit]}…"

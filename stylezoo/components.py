"""The kinds of component that plugins provide, their hooks and their names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from stylezoo.errors import PluginError

Kind = Literal[
    "backbone",
    "loss",
    "net",
    "norm",
    "runtime",
    "source",
    "registry",
    "importer",
    "command",
    "callback",
]

HOOKS: dict[Kind, str] = {
    "backbone": "register_backbones",
    "loss": "register_losses",
    "net": "register_nets",
    "norm": "register_norms",
    "runtime": "register_runtimes",
    "source": "register_sources",
    "registry": "register_registries",
    "importer": "register_importers",
    "command": "register_commands",
    "callback": "register_callbacks",
}

COMPONENT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")  # in records, too


@dataclass(frozen=True, kw_only=True, slots=True)
class Component:
    """One registered implementation."""

    kind: Kind
    name: str
    summary: str
    target: str | object
    plugin: str
    distribution: str

    @property
    def hook(self) -> str:
        """The hook that registered it, such as ``register_losses``."""
        return HOOKS[self.kind]

    @property
    def full_name(self) -> str:
        """``distribution:name``, which is unambiguous when several plugins claim the name."""
        return f"{self.distribution}:{self.name}"


def check_registration(
    kind: Kind, name: str, target: str | object, summary: object, staged: Iterable[Component]
) -> None:
    """Reject a registration that could never be found, made or described.

    Args:
        kind: kind of the component.
        name: name to register it under.
        target: the implementation, or where to import it from: ``"package.module:attribute"``.
        summary: one-line description.
        staged: what the plugin has registered so far.

    Raises:
        PluginError: the name, target or summary is invalid, or the plugin already used the name.
    """
    if not isinstance(name, str) or not COMPONENT_NAME.fullmatch(name):
        raise PluginError(
            f"it registers a {kind} under {name!r}; a name is up to 64 lower-case letters, "
            f"digits, '_' and '-', starting with a letter or digit"
        )
    if not isinstance(summary, str):
        raise PluginError(
            f"it registers the {kind} {name!r} with the summary {summary!r:.80}, "
            "which is not a string"
        )
    if any(component.kind == kind and component.name == name for component in staged):
        raise PluginError(f"it registers the {kind} {name!r} twice")
    if isinstance(target, str):
        module, colon, attribute = target.partition(":")
        if not (colon and attribute.isidentifier() and module.replace(".", "_").isidentifier()):
            raise PluginError(
                f"it registers the {kind} {name!r} with target {target!r}, "
                f"which is not of the form 'package.module:attribute'"
            )
    elif kind == "registry":
        if not isinstance(getattr(target, "location", None), str):
            raise PluginError(
                f"it registers the registry {name!r} with {target!r}, which is not a RegistryConfig"
            )
    elif not callable(target):
        raise PluginError(
            f"it registers the {kind} {name!r} with {target!r}, which is not callable"
        )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A suffix for an unknown-name message: the closest known name, if one is close."""
    from difflib import get_close_matches

    near = get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""

"""The hooks: how a plugin adds components. docs/plugins.md shows each with an example.

A plugin is an importable module named in the entry-point group ``stylezoo``. It implements any of
these hooks with ``@stylezoo.hookimpl``. Each hook is called once with a ``register`` function:

    register(name, target, summary="one line for people")

``name`` is what users write. ``target`` is an import path ``"package.module:attribute"``, imported
only when the component is first used, so that listing components imports nothing heavy; the object
itself works too. A backbone, loss or net may be a family: if its target takes an option
``variant``, users write ``name:b`` for ``variant="b"``.

pluggy passes an implementation only the arguments it names, so hooks can gain arguments without
breaking plugins.
"""

from __future__ import annotations

from typing import Protocol

import pluggy

PROJECT = "stylezoo"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Register(Protocol):
    """The function passed to a hook."""

    def __call__(self, name: str, target: str | object, *, summary: str = "") -> None:
        """Register one component under a name.

        Args:
            name: lower-case letters, digits, ``-`` and ``_``, starting with a letter or digit.
            target: an import path ``"package.module:attribute"``, or the object itself.
            summary: one-line description.
        """


@hookspec
def register_backbones(register: Register) -> None:
    """Register backbones. A target is called with keyword options and returns a Backbone."""


@hookspec
def register_losses(register: Register) -> None:
    """Register losses. A target is called with keyword options and returns a Loss."""


@hookspec
def register_nets(register: Register) -> None:
    """Register transform nets. A target is a subclass of TransformNet."""


@hookspec
def register_norms(register: Register) -> None:
    """Register norms. A target is called with a number of channels and returns a layer."""


@hookspec
def register_runtimes(register: Register) -> None:
    """Register runtimes. A target is a subclass of Runtime that needs no arguments."""


@hookspec
def register_sources(register: Register) -> None:
    """Register style sources. A target called without arguments returns a RegistrySource."""


@hookspec
def register_registries(register: Register) -> None:
    """Register signed registries. A target is a RegistryConfig itself, not a factory."""


@hookspec
def register_importers(register: Register) -> None:
    """Register checkpoint importers. A target called without arguments returns an Importer."""


@hookspec
def register_commands(register: Register) -> None:
    """Register command-line commands. A target is a click.Command."""


@hookspec
def register_callbacks(register: Register) -> None:
    """Register callbacks. A target called without arguments returns a TrainingCallback."""

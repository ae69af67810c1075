"""The catalog: every installed plugin, and the look-up from a name to its implementation.

A plugin that cannot be loaded is kept with its error; the others still work.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from stylezoo.components import HOOKS, Component, Kind, did_you_mean
from stylezoo.entry_points import PluginEntry, find_entries
from stylezoo.errors import (
    ComponentNotFoundError,
    OptionError,
    PluginConflictError,
    PluginError,
)
from stylezoo.plugin_loader import PluginInfo, PluginLoader, PluginWarning

if TYPE_CHECKING:
    from stylezoo.interfaces.backbone import Backbone
    from stylezoo.interfaces.callback import TrainingCallback
    from stylezoo.interfaces.importer import Importer
    from stylezoo.interfaces.loss import Loss
    from stylezoo.interfaces.net import TransformNet
    from stylezoo.interfaces.norm import Norm
    from stylezoo.interfaces.runtime import Runtime
    from stylezoo.interfaces.source import RegistrySource

DISABLE_VARIABLE = "STYLEZOO_DISABLE_PLUGINS"
STRICT_VARIABLE = "STYLEZOO_STRICT"

_KINDS_WITH_VARIANTS = frozenset({"backbone", "loss", "net"})
"""The kinds whose implementations take options."""


class Catalog:
    """The added plugins and the components they registered."""

    def __init__(self) -> None:
        """Make an empty catalog that discovers nothing, as tests need."""
        self._loader = PluginLoader()
        self._plugins: list[PluginInfo] = []
        self._components: dict[Kind, list[Component]] = {kind: [] for kind in HOOKS}
        self._strict = False

    @classmethod
    def discover(cls) -> Catalog:
        """Load every installed plugin except those named in STYLEZOO_DISABLE_PLUGINS.

        The variable is a comma-separated list of plugin or distribution names; ``1`` or ``all``
        disables every plugin except stylezoo's own.

        Raises:
            PluginError: STYLEZOO_STRICT is set to anything but 0 and plugins failed, or a plugin
                calls this while it is being loaded.
        """
        catalog = cls()
        catalog._strict = os.environ.get(STRICT_VARIABLE, "0") not in ("", "0")
        disabled = {part.strip() for part in os.environ.get(DISABLE_VARIABLE, "").split(",")}
        with _discovering():
            for entry in find_entries():
                catalog._add_entry(entry, disabled)
        failed = [plugin for plugin in catalog._plugins if plugin.status == "failed"]
        if catalog._strict and failed:
            reasons = "; ".join(f"{p.name!r} of {p.distribution}: {p.error}" for p in failed)
            raise PluginError(
                f"{STRICT_VARIABLE} is set and {len(failed)} of {len(catalog._plugins)} plugins "
                f"failed: {reasons}. Fix or uninstall them, name them in {DISABLE_VARIABLE}, or "
                f"unset {STRICT_VARIABLE}"
            )
        return catalog

    def _add_entry(self, entry: PluginEntry, disabled: set[str]) -> None:
        third_party = entry.distribution != "stylezoo"
        if disabled & {entry.name, entry.distribution} or (third_party and disabled & {"1", "all"}):
            info = PluginInfo(
                name=entry.name,
                distribution=entry.distribution,
                version=entry.version,
                status="disabled",
                error=f"disabled by {DISABLE_VARIABLE}",
                module=entry.module,
            )
            self._plugins.append(info)
            return
        self._keep(self._loader.load(entry, entry.load))

    def add(
        self, plugin: object, name: str, *, distribution: str = "local", version: str = "0"
    ) -> PluginInfo:
        """Add one plugin: everything it registers, or nothing if any of it fails.

        Args:
            plugin: a module or other object with hook implementations.
            name: what to call it.
            distribution: the installed distribution it belongs to.
            version: version of that distribution.

        Returns:
            The outcome. A plugin that fails is kept with its error, with a warning.
        """
        entry = PluginEntry(
            name=name, distribution=distribution, version=version, module=_import_name(plugin)
        )
        return self._keep(self._loader.load(entry, lambda: plugin))

    def _keep(self, plugin: PluginInfo) -> PluginInfo:
        self._plugins.append(plugin)
        for component in plugin.components:
            self._components[component.kind].append(component)
        if plugin.error and not self._strict:  # in strict mode one error reports all failures
            warnings.warn(
                f"plugin {plugin.name!r} of {plugin.distribution} {plugin.version} is left out: "
                f"{plugin.error}",
                PluginWarning,
                stacklevel=3,
            )
        return plugin

    @property
    def plugins(self) -> tuple[PluginInfo, ...]:
        """Every plugin found, in loading order."""
        return tuple(self._plugins)

    def components(self, kind: Kind) -> list[Component]:
        """All components of a kind, sorted by name."""
        return sorted(self._components[kind], key=lambda component: component.name)

    def has(self, kind: Kind, name: str) -> bool:
        """Whether any plugin registers a component under this name or ``distribution:name``."""
        return bool(self._claims(kind, name))

    def find(self, kind: Kind, name: str) -> Component:
        """Find a component by name or ``distribution:name``, without importing it.

        A name that no plugin registers may stand for a variant of a family: ``a:b`` is the
        backbone, loss or net ``a``, made with the option ``variant="b"``.

        Raises:
            ComponentNotFoundError: no plugin registers it.
            PluginConflictError: several plugins do.
        """
        if not isinstance(name, str):  # a record may hold a number here
            raise ComponentNotFoundError(f"the name of a {kind} must be a string, not {name!r}")
        family, variant = self._split(kind, name)
        if variant:
            return self.find(kind, family)
        claims = self._claims(kind, name)
        if len(claims) == 1:
            return claims[0]
        if claims:
            owners = " and ".join(f"{c.distribution} (plugin {c.plugin!r})" for c in claims)
            choices = list(dict.fromkeys(repr(c.full_name) for c in claims))
            advice = (
                f"write {' or '.join(choices)} to choose one, or uninstall the other"
                if len(choices) > 1
                else "disable one of these plugins, see: stylezoo plugins"
            )
            raise PluginConflictError(f"the {kind} {name!r} is claimed by {owners}; {advice}")
        known = [component.name for component in self.components(kind)]
        listing = ", ".join(dict.fromkeys(known)) or "none"  # several plugins may claim one name
        raise ComponentNotFoundError(
            f"no plugin provides the {kind} {name!r}{did_you_mean(name, known)}; "
            f"installed: {listing}"
        )

    def advice_to_get(self, distribution: str) -> str:
        """Advice for when the distribution said to provide a component does not."""
        states = [plugin.status for plugin in self.plugins if plugin.distribution == distribution]
        if not states:
            return f"run: pip install {distribution}"
        if any(state != "ok" for state in states):
            return f"a plugin of {distribution} is left out, see: stylezoo plugins"
        return (
            f"{distribution} is installed but provides nothing of that name; correct the name, or "
            f"upgrade {distribution}"
        )

    def _claims(self, kind: Kind, name: str) -> list[Component]:
        return [c for c in self._components[kind] if name in (c.name, c.full_name)]

    def _split(self, kind: Kind, name: str) -> tuple[str, str]:
        """``("a", "b")`` for variant b of family a, ``(name, "")`` for any other name."""
        family, _, variant = name.rpartition(":")
        is_family = kind in _KINDS_WITH_VARIANTS and self._claims(kind, family)
        if is_family and not self._claims(kind, name):
            return family, variant
        return name, ""

    def get(self, kind: Kind, name: str) -> Any:
        """Find a component and import it.

        Raises:
            ComponentNotFoundError: no plugin registers it.
            PluginConflictError: several plugins do.
            PluginError: its plugin cannot be imported.
        """
        component = self.find(kind, name)
        if not isinstance(component.target, str):
            return component.target
        module, _, attribute = component.target.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except (Exception, SystemExit) as error:  # third-party code may raise anything
            raise PluginError(
                f"the {kind} {name!r} of {component.distribution} cannot be imported from "
                f"{component.target!r}: {type(error).__name__}: {error}; "
                f"reinstall {component.distribution} or report it to its authors"
            ) from error

    def sources(self) -> dict[str, RegistrySource]:
        """Make every registered source, in registration order.

        A source that fails is left out with a PluginWarning; the others still work.

        Raises:
            PluginError: a source fails and STYLEZOO_STRICT is set.
        """
        return self._make_all("source")

    def importers(self) -> dict[str, Importer]:
        """Make every registered importer, as ``sources`` does."""
        return self._make_all("importer")

    def callbacks(self) -> dict[str, TrainingCallback]:
        """Make every registered training callback, as ``sources`` does."""
        return self._make_all("callback")

    def _make_all(self, kind: Kind) -> dict[str, Any]:
        """One of each, by name, or by full name where several plugins claim a name."""
        components = self._components[kind]
        names = [component.name for component in components]
        made: dict[str, Any] = {}
        for component in components:
            name = component.name if names.count(component.name) == 1 else component.full_name
            try:
                one = self.get(kind, component.full_name)()
                if kind == "source":
                    _check_source(one)
                made[name] = one
            except (Exception, SystemExit) as error:  # third-party code may raise anything
                message = f"the {kind} {component.full_name!r} is left out: {error}"
                if self._strict:
                    raise PluginError(f"{message} ({STRICT_VARIABLE} is set)") from error
                warnings.warn(message, PluginWarning, stacklevel=3)
        return made

    def with_variant(self, kind: Kind, name: str, options: dict[str, Any]) -> dict[str, Any]:
        """Return the options, plus the variant if the name includes one.

        Raises:
            OptionError: the options include one too.
        """
        family, variant = self._split(kind, name)
        if not variant:
            return options
        if "variant" in options:
            raise OptionError(
                f"the {kind} {name!r} names a variant, and so does the option variant="
                f"{options['variant']!r}; write {family!r}, or leave out the option"
            )
        return {"variant": variant, **options}

    def create_backbone(self, name: str, /, **options: Any) -> Backbone:
        """Make a backbone with its own options (``weights="caffe_q8"``, ``pooling="max"``)."""
        options = self.with_variant("backbone", name, options)
        backbone: Backbone = _call("backbone", name, self.get("backbone", name), options)
        return backbone

    def create_loss(self, name: str, /, **options: Any) -> Loss:
        """Make a loss with its own options."""
        options = self.with_variant("loss", name, options)
        loss: Loss = _call("loss", name, self.get("loss", name), options)
        return loss

    def create_net(self, name: str, /, **arguments: Any) -> TransformNet:
        """Make a transform net with fresh weights from its own arguments.

        Raises:
            OptionError: an argument is unknown or out of range.
        """
        arguments = self.with_variant("net", name, arguments)
        net_class: type[TransformNet] = self.get("net", name)
        net: TransformNet = net_class(_call("net", name, net_class.Arguments, arguments))
        return net

    def net_of(self, name: str, plugin: str) -> str:
        """The name to create a record's net by: qualified by its plugin, if that is installed.

        Args:
            name: name of the net.
            plugin: the distribution that provides it, according to the record.
        """
        full_name = f"{plugin}:{name}"
        return full_name if self.has("net", full_name) else name

    def get_norm(self, name: str) -> Norm:
        """Return a factory of normalisation layers; a conditional norm also takes ``styles``."""
        norm: Norm = self.get("norm", name)
        return norm

    def create_runtime(self, name: str) -> Runtime:
        """Make a runtime."""
        runtime: Runtime = self.get("runtime", name)()
        return runtime


_discovery = threading.RLock()  # reentrant: a plugin that asks while loading must not deadlock
_thread = threading.local()


def default_catalog() -> Catalog:
    """The catalog of the installed plugins, discovered once per process."""
    with _discovery:
        return _discovered()


@cache
def _discovered() -> Catalog:
    return Catalog.discover()


@contextmanager
def _discovering() -> Iterator[None]:
    """Guard plugin discovery: a plugin that restarts it would recurse for ever.

    Raises:
        PluginError: this thread is already in such a block.
    """
    if getattr(_thread, "discovers", False):
        raise PluginError(
            "it asks for the catalog while being loaded, before there is one; ask for it only "
            "when a component it registers runs"
        )
    _thread.discovers = True
    try:
        yield
    finally:
        _thread.discovers = False


def _import_name(plugin: object) -> str:
    """The name that a module is imported by; empty for anything else, and for a script."""
    name = plugin.__name__ if isinstance(plugin, ModuleType) else ""
    return name if name != "__main__" and sys.modules.get(name) is plugin else ""


def _check_source(made: object) -> None:
    """Reject an object that is no RegistrySource here, before it fails far from its plugin.

    Raises:
        PluginError: it is no RegistrySource.
    """
    from stylezoo.interfaces.source import RegistrySource

    if not isinstance(made, RegistrySource):
        raise PluginError(f"it is a {type(made).__name__}, not a RegistrySource")


def _call(kind: Kind, name: str, factory: Any, options: dict[str, Any]) -> Any:
    """Call a factory with keyword options; explain any option it does not know."""
    try:
        _signature(factory).bind(**options)
    except TypeError as error:
        family, _, variant = name.rpartition(":")
        if family and options.get("variant") == variant and "variant" in str(error):
            raise OptionError(
                f"there is no {kind} {name!r}: {family!r} has no variants; write {family!r}"
            ) from error
        known = ", ".join(_option_names(factory)) or "none"
        raise OptionError(f"{kind} {name!r}: {error}; its options: {known}") from error
    return factory(**options)


def _signature(factory: Any) -> inspect.Signature:
    """The signature of a factory; a module without its own constructor takes nothing.

    The constructor of ``torch.nn.Module`` declares that it takes anything, but rejects it.
    """
    constructor = getattr(factory, "__init__", None)
    if getattr(constructor, "__module__", "") == "torch.nn.modules.module":
        return inspect.Signature()
    return inspect.signature(factory)


def _option_names(factory: Any) -> list[str]:
    if hasattr(factory, "__dataclass_fields__"):
        return [field.name for field in fields(factory)]
    return list(_signature(factory).parameters)

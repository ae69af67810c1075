"""What is examined: a component by its registered name, or the class or function itself."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from stylezoo.catalog import Catalog, default_catalog
from stylezoo.components import Kind
from stylezoo.errors import OptionError
from stylezoo.testing.examination import Findings, describe_error
from stylezoo.testing.settings import KINDS

Factory = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Subject:
    """A component's factory, and the options to make it with.

    Attributes:
        label: shown to people.
        factory: the class or function that is registered.
        options: to call it with.
        catalog: where other components are looked up.
        key: of its settings in ``STYLEZOO_CHECKS``; empty if it has no registered name.
    """

    label: str
    factory: Factory
    options: Mapping[str, Any]
    catalog: Catalog
    key: str = ""

    def make(self, seed: int = 0) -> Any:
        """Make the component, with the global generators seeded."""
        from stylezoo.seeding import seeded

        with seeded(seed):
            return self.factory(**self.options)


def subject_of(
    kind: Kind,
    subject: str | Factory,
    options: Mapping[str, Any] | None,
    catalog: Catalog | None,
) -> Subject:
    """Look up a component, if it is given by name.

    Raises:
        ComponentNotFoundError, PluginConflictError: no plugin, or several, registered it.
        PluginError: it cannot be imported.
        OptionError: it is neither a name nor callable.
    """
    catalog = catalog or default_catalog()
    options = dict(options or {})
    if isinstance(subject, str):
        component = catalog.find(kind, subject)
        family, variant = subject.rpartition(":")[::2]
        if variant and subject not in (component.name, component.full_name) and family:
            options = {"variant": variant, **options}
        factory = catalog.get(kind, component.full_name)
        key = f"{kind}:{component.name}"
        return Subject(f"{kind} {subject!r}", factory, options, catalog, key)
    if not callable(subject):
        raise OptionError(
            f"{subject!r} is a {type(subject).__name__}, not a class or function; give what is "
            f"registered as the {kind}, not what it makes, or a registered name"
        )
    name = getattr(subject, "__name__", repr(subject))
    return Subject(f"{kind} {name}", subject, options, catalog)


def make_or_report(subject: Subject, findings: Findings, interface: type) -> Any | None:
    """Make the component, or report that it cannot be made or has the wrong class."""
    try:
        made = subject.make()
    except Exception as error:  # third-party code may raise anything
        how = f"with {dict(subject.options)!r}" if subject.options else "without options"
        findings.error(f"it cannot be made {how}: {describe_error(error)}; {_advice(subject)}")
        return None
    if not isinstance(made, interface):
        findings.error(
            f"the factory returns a {type(made).__name__}, which is not a subclass of "
            f"{interface.__name__}; inherit from stylezoo.{interface.__name__}"
        )
        return None
    return made


def _advice(subject: Subject) -> str:
    if subject.options:
        return "give options that it accepts"
    if subject.key and subject.key.partition(":")[0] not in KINDS:
        return "it is made without options; give each a default that works"
    family = "variant" in _parameters(subject.factory)
    option = '"variant": ...' if family else "..."
    where = f'STYLEZOO_CHECKS = {{"{subject.key}": {{"options": {{{option}}}}}}} in its plugin'
    how = where if subject.key else f"options={{{option}}}"
    if family:
        return f"it is a family, and one variant is checked at a time: name it with {how}"
    return (
        f"each option needs a default that works; if a default needs a download, give options "
        f"that need none, with {how}"
    )


def _parameters(factory: Factory) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(factory).parameters
    except (TypeError, ValueError):  # of callables written in C
        return {}


def check_options(subject: Subject, findings: Findings) -> None:
    """Options are keywords with defaults that a record can hold, and unknown ones are refused."""
    from torch import nn

    try:
        parameters = inspect.signature(subject.factory).parameters.values()
    except (TypeError, ValueError) as error:
        findings.error(f"its signature cannot be read ({error}); make it a plain class or function")
        return
    if getattr(subject.factory, "__init__", None) is nn.Module.__init__:
        return  # it has no constructor of its own, and so no options
    for parameter in parameters:
        with findings.at(f"option {parameter.name}"):
            _check_option(parameter, subject, findings)
    for name, value in subject.options.items():
        with findings.at(f"option {name}"):
            _check_value(value, findings)


def _check_option(parameter: inspect.Parameter, subject: Subject, findings: Findings) -> None:
    if parameter.kind is parameter.VAR_KEYWORD:
        findings.advise(f"**{parameter.name} silently accepts misspelt options; name each option")
    elif parameter.kind is parameter.VAR_POSITIONAL:
        return
    elif parameter.kind is parameter.POSITIONAL_ONLY:
        findings.error("it can only be given by position; options are keywords: put it after '*'")
    elif parameter.default is parameter.empty:
        if parameter.name not in subject.options and parameter.name != "variant":
            findings.error(
                "it has no default, so the component cannot be used by its name alone; give it one"
            )
    else:
        _check_value(parameter.default, findings)


def _check_value(value: Any, findings: Findings) -> None:
    if value is None:
        return
    entries = value if isinstance(value, tuple | list) else (value,)
    for entry in entries:
        if not isinstance(entry, bool | int | float | str):
            findings.error(
                f"{entry!r} is a {type(entry).__name__}, which records cannot hold; options "
                f"must be numbers, strings, booleans, or tuples of them"
            )
            return
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        findings.error(f"{value!r} cannot be written as JSON; use a finite number")

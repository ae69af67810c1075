"""Options for what only a person knows about a style, shared by the commands that make one."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import click

from stylezoo.cli.output import is_terminal

if TYPE_CHECKING:
    from stylezoo.authoring import Facts

# In the order in which they are prompted for.
_HELP = {
    "name": "Name of the style, in kebab-case.",
    "title": "Title of the painting.",
    "artist": "Who painted it.",
    "year": "When it was painted.",
    "source": "Where the picture of it is from.",
    "author": "Who trained the style.",
    "recipe": "How it was trained, in words.",
    "data": "The photos it was trained on, and whose they are.",
    "weights_licence": "Licence of the weights: an SPDX expression, or unknown.",
    "image_licence": "Licence of the picture of the painting.",
    "data_licence": "Licence of the photos.",
    "version": "Version of the style.",
    "summary": "One line that describes it.",
    "command": "The command that trains it again.",
    "notes": "Anything else worth knowing.",
    "created": "When it was trained, an ISO date  [default: today]",
}


def fact_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option for each fact; the command gets them in ``**told``."""
    add = [click.option(_option(name), name, help=text) for name, text in _HELP.items()]
    add.append(
        click.option("--tag", "tags", multiple=True, help="Tag to search by; may be repeated.")
    )
    add.append(click.option("--seed", type=int, help="Random seed of the training."))
    for decorate in reversed(add):
        command = decorate(command)
    return command


def with_told(facts: Facts, told: dict[str, Any]) -> Facts:
    """The facts, updated with those from the command line."""
    given = {name: value for name, value in told.items() if value not in (None, ())}
    return dataclasses.replace(facts, **given)


def complete(facts: Facts, *, besides: list[str], unknown: Collection[str] = ()) -> Facts:
    """Prompt for missing facts on a terminal; elsewhere report them all at once.

    Args:
        facts: what is known.
        besides: what else is missing, a line each.
        unknown: facts that were recorded as unknown, prompted for again on a terminal.

    Raises:
        click.UsageError: something is missing or wrong.
    """
    from stylezoo.registry.record_text import UNKNOWN

    if not besides and is_terminal(sys.stdin) and is_terminal(sys.stderr):
        answers: dict[str, Any] = {
            name: click.prompt(_HELP[name], default=UNKNOWN if name in unknown else None, err=True)
            for name in _HELP
            if name in unknown or name in facts.missing
        }
        facts = dataclasses.replace(facts, **answers)
    elif unknown:
        options = ", ".join(_option(name) for name in unknown)
        click.echo(f"recorded as unknown, as before: {options}", err=True)
    lines = [*besides, *(f"{_option(name)}  {_HELP[name]}" for name in facts.missing)]
    text = []
    if lines:
        text.append("Facts that only a person knows are missing; give them (or say unknown):")
        text += [f"  {line}" for line in lines]
    faults = facts.faults()
    if faults:
        text.append("Invalid values:")
        text += [f"  {_option(name)}: {reason}" for name, reason in faults.items()]
    if text:
        raise click.UsageError("\n".join(text))
    return facts


def unknown_options(facts: Facts) -> list[str]:
    """The options for the facts that are missing."""
    return [_option(name) for name in facts.missing]


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"

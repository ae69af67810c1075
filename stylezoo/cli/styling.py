"""The options of every command that applies styles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


def styling_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--strength``, ``--preserve-color`` and ``--runtime`` to a command."""
    strength = click.option(
        "--strength",
        type=click.FloatRange(0, 1),
        default=1.0,
        show_default=True,
        help="0 leaves the photo unchanged, 1 applies the style in full.",
    )
    preserve_color = click.option(
        "--preserve-color", is_flag=True, help="Keep the colours of the photo."
    )
    runtime = click.option(
        "--runtime",
        help="What runs the net  [default: torch-bf16 on CPUs with AMX, else torch (float32)]",
    )
    return strength(preserve_color(runtime(command)))

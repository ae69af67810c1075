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
        help="0 is the photo, 1 the whole style.",
    )
    preserve_color = click.option(
        "--preserve-color", is_flag=True, help="Keep the colours of the photo."
    )
    runtime = click.option(
        "--runtime",
        help="Such as torch, in float32; by default, torch-bf16 on CPUs with AMX.",
    )
    return strength(preserve_color(runtime(command)))

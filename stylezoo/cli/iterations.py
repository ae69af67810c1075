"""What ``optimize`` and ``reconstruct`` share: the option for layers, and progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from stylezoo.cli.output import is_terminal

if TYPE_CHECKING:
    from stylezoo.optimization import Iteration, OptimizationResult


class Layers(click.ParamType[Any]):
    """Layers, either all with a weight or none: ``relu1_1=1,relu2_1=0.5``."""

    name = "layers"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[tuple[str, ...], tuple[float, ...] | None]:
        """Split into names and weights; the weights are None if there are none."""
        pairs = [part.strip().partition("=") for part in value.split(",")]
        names = tuple(name for name, _, _ in pairs)
        weights = [weight for _, equals, weight in pairs if equals]
        if not weights:
            return names, None
        if len(weights) < len(names):
            self.fail(
                f"{value!r} has weights for some layers only; give every layer a weight, or none",
                param,
                ctx,
            )
        try:
            return names, tuple(float(weight) for weight in weights)
        except ValueError:
            self.fail(f"{value!r} contains a weight that is not a number", param, ctx)


@contextmanager
def iteration_progress() -> Iterator[Callable[[Iteration, str], None]]:
    """Show iterations: a bar on a terminal, a line now and then elsewhere.

    Yields:
        A function to call with each iteration and a word on what is being made, maybe empty.
    """
    if not is_terminal(sys.stderr):
        yield _print_now_and_then
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (BarColumn(), MofNCompleteColumn(), Remaining(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)

        def show(iteration: Iteration, what: str) -> None:
            progress.update(
                task,
                completed=iteration.number,
                total=iteration.iterations,
                description=_describe(iteration, what),
            )

        yield show


def warn_of_runaway(result: OptimizationResult, what: str, advice: str) -> None:
    """Warn if an optimisation was stopped because its objective diverged.

    Args:
        result: of the optimisation.
        what: what shows the best picture until then.
        advice: what to try instead.
    """
    if result.diverged:
        click.echo(
            f"warning: the optimisation diverged at iteration {len(result.iterations)} and was "
            f"stopped; {what} is the best picture up to then, with an objective of "
            f"{result.total:.4g}. Try {advice}.",
            err=True,
        )


def _print_now_and_then(iteration: Iteration, what: str) -> None:
    if iteration.number % 50 == 0 or iteration.number == iteration.iterations:
        click.echo(
            f"iteration {iteration.number}/{iteration.iterations}: {_describe(iteration, what)}, "
            f"{iteration.seconds:.2f} s",
            err=True,
        )


def _describe(iteration: Iteration, what: str) -> str:
    return f"{what} {iteration.size} px, objective {iteration.total:.4g}".strip()

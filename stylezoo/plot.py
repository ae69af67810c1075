"""Plots with matplotlib, which the extra ``plot`` installs."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stylezoo.errors import MissingDependencyError, OptionError
from stylezoo.files import write_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".png", ".svg", ".pdf")


def check_plot(path: Path) -> None:
    """Check that a plot can be drawn, before an hour of work.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        OptionError: the suffix belongs to no plot format.
    """
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise MissingDependencyError(
            'plots need matplotlib, which is not installed; run: pip install "stylezoo[plot]"'
        )
    if path.suffix.lower() not in FORMATS:
        raise OptionError(
            f"{path} has the suffix {path.suffix!r}; for a plot, use one of {', '.join(FORMATS)}"
        )


def plot_losses(
    path: Path,
    totals: Sequence[float],
    terms: Mapping[str, Sequence[float]],
    *,
    new_levels: Sequence[int] = (),
) -> None:
    """Draw an objective and its weighted terms over the iterations.

    Args:
        path: path of a .png, .svg or .pdf; replaced if it exists.
        totals: the objective at each iteration.
        terms: each term times its weight, by name.
        new_levels: the iterations, counted from 1, at which the picture grew.

    Raises:
        OutputError: it cannot be written.
    """

    def draw(axes: Axes) -> None:
        numbers = range(1, len(totals) + 1)
        axes.semilogy(numbers, totals, color="black", linewidth=2, label="objective")
        for name, values in terms.items():
            axes.semilogy(numbers, values, label=name)
        for number in new_levels:
            axes.axvline(number, color="grey", linestyle=":", linewidth=1)
        axes.set_xlabel("iteration")
        axes.set_ylabel("loss, weighted")
        axes.legend()

    _save(path, [draw])


@dataclass(frozen=True, kw_only=True)
class Level:
    """An optimisation curve, and the objective of the style it is compared with."""

    label: str
    objectives: Sequence[float]
    level: float


def plot_levels(path: Path, panels: Mapping[str, Sequence[Level]]) -> None:
    """Draw objectives over iterations, with the styles' own as lines (Johnson et al., figure 5).

    Args:
        path: path of a .png, .svg or .pdf; replaced if it exists.
        panels: the curves of each panel, by title.

    Raises:
        OutputError: it cannot be written.
    """

    def drawing(title: str, curves: Sequence[Level]) -> Callable[[Axes], None]:
        def draw(axes: Axes) -> None:
            for curve in curves:
                (line,) = axes.semilogy(range(len(curve.objectives)), curve.objectives)
                line.set_label(curve.label)
                axes.axhline(curve.level, color=line.get_color(), linestyle="--", linewidth=1)
            axes.set_title(title)
            axes.set_xlabel("iterations of L-BFGS")
            axes.set_ylabel("objective (dashed: the style)")
            for label in axes.legend(fontsize="small").get_texts():
                label.set_parse_math(False)  # a photo's name may have dollar signs

        return draw

    _save(path, [drawing(title, curves) for title, curves in panels.items()])


def _save(path: Path, panels: Sequence[Callable[[Axes], None]]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4 * len(panels), 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, draw in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        draw(axes)
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix.lower().removeprefix("."), dpi=120)
    write_file(path, content.getvalue(), overwrite=True)

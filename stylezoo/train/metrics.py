"""Training metrics, as a table and, if it is installed, for TensorBoard."""

from __future__ import annotations

import csv
import importlib.util
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from stylezoo.files import write_file, writing

if TYPE_CHECKING:
    from stylezoo.train.trainer import StepReport

METRICS_FILE = "metrics.csv"
TERMS = ("content", "style", "tv", "range", "stability")
COLUMNS = ("step", "objective", *TERMS, "learning_rate", "seconds")


class MetricsLog:
    """Writes a line for each step to ``metrics.csv``, and the same to TensorBoard's event files.

    Args:
        folder: where to write.
        step: where the training stands; lines of later steps, left by a killed run, are dropped,
            as are damaged ones.

    Raises:
        OutputError: the folder cannot be written.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._path = folder / METRICS_FILE
        with writing(self._path):
            kept = io.StringIO()
            table = _table(kept)
            table.writeheader()
            table.writerows(_lines_up_to(self._path, step))
            # At once: a kill or a full disk must not take the lines that are there already.
            write_file(self._path, kept.getvalue().encode(), overwrite=True)
            self._file: TextIO = self._path.open("a", newline="", encoding="utf-8")
            self._table = _table(self._file)
            self._board = _tensorboard(folder, step)

    def add(self, report: StepReport) -> None:
        """Write the line of a step.

        Raises:
            OutputError: the disk is full, or the folder is gone.
        """
        values = {"objective": report.total, **report.terms, "learning_rate": report.learning_rate}
        with writing(self._path):
            self._table.writerow(
                {"step": report.step, "seconds": f"{report.seconds:.3f}"}
                | {name: f"{value:.6g}" for name, value in values.items()}
            )
            self._file.flush()
            if self._board is not None:
                for name, value in values.items():
                    self._board.add_scalar(name, value, report.step)

    def close(self) -> None:
        """Write what is buffered, and close the files.

        Raises:
            OutputError: the disk is full, or the folder is gone.
        """
        with writing(self._path):
            try:
                self._file.close()
            finally:
                if self._board is not None:
                    self._board.close()


def _table(file: TextIO) -> csv.DictWriter[str]:
    return csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")


def _lines_up_to(path: Path, step: int) -> list[dict[str, str]]:
    if not path.exists():
        return []
    # The last line of a killed run may be cut off, and others damaged by a crash of the machine or
    # an edit; a training does not fail for lack of old figures.
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        lines = list(csv.DictReader(file))
    return [line for line in lines if _is_whole(line) and int(line["step"]) <= step]


def _is_whole(line: dict[str, str]) -> bool:
    known = line.keys() == set(COLUMNS) and None not in line.values()
    return known and line["step"].isdecimal() and line["seconds"] != ""


def _tensorboard(folder: Path, step: int) -> Any:
    if importlib.util.find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(folder, purge_step=step + 1)

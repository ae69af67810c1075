"""A training's metrics on disk."""

import csv

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from stylezoo.train.metrics import COLUMNS, METRICS_FILE, MetricsLog
from stylezoo.train.trainer import StepReport


def report(step):
    return StepReport(
        step=step,
        steps=9,
        total=10 / step,
        terms={"content": 0.5, "style": 1 / step},
        learning_rate=0.001,
        seconds=0.25,
    )


def rows(folder):
    with (folder / METRICS_FILE).open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_line_for_each_step_also_after_a_kill(tmp_path):
    log = MetricsLog(tmp_path, 0)
    for step in (1, 2, 3):
        log.add(report(step))
    # As after a kill: the file ends in a cut-off line, and the checkpoint is of step 2.
    path = tmp_path / METRICS_FILE
    path.write_text(path.read_text()[:-7])
    log = MetricsLog(tmp_path, 2)
    for step in (3, 4):
        log.add(report(step))
    log.close()
    found = rows(tmp_path)
    assert [row["step"] for row in found] == ["1", "2", "3", "4"]
    assert [float(row["style"]) for row in found] == [1.0, 0.5, 0.333333, 0.25]
    assert found[0]["stability"] == ""
    assert found[3]["seconds"] == "0.250"


def test_a_kill_right_after_resuming_takes_no_line(tmp_path):
    log = MetricsLog(tmp_path, 0)
    for step in (1, 2, 3):
        log.add(report(step))
    log.close()
    resumed = MetricsLog(tmp_path, 2)
    # What another process sees now is what a kill would leave.
    assert [row["step"] for row in rows(tmp_path)] == ["1", "2"]
    resumed.close()


@pytest.mark.parametrize(
    "damage",
    [
        b"step;objective;seconds\n1;2;3\n",
        b",".join(map(str.encode, COLUMNS)) + b"\n1,2,3,4,5,6,7,8,9,10\n\0\0,2,3,4,5,6,7,8,9\n",
        b"\xff\xfe\0s\n",
        b"\0\0\0\n\0\0",
    ],
)
def test_damaged_lines_are_dropped(damage, tmp_path):
    (tmp_path / METRICS_FILE).write_bytes(damage)
    log = MetricsLog(tmp_path, 2)
    log.add(report(3))
    log.close()
    assert [row["step"] for row in rows(tmp_path)] == ["3"]


def test_tensorboard_shows_the_same(tmp_path):
    log = MetricsLog(tmp_path, 0)
    for step in (1, 2):
        log.add(report(step))
    log.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    assert set(events.Tags()["scalars"]) == {"objective", "content", "style", "learning_rate"}
    assert [(e.step, e.value) for e in events.Scalars("objective")] == [(1, 10.0), (2, 5.0)]

"""A stopped optimisation resumes to the same picture."""

import pytest

from stylezoo import StyleInput
from stylezoo.errors import CheckpointError, OptionError
from stylezoo.optimization import optimize
from tests.tiny_optimization import same, small


class StopError(Exception):
    pass


@pytest.mark.parametrize(
    "changes",
    [
        {"iterations": 12},
        {"method": "adam", "average": 0.5, "iterations": 12},
        {"method": "preconditioned-lbfgs", "iterations": 12, "clip": True},
        {"size": 64, "levels": 2, "iterations": 6, "clip": True, "average": 0.9},
    ],
    ids=["lbfgs", "adam", "preconditioned-lbfgs", "levels"],
)
def test_a_resumed_optimisation_gives_the_same_picture(changes, photo, painting, tmp_path):
    config = small(**changes)
    styles = [StyleInput(painting=painting)]
    whole = optimize(photo, styles, config)
    checkpoint = tmp_path / "checkpoint"

    def stop(iteration, _):
        if iteration.number == 8:
            raise StopError

    options = {"checkpoint": checkpoint, "checkpoint_every": 5}
    with pytest.raises(StopError):
        optimize(photo, styles, config, on_iteration=stop, **options)
    resumed = optimize(photo, styles, config, resume=True, **options)
    assert same(resumed, whole)
    assert [i.total for i in resumed.iterations] == [i.total for i in whole.iterations]
    # If saving the picture failed, it is available again without another iteration.
    again = optimize(photo, styles, config, resume=True, on_iteration=stop, **options)
    assert same(again, whole)
    assert again.terms == whole.terms


def test_a_run_resumed_at_a_restart_is_as_careful(photo, painting, tmp_path):
    """The first step makes the start worse, so L-BFGS restarts from it."""
    config = small(start="content", style_weight=0.01, iterations=8)
    styles = [StyleInput(painting=painting)]
    whole = optimize(photo, styles, config)
    for stopped_at in range(1, 8):
        checkpoint = tmp_path / str(stopped_at)

        def stop(iteration, _, last=stopped_at):
            if iteration.number == last:
                raise StopError

        options = {"checkpoint": checkpoint, "checkpoint_every": 1}
        with pytest.raises(StopError):
            optimize(photo, styles, config, on_iteration=stop, **options)
        resumed = optimize(photo, styles, config, resume=True, **options)
        assert [i.total for i in resumed.iterations] == [i.total for i in whole.iterations]


def test_a_checkpoint_of_another_run_is_refused(photo, painting, tmp_path):
    checkpoint = tmp_path / "checkpoint"

    def stop(*_):
        raise StopError

    with pytest.raises(StopError):
        optimize(
            photo,
            [StyleInput(painting=painting)],
            small(),
            checkpoint=checkpoint,
            checkpoint_every=1,
            on_iteration=stop,
        )
    again = {"checkpoint": checkpoint, "resume": True}
    with pytest.raises(CheckpointError, match=r"other options \(seed was 0, is 1\); give"):
        optimize(photo, [StyleInput(painting=painting)], small(seed=1), **again)
    with pytest.raises(CheckpointError, match=r"other options \(pictures changed\); give"):
        optimize(photo, [StyleInput(painting=photo)], small(), **again)
    checkpoint.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="cannot be read"):
        optimize(photo, [StyleInput(painting=painting)], small(), **again)


def test_a_checkpoint_may_be_named_by_a_text(photo, painting, tmp_path):
    config, checkpoint = small(iterations=3), str(tmp_path / "checkpoint")
    styles = [StyleInput(painting=painting)]
    whole = optimize(photo, styles, config, checkpoint=checkpoint, checkpoint_every=2)
    assert same(optimize(photo, styles, config, checkpoint=checkpoint, resume=True), whole)


def test_an_interval_without_iterations_is_refused(photo, painting, tmp_path):
    with pytest.raises(OptionError, match="checkpoint_every is 0; it must be 1 or more"):
        optimize(
            photo, [StyleInput(painting=painting)], small(), checkpoint="c", checkpoint_every=0
        )

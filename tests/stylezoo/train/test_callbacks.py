"""Training callbacks of a plugin: called for every event in order, and named if they fail."""

import pytest
from PIL import Image

import stylezoo
from stylezoo import Catalog, TrainingCallback, TrainingConfig, hookimpl
from stylezoo.errors import TrainingError
from stylezoo.registry.record import Licence, StyleImage
from stylezoo.train.description import StyleDescription
from stylezoo.train.style import TrainingFolders


class Plugin:
    """Registers one callback."""

    def __init__(self, callback):
        self.callback = callback

    @hookimpl
    def register_callbacks(self, register):
        register("told", self.callback, summary="from outside")


@pytest.fixture
def train(tmp_path, astronaut):
    with Image.open(astronaut) as photo:
        photo.resize((64, 64)).save(tmp_path / "painting.png")
        (tmp_path / "photos").mkdir()
        photo.resize((80, 80)).save(tmp_path / "photos" / "one.png")
    config = TrainingConfig(
        style_images={"told": tmp_path / "painting.png"},
        photos=tmp_path / "photos",
        net_arguments={"width": 4, "residual_blocks": 1},
        backbone="vgg16",
        backbone_options={"weights": "random", "seed": 0},
        steps=5,
        batch_size=1,
        crop_sizes=(32,),
        style_size=64,
        style_weight=5.0,
        precision="fp32",
    )
    description = StyleDescription(
        name="told",
        version="1.0.0",
        summary="Of callbacks",
        tags=(),
        images={"told": StyleImage(title="t", artist="a", year="2026", source="none")},
        author="tests",
        data="none",
        licence=Licence(
            weights="CC0-1.0", code="CC0-1.0", style_image="unknown", training_data="unknown"
        ),
        command="none",
    )

    def train(callback, *, resume=False):
        catalog = Catalog.discover()
        catalog.add(Plugin(callback), "told", distribution="dist-a")
        return stylezoo.train_style(
            config,
            description,
            TrainingFolders(output=tmp_path / "style"),
            resume=resume,
            checkpoint_every=2,
            samples_every=3,
            catalog=catalog,
        )

    return train


def test_it_is_told_of_checkpoints_samples_and_steps_in_this_order(train, tmp_path):
    events = []

    class Told(TrainingCallback):
        def on_step_end(self, report):
            assert report.total > 0
            events.append(("step", report.step))

        def on_sample(self, step, path):
            with Image.open(path):
                events.append(("sample", step))

        def on_checkpoint(self, step, path):
            assert path.stat().st_size
            events.append(("checkpoint", step))

    train(Told)
    assert events == [
        *[("step", 1), ("checkpoint", 2), ("step", 2), ("sample", 3), ("step", 3)],
        *[("checkpoint", 4), ("step", 4), ("checkpoint", 5), ("sample", 5), ("step", 5)],
    ]
    assert (tmp_path / "style" / "style.toml").exists()


def test_one_that_fails_is_named_and_the_training_goes_on_with_resume(train, tmp_path):
    class Fails(TrainingCallback):
        def on_step_end(self, report):
            if report.step == 3:
                raise RuntimeError("no paper")

    with pytest.raises(
        TrainingError, match=r"callback 'told' failed at step 3: RuntimeError: no paper.*--resume"
    ):
        train(Fails)
    assert not (tmp_path / "style").exists()
    steps = []

    class Counts(TrainingCallback):
        def on_step_end(self, report):
            steps.append(report.step)

    train(Counts, resume=True)
    assert steps == [3, 4, 5]


def test_one_that_cannot_be_made_is_left_out_with_a_warning(train, tmp_path):
    def broken():
        raise OSError("no disk")

    with pytest.warns(UserWarning, match="callback 'dist-a:told' is left out: no disk"):
        train(broken)
    assert (tmp_path / "style" / "style.toml").exists()

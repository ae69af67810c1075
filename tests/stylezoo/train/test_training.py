"""Training: it learns, repeats with the same seed, and refuses what cannot become a style."""

import copy
import itertools
import pickle
import shutil
import subprocess
import threading

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

import stylezoo
from stylezoo.catalog import default_catalog
from stylezoo.errors import ImageError, OptionError, OutputError, TrainingError
from stylezoo.train.trainer import Trainer, rate_factor
from tests.modes import MODES
from tests.tiny_training import config, description, train_command, weights
from tests.vast import catalog_with_vast


def test_training_lowers_the_objective(material):
    trainer = Trainer(config(material, steps=30), default_catalog())
    reports = list(trainer.run())
    totals = [report.total for report in reports]
    assert [report.step for report in reports] == list(range(1, 31))
    assert set(reports[0].terms) == {"content", "style", "tv", "range"}
    assert np.mean(totals[-5:]) < 0.8 * np.mean(totals[:5])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_same_seed_gives_the_same_weights_and_another_one_others(material, precision):
    runs = []
    for seed in (1, np.int64(1), 2):
        trainer = Trainer(
            config(material, steps=3, seed=seed, precision=precision, device=torch.device("cpu")),
            default_catalog(),
        )
        list(trainer.run())
        runs.append(weights(trainer))
    assert all(torch.equal(runs[0][name], runs[1][name]) for name in runs[0])
    assert any(not torch.equal(runs[0][name], runs[2][name]) for name in runs[0])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--held-out", "photos"), "broken.jpg cannot be read as a picture"),
        (("--preview", "nowhere.jpg"), "nowhere.jpg does not exist"),
        (("--weights-licence", "free"), "weights: 'free' is not an SPDX licence"),
        (("--name", "Bad Name"), "name: 'Bad Name' is not a style name"),
        (("--version", "one"), "version: 'one' is not a version"),
        (("--source", "ftp://paintings"), "source: 'ftp://paintings' has an address with"),
        (("--data", "file:photos"), "training.data: 'file:photos' has an address with the scheme"),
        (
            ("--seed", "99999999999"),
            "the seed is 99999999999; it must be an integer from 0 to 21474",
        ),
        (("--held-out", "narrow"), "narrow.png would be 256 × 5 pixels; a photo to measure on"),
        (("-o", "."), ". cannot be a new folder; name another with -o"),
        (("-o", "photos"), "photos exists and is not empty"),
        (
            ("--works", "works.toml"),
            "works.toml has no table for waves; it has wave",
        ),
        (("--works", "keys.toml"), "waves is {'painter': 'x'}; it must be a table with only"),
        (("--works", "huge.toml"), "huge.toml cannot be read: the integer 'waves' has more"),
    ],
)
def test_what_would_fail_at_the_end_fails_before_the_first_step(
    material, vgg_file, tmp_path, more, message
):
    (material / "narrow").mkdir(exist_ok=True)
    Image.new("RGB", (1000, 20), "red").save(material / "narrow" / "narrow.png")
    (material / "works.toml").write_text("[wave]\ntitle = 'Waves'\n")
    (material / "keys.toml").write_text("[waves]\npainter = 'x'\n")
    (material / "huge.toml").write_text(f"waves = 0x{'f' * 5000}\n")
    command = train_command(material, tmp_path / "style", *more)
    done = subprocess.run(command, capture_output=True, text=True, cwd=material)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_step_that_overflows_changes_nothing(material):
    trainer = Trainer(config(material, steps=4, style_weight=None), default_catalog())
    steps = trainer.run()
    next(steps)
    before = weights(trainer)
    balance = copy.deepcopy(trainer.balance.state_dict())
    hook = next(trainer.net.parameters()).register_hook(lambda gradient: gradient * float("inf"))
    next(steps)
    hook.remove()
    after = weights(trainer)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert trainer.left_out == 1
    assert trainer.balance.state_dict() == balance
    next(steps)
    moved = weights(trainer)
    assert any(not torch.equal(before[name], moved[name]) for name in before)
    assert all(tensor.isfinite().all() for tensor in moved.values())


def test_a_step_that_overflows_leaves_the_statistics_of_batch_norm(material):
    changed = config(material, steps=3, net_arguments={"width": 4, "norm": "batch"})
    trainer = Trainer(changed, default_catalog())
    steps = trainer.run()
    next(steps)
    before = {name: buffer.clone() for name, buffer in trainer.net.named_buffers()}
    assert before
    hook = trainer.net.register_forward_pre_hook(lambda net, images: (images[0] * float("inf"),))
    next(steps)
    hook.remove()
    assert trainer.left_out == 1
    after = dict(trainer.net.named_buffers())
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_what_is_kept_is_a_moving_average_over_a_tenth_of_the_steps(material):
    trainer = Trainer(config(material, steps=40), default_catalog())
    name, parameter = next(iter(trainer.net.named_parameters()))
    expected = None
    for _ in trainer.run():
        now = parameter.detach().double().numpy()
        expected = now.copy() if expected is None else 0.75 * expected + 0.25 * now
    kept = trainer.averaged_net().state_dict()[name].numpy()
    np.testing.assert_allclose(kept, expected, rtol=1e-4, atol=1e-6)


def test_a_training_that_diverges_stops_and_says_what_to_do(material):
    trainer = Trainer(config(material, steps=99, learning_rate=1e30), default_catalog())
    with pytest.raises(TrainingError, match=r"last 20 steps, .*; train with a lower learning rate"):
        list(trainer.run())
    assert trainer.step < 30


def test_the_stability_term_makes_pictures_steadier(material):
    """Measured as the change that fresh noise causes."""
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) / 2 + 0.25
    noisy = images + 0.02 * torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    changes = {0.0: 0.0, 3000.0: 0.0}
    for weight, seed in itertools.product(changes, (0, 1)):  # one run depends on its seed
        changed = config(
            material, steps=160, stability_weight=weight, learning_rate=0.01, seed=seed
        )
        trainer = Trainer(changed, default_catalog())
        reports = list(trainer.run())
        assert ("stability" in reports[0].terms) == bool(weight)
        net = trainer.averaged_net()
        with torch.no_grad():
            changes[weight] += (net(noisy) - net(images)).square().mean().item()
    assert changes[3000.0] < 0.7 * changes[0.0]


def test_mistakes_are_named(material, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="holds no pictures"):
        Trainer(config(material, photos=tmp_path / "empty"), default_catalog())
    shutil.copy(material / "photos" / "broken.jpg", tmp_path / "empty")
    with pytest.raises(TrainingError, match="holds 1 photos, fewer than a batch of 2"):
        Trainer(config(material, photos=tmp_path / "empty"), default_catalog())
    shutil.copy(material / "photos" / "broken.jpg", tmp_path / "empty" / "again.jpg")
    with pytest.raises(TrainingError, match="none of the 2 photos can be used"):
        list(Trainer(config(material, photos=tmp_path / "empty"), default_catalog()).run())
    with pytest.raises(ImageError, match="does not exist"):
        Trainer(config(material, style_images={"x": tmp_path / "nowhere.png"}), default_catalog())
    Image.new("RGB", (40, 30)).save(tmp_path / "small.png")
    with pytest.raises(ImageError, match="40 × 30 pixels; a painting must have at least 64"):
        Trainer(config(material, style_images={"x": tmp_path / "small.png"}), default_catalog())
    Image.new("RGB", (800, 60)).save(tmp_path / "narrow.png")
    with pytest.raises(
        ImageError, match=r"is 64 × 5 pixels at the training size; .* have at least 16"
    ):
        Trainer(config(material, style_images={"x": tmp_path / "narrow.png"}), default_catalog())
    with pytest.raises(OptionError, match="can be found only with 'relative'; give a style weight"):
        config(material, normalization="johnson", style_weight=None)
    for name, value in [
        ("steps", 0),
        ("style_weight", -1),
        ("schedule", "one-cycl"),
        ("precision", "x"),
    ]:
        with pytest.raises(OptionError, match=f"{name} is {value!r}"):
            config(material, **{name: value})
    with pytest.raises(OptionError, match="crop_sizes has 33"):
        config(material, crop_sizes=(32, 33))
    with pytest.raises(OptionError, match="crop_sizes is empty"):
        config(material, crop_sizes=())


def test_an_existing_style_is_not_trained_over(material, toy_style):
    with pytest.raises(OutputError, match="exists and is not empty"):
        stylezoo.train_style(
            config(material), description(), stylezoo.TrainingFolders(output=toy_style)
        )


def test_the_schedule_rises_and_falls_to_zero():
    rates = [rate_factor(step / 100, "one-cycle") for step in range(101)]
    assert rates[10] == pytest.approx(1)
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[0] > 0
    assert rates[100] == pytest.approx(0)


@pytest.mark.parametrize("licence", ["CC0-1.0", "unknown"])
def test_a_style_is_measured_and_can_be_measured_again(material, astronaut, tmp_path, licence):
    """The record names the objective; the painting is included if its licence is known."""
    held_out = tmp_path / "held-out"
    held_out.mkdir()
    with Image.open(astronaut) as photo:
        photo.resize((64, 64)).save(held_out / "one.png")
    training = config(
        material,
        style_images={"waves": str(material / "waves.png")},
        photos=str(material / "photos"),
        steps=2,
    )
    description = stylezoo.StyleDescription(
        name="waves",
        version="1.0.0",
        summary="Waves",
        tags=(),
        images={
            "waves": stylezoo.StyleImage(
                title="Waves", artist="numpy", year="2026", source="a formula"
            )
        },
        author="tests",
        data="one photo",
        licence=stylezoo.Licence(
            weights="CC0-1.0", code="MIT", style_image=licence, training_data="unknown"
        ),
        command="none",
    )
    said = []
    trained = stylezoo.train_style(
        training,
        description,
        stylezoo.TrainingFolders(output=str(tmp_path / "style"), held_out=str(held_out)),
        evaluation=stylezoo.EvaluationConfig(sizes=(48,), curves=1, limit=3),
        on_evaluation=said.append,
    )
    assert pickle.loads(pickle.dumps(trained)) == trained
    record = trained.record
    weight = next(term.weight for term in record.objective.terms if term.name == "style")
    assert record.objective == training.objective(weight)
    assert said[0] == "48 px: one.png"
    (at,) = record.quality.sizes
    assert at.photos == 1
    assert set(at.terms) == {"content", "style", "tv", "range"}
    given = "" if licence == "CC0-1.0" else " --painting waves.png"
    assert record.quality.command == (
        f"stylezoo evaluate waves@1.0.0 --photos held-out{given} --sizes 48 --limit 3 --curves 1 "
        "--seed 0"
    )
    assert stylezoo.load(tmp_path / "style").record.quality == record.quality
    painting = tmp_path / "style" / "painting.jpg"
    assert painting.exists() is (licence == "CC0-1.0")
    if painting.exists():
        with Image.open(painting) as image:
            assert max(image.size) == training.style_size


def test_a_training_needs_no_stderr(material, vgg_file, tmp_path):
    """That is where it reports steps and skipped photos."""
    command = train_command(material, tmp_path / "style")
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *map(str, command)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert done.stdout == f"{tmp_path / 'style'}: waves 1.0.0\n"


@pytest.mark.parametrize("mode", MODES)
def test_a_training_gives_the_same_whatever_modes_of_torch_are_set(material, tmp_path, mode):
    def trained(name):
        folders = stylezoo.TrainingFolders(output=tmp_path / name)
        return stylezoo.train_style(config(material, steps=2), description(), folders).record

    usual = trained("usual")
    with MODES[mode]():
        assert trained("inside").file("weights") == usual.file("weights")


def test_cudnn_tries_its_algorithms_in_the_steps_alone(material, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    trainer = Trainer(config(material, steps=1), default_catalog())
    seen = []
    trainer.net.register_forward_hook(lambda *_: seen.append(torch.backends.cudnn.benchmark))
    assert not torch.backends.cudnn.benchmark
    list(trainer.run())
    assert seen == [True]
    assert not torch.backends.cudnn.benchmark


def test_a_training_that_is_interrupted_leaves_nothing_open(material, tmp_path):
    folders = stylezoo.TrainingFolders(output=tmp_path / "style")

    def interrupt(report):
        if report.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stylezoo.train_style(config(material), description(), folders, on_step=interrupt)
    opened = [file.path for file in psutil.Process().open_files()]
    assert not [path for path in opened if folders.work.name in path]
    assert not [one for one in threading.enumerate() if "_AsyncWriter" in type(one).__name__]
    assert len((folders.work / "metrics.csv").read_text().splitlines()) == 3


def test_what_does_not_fit_into_memory_is_refused_with_its_size(material, tmp_path):
    with pytest.raises(OptionError, match=r"batches of 2 crops of 32 pixels do not fit .*--batch"):
        stylezoo.train_style(
            config(material, backbone="vast", backbone_options={}),
            description(),
            stylezoo.TrainingFolders(output=tmp_path / "style"),
            catalog=catalog_with_vast(),
        )

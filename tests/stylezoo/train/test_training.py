"""Training: it learns, it resumes to the same weights, it survives bad photos."""

import dataclasses
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file

import stylezoo
from stylezoo.catalog import Catalog, default_catalog
from stylezoo.cli import train
from stylezoo.errors import CheckpointError, ImageError, OptionError, OutputError, TrainingError
from stylezoo.registry.record import Licence
from stylezoo.train.config import TrainingConfig
from stylezoo.train.crops import PhotoCrops
from stylezoo.train.trainer import Trainer, rate_factor


@pytest.fixture(scope="module")
def material(tmp_path_factory, astronaut):
    """A painting and a folder of photos, with broken, tiny, grey and CMYK ones among them."""
    folder = tmp_path_factory.mktemp("material")
    y, x = np.mgrid[0:96, 0:128] / 8
    waves = np.stack([np.sin(x + y), np.sin(2 * x), np.cos(y)], axis=-1) / 2 + 0.5
    Image.fromarray((waves * 255).astype(np.uint8)).save(folder / "waves.png")
    photos = folder / "photos"
    photos.mkdir()
    with Image.open(astronaut) as photo:
        for number in range(4):
            photo.crop((90 * number, 0, 90 * number + 150, 200)).save(photos / f"{number}.jpg")
        photo.resize((90, 60)).convert("L").save(photos / "grey.png")
        photo.resize((90, 60)).convert("CMYK").save(photos / "cmyk.jpg")
        photo.resize((7, 5)).save(photos / "tiny.png")
    (photos / "broken.jpg").write_text("no picture")
    return folder


def config(material, **changes):
    options = {
        "style_images": {"waves": material / "waves.png"},
        "photos": material / "photos",
        "net_arguments": {"width": 4, "residual_blocks": 1},
        "backbone": "vgg16",
        "backbone_options": {"weights": "random", "seed": 0},
        "steps": 8,
        "batch_size": 2,
        "crop_sizes": (32,),
        "style_size": 64,
        "precision": "fp32",
        "style_weight": 5.0,
    }
    return TrainingConfig(**{**options, **changes})


def weights(trainer):
    return {name: tensor.clone() for name, tensor in trainer.averaged_net().state_dict().items()}


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
    for seed in (1, 1, 2):
        trainer = Trainer(
            config(material, steps=3, seed=seed, precision=precision), default_catalog()
        )
        list(trainer.run())
        runs.append(weights(trainer))
    assert all(torch.equal(runs[0][name], runs[1][name]) for name in runs[0])
    assert any(not torch.equal(runs[0][name], runs[2][name]) for name in runs[0])


def test_a_resumed_run_ends_with_the_same_weights(material, tmp_path):
    whole = Trainer(config(material), default_catalog())
    list(whole.run())

    stopped = Trainer(config(material), default_catalog())
    for report in stopped.run():
        if report.step == 3:
            stopped.save(tmp_path / "checkpoint.pt")
        if report.step == 5:
            break
    resumed = Trainer(config(material), default_catalog())
    resumed.resume(tmp_path / "checkpoint.pt")
    assert [report.step for report in resumed.run()] == [4, 5, 6, 7, 8]
    expected, found = weights(whole), weights(resumed)
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_checkpoint_of_other_options_or_broken_is_refused(material, tmp_path):
    path = tmp_path / "checkpoint.pt"
    Trainer(config(material), default_catalog()).save(path)
    with pytest.raises(CheckpointError, match="belongs to a run with other options"):
        Trainer(config(material, style_weight=9), default_catalog()).resume(path)
    # The same files elsewhere are the same; others of the same name are not.
    moved = tmp_path / "moved"
    shutil.copytree(material, moved)
    options = {"style_images": {"waves": moved / "waves.png"}, "photos": moved / "photos"}
    Trainer(config(material, **options), default_catalog()).resume(path)
    for changed in ("waves.png", "photos/0.jpg"):
        shutil.copy(material / "photos" / "1.jpg", moved / changed)
        with pytest.raises(CheckpointError, match="belongs to a run with other options"):
            Trainer(config(material, **options), default_catalog()).resume(path)
        shutil.copy(material / changed, moved / changed)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="cannot be read"):
        Trainer(config(material), default_catalog()).resume(path)


def train_command(material, output, *more):
    return [
        *(sys.executable, "-m", "stylezoo", "train", material / "waves.png"),
        *("--photos", material / "photos", "-o", output, "--name", "waves"),
        *("--backbone", "vgg16", "--backbone-weights", material / "vgg.safetensors"),
        *(
            "--steps",
            "24",
            "--batch-size",
            "2",
            "--crop-size",
            "32",
            "--style-size",
            "64",
            "--width",
            "4",
        ),
        *("--checkpoint-every", "1", "--samples-every", "12", "--precision", "fp32", *more),
    ]


@pytest.fixture(scope="module")
def vgg_file(material):
    from safetensors.torch import save_file

    backbone = stylezoo.create_backbone("vgg16", weights="random")
    save_file(backbone.state_dict(), material / "vgg.safetensors")


def test_a_command_killed_three_times_resumes_to_the_same_style(material, vgg_file, tmp_path):
    whole = train_command(material, tmp_path / "whole")
    done = subprocess.run(whole, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "skipped: " in done.stderr
    assert "broken.jpg" in done.stderr
    assert done.stdout.strip().endswith("whole: waves 1.0.0")

    killed = train_command(material, tmp_path / "killed")
    checkpoint = tmp_path / "killed-training" / "checkpoint.pt"
    random = np.random.default_rng()
    for resume in ([], ["--resume"], ["--resume"]):
        before = checkpoint.read_bytes() if checkpoint.exists() else None
        process = subprocess.Popen([*killed, *resume], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and (
            not checkpoint.exists() or checkpoint.read_bytes() == before
        ):
            time.sleep(0.005)
        time.sleep(random.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "killed").exists()

    done = subprocess.run(killed, capture_output=True, text=True)
    assert done.returncode == 1
    assert "go on with --resume" in done.stderr
    done = subprocess.run([*killed, "--resume"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    first, second = (
        load_file(tmp_path / name / "model.safetensors") for name in ("whole", "killed")
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert {path.name for path in (tmp_path / "killed").iterdir()} == {
        "style.toml",
        "model.safetensors",
        "golden.safetensors",
        "preview.jpg",
        "README.md",
    }
    work = {path.name for path in (tmp_path / "killed-training").iterdir()}
    assert {name for name in work if not name.startswith("events.")} == {
        "checkpoint.pt",
        "metrics.csv",
        "sample-000012.jpg",
        "sample-000024.jpg",
    }
    style = stylezoo.load(tmp_path / "killed")
    assert style.record.licence.weights == "unknown"
    assert style.record.training.command.startswith("stylezoo train ")
    assert style.record.training.style_size == 64
    assert "--resume" not in style.record.training.command


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--held-out", "photos"), "broken.jpg is no picture"),
        (("--preview", "nowhere.jpg"), "nowhere.jpg does not exist"),
        (("--weights-licence", "free"), "weights: 'free' is no SPDX licence"),
        (("--name", "Bad Name"), "name: 'Bad Name' is no style name"),
        (("--version", "one"), "version: 'one' is no version"),
        (("--source", "ftp://paintings"), "source: 'ftp://paintings' has an address with"),
        (("--data", "file:photos"), "training.data: 'file:photos' has an address with the scheme"),
        (("--seed", "99999999999"), "seed is 99999999999; it must be at most 2147483648"),
        (("--held-out", "narrow"), "narrow.png would be 256 × 5 pixels; a photo to measure on"),
        (("-o", "."), ". is no new folder"),
        (("-o", "photos"), "photos exists and is not empty"),
        (
            ("--works", "works.toml"),
            "works.toml has no table for waves; it has wave",
        ),
        (("--works", "keys.toml"), "waves is {'painter': 'x'}; it must be a table with no other"),
    ],
)
def test_what_would_fail_at_the_end_fails_before_the_first_step(
    material, vgg_file, tmp_path, more, message
):
    (material / "narrow").mkdir(exist_ok=True)
    Image.new("RGB", (1000, 20), "red").save(material / "narrow" / "narrow.png")
    (material / "works.toml").write_text("[wave]\ntitle = 'Waves'\n")
    (material / "keys.toml").write_text("[waves]\npainter = 'x'\n")
    command = train_command(material, tmp_path / "style", *more)
    done = subprocess.run(command, capture_output=True, text=True, cwd=material)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_crops_of_bare_sky_are_drawn_again(tmp_path):
    pixels = np.full((300, 60, 3), 250, np.uint8)
    pixels[200:] = np.random.default_rng(0).integers(0, 255, (100, 60, 3))
    for number in range(2):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    crops = PhotoCrops(tmp_path, crop_sizes=(32,), batch_size=2, seed=0)
    contrast = torch.cat([crops.batch(number) for number in range(50)]).std(dim=(2, 3)).amax(1)
    assert (contrast < 0.01).sum() <= 5  # two crops in three would be, drawn once


def test_a_step_that_overflows_changes_nothing(material):
    trainer = Trainer(config(material, steps=4), default_catalog())
    steps = trainer.run()
    next(steps)
    before = weights(trainer)
    hook = next(trainer.net.parameters()).register_hook(lambda gradient: gradient * float("inf"))
    next(steps)
    hook.remove()
    after = weights(trainer)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert trainer.left_out == 1
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
    """Measured by what noise of its own changes in the pictures."""
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) / 2 + 0.25
    noisy = images + 0.02 * torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    changes = {}
    for weight in (0.0, 300.0):
        changed = config(material, steps=160, stability_weight=weight, learning_rate=0.01)
        trainer = Trainer(changed, default_catalog())
        reports = list(trainer.run())
        assert ("stability" in reports[0].terms) == bool(weight)
        net = trainer.averaged_net()
        with torch.no_grad():
            changes[weight] = (net(noisy) - net(images)).square().mean().item()
    assert changes[300.0] < 0.7 * changes[0.0]


def test_the_paper_preset_is_the_papers_recipe(material):
    """Johnson et al. 2016, section 4.1, and Ulyanov's instance norm not yet."""
    paper = TrainingConfig.preset(
        "paper", style_images={"x": material / "waves.png"}, photos=material
    )
    assert (paper.steps, paper.batch_size, paper.crop_sizes) == (40_000, 4, (256,))
    assert (paper.optimizer, paper.learning_rate, paper.norm_learning_rate) == ("adam", 1e-3, 1e-3)
    assert (paper.schedule, paper.gradient_clip) == ("constant", None)
    assert (paper.backbone, paper.content_layer) == ("vgg16", "relu3_3")
    assert paper.style_layers == ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
    assert paper.net_arguments == {"width": 32, "norm": "batch"}
    assert (paper.content_weight, paper.tv_norm) == (1.0, "l2")
    assert (paper.half_crops, paper.average_part, paper.precision) == (0, 0, "fp32")
    with pytest.raises(OptionError, match="there is no preset 'best'; there is quick, standard"):
        TrainingConfig.preset("best", style_images={}, photos=material)


def test_the_paper_preset_weighs_its_terms_as_the_authors_program(material):
    """Their terms by their own formulas: features of a VGG16 that takes pixels to 255.

    https://github.com/jcjohnson/fast-neural-style: ContentLoss.lua, StyleLoss.lua, GramMatrix.lua,
    TotalVariation.lua; the last adds to the gradient of each picture, the others to that of the
    mean of 4.
    """
    paper = TrainingConfig.preset(
        "paper", style_images={"x": material / "waves.png"}, photos=material
    )
    random = torch.Generator().manual_seed(0)
    shapes = {"relu1_2": 64, "relu2_2": 128, "relu3_3": 256, "relu4_3": 512}
    ours, theirs, content, style = {}, {}, {}, {}
    for layer, channels in shapes.items():
        for kind in (ours, content, style):
            kind[layer] = torch.rand(1, channels, 8, 8, generator=random)
    image = torch.rand(1, 3, 256, 256, generator=random)
    terms = {term.name: term for term in paper.objective(paper.style_weight).terms}
    catalog = default_catalog()

    def weighted(name, features, target):
        loss = catalog.create_loss(terms[name].loss, **terms[name].options)
        target = None if target is None else loss.target(target)
        return terms[name].weight * loss(features, target).item()

    found = np.array(
        [
            weighted("content", ours, content),
            weighted("style", ours, style),
            weighted("tv", {"image": image}, None),
        ]
    )
    scale = 255 * np.mean([0.229, 0.224, 0.225])  # of torchvision's deviations
    caffe = [{k: scale * v.double() for k, v in kind.items()} for kind in (ours, content, style)]
    theirs = [F.mse_loss(caffe[0]["relu3_3"], caffe[1]["relu3_3"]).item(), 0.0, 0.0]
    for layer in shapes:
        grams = []
        for features in (caffe[0], caffe[2]):
            flat = features[layer][0].flatten(1)
            grams.append(flat @ flat.T / flat.numel())
        theirs[1] += 5.0 * F.mse_loss(*grams).item()
    pixels = 255 * image.double()
    for dim in (2, 3):
        theirs[2] += 4 * 1e-6 * pixels.diff(dim=dim).square().sum().item() / 2
    np.testing.assert_allclose(found / found[0], np.array(theirs) / theirs[0], rtol=0.01)


@pytest.mark.parametrize(
    ("options", "base"),
    [
        ({}, "museum"),
        ({"base": "none"}, None),
        ({"base": "great-wave"}, "great-wave"),
        ({"width": 8}, None),
        ({"norm": "batch", "base": "none"}, None),
    ],
)
def test_a_net_that_is_described_is_a_fresh_one(material, options, base):
    asked = dict.fromkeys(parameter.name for parameter in train.command.params) | options
    given = train._given(asked, None, options.get("base"))
    paintings = {"x": material / "waves.png"}
    found = TrainingConfig.preset("standard", **given, style_images=paintings, photos=material)
    assert found.base == base
    assert found.net_arguments["width"] == options.get("width", 24)


def test_crops_are_of_the_size_asked_and_bad_photos_are_named(material):
    crops = PhotoCrops(material / "photos", crop_sizes=(64,), batch_size=8, seed=0, half_until=3)
    assert crops.batch(2).shape == (8, 3, 32, 32)
    batch = crops.batch(3)  # one whole epoch
    assert batch.shape == (8, 3, 64, 64)
    assert 0 <= batch.min() <= batch.max() <= 1
    reasons = {path.name: reason for path, reason in crops.skipped.items()}
    assert "is tiny: 7 × 5 pixels" in reasons.pop("tiny.png")
    assert "is grey" in reasons.pop("grey.png")
    assert "is CMYK" in reasons.pop("cmyk.jpg")
    assert "is no picture" in reasons.pop("broken.jpg")
    assert not reasons
    assert torch.equal(batch, crops.batch(3))
    assert not torch.equal(batch, crops.batch(4))


def test_batches_take_turns_by_size(material):
    crops = PhotoCrops(material / "photos", crop_sizes=(64, 96), batch_size=2, seed=0, half_until=2)
    assert [crops.batch(number).shape[-1] for number in range(5)] == [32, 48, 64, 96, 64]


def test_an_epoch_shows_every_photo_once(tmp_path):
    for number in range(6):
        Image.new("RGB", (40, 40), (40 * number,) * 3).save(tmp_path / f"{number}.png")
    crops = PhotoCrops(tmp_path, crop_sizes=(32,), batch_size=2, seed=3)
    for epoch in (0, 3, 6):
        shown = torch.cat([crops.batch(epoch + step) for step in range(3)])
        levels = sorted((shown[:, 0, 0, 0] * 255).round().int().tolist())
        assert levels == [0, 40, 80, 120, 160, 200]


def test_crops_that_a_net_does_not_take_are_refused_before_the_first_step(material):
    for crops, half, side in (((48, 40), 0.0, 40), ((64, 32), 0.5, 16)):
        with pytest.raises(OptionError, match=f"a crop has {side} pixels, .* at least 32; choose"):
            Trainer(
                config(material, net="coarse", net_arguments={}, crop_sizes=crops, half_crops=half),
                catalog_with_a_coarse_net(),
            )


def catalog_with_a_coarse_net():
    class Coarse(stylezoo.TransformNet):
        Arguments = dataclasses.make_dataclass("Arguments", [])
        stride, minimum_size = 16, 32

        def __init__(self, arguments):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(()))

        def forward(self, images):
            return images * self.scale

    class Plugin:
        @stylezoo.hookimpl
        def register_nets(self, register):
            register("coarse", Coarse)

    catalog = Catalog.discover()
    catalog.add(Plugin(), "tests")
    return catalog


def test_mistakes_are_named(material, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="holds no pictures"):
        Trainer(config(material, photos=tmp_path / "empty"), default_catalog())
    shutil.copy(material / "photos" / "broken.jpg", tmp_path / "empty")
    with pytest.raises(TrainingError, match="holds 1 photos, fewer than a batch of 2"):
        Trainer(config(material, photos=tmp_path / "empty"), default_catalog())
    shutil.copy(material / "photos" / "broken.jpg", tmp_path / "empty" / "again.jpg")
    with pytest.raises(TrainingError, match="not one of the 2 photos can be used"):
        list(Trainer(config(material, photos=tmp_path / "empty"), default_catalog()).run())
    with pytest.raises(ImageError, match="does not exist"):
        Trainer(config(material, style_images={"x": tmp_path / "nowhere.png"}), default_catalog())
    Image.new("RGB", (40, 30)).save(tmp_path / "small.png")
    with pytest.raises(ImageError, match="40 × 30 pixels; a painting must have 64"):
        Trainer(config(material, style_images={"x": tmp_path / "small.png"}), default_catalog())
    Image.new("RGB", (800, 60)).save(tmp_path / "narrow.png")
    with pytest.raises(ImageError, match=r"is 64 × 5 pixels at the size of training; .* have 16"):
        Trainer(config(material, style_images={"x": tmp_path / "narrow.png"}), default_catalog())
    with pytest.raises(OptionError, match="found by the relative content distance; give one"):
        config(material, normalization="johnson", style_weight=None)
    for name, value in [("steps", 0), ("style_weight", -1), ("precision", "x")]:
        with pytest.raises(OptionError, match=f"{name} is {value!r}"):
            config(material, **{name: value})
    with pytest.raises(OptionError, match="crop_sizes has 33"):
        config(material, crop_sizes=(32, 33))
    with pytest.raises(OptionError, match="crop_sizes is empty"):
        config(material, crop_sizes=())


def test_an_existing_style_is_not_trained_over(material, toy_style):
    from stylezoo.train.description import StyleDescription
    from stylezoo.train.style import TrainingFolders

    with pytest.raises(OutputError, match="exists and is not empty"):
        stylezoo.train_style(
            config(material),
            StyleDescription(
                name="x",
                version="1.0.0",
                summary="",
                tags=(),
                images={"waves": None},
                author="",
                data="",
                licence=Licence(
                    weights="unknown", code="MIT", style_image="unknown", training_data="unknown"
                ),
                command="",
            ),
            TrainingFolders(output=toy_style),
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
    """The record names the objective; the painting is passed on where its licence is known."""
    from stylezoo.registry.record import StyleImage
    from stylezoo.train.description import StyleDescription
    from stylezoo.train.style import TrainingFolders

    held_out = tmp_path / "held-out"
    held_out.mkdir()
    with Image.open(astronaut) as photo:
        photo.resize((64, 64)).save(held_out / "one.png")
    training = config(material, steps=2)
    description = StyleDescription(
        name="waves",
        version="1.0.0",
        summary="Waves",
        tags=(),
        images={
            "waves": StyleImage(title="Waves", artist="numpy", year="2026", source="a formula")
        },
        author="tests",
        data="one photo",
        licence=Licence(
            weights="CC0-1.0", code="MIT", style_image=licence, training_data="unknown"
        ),
        command="none",
    )
    said = []
    trained = stylezoo.train_style(
        training,
        description,
        TrainingFolders(output=tmp_path / "style", held_out=held_out),
        evaluation=stylezoo.EvaluationConfig(sizes=(48,), curves=1, limit=3),
        on_evaluation=said.append,
    )
    record = trained.record
    weight = next(term.weight for term in record.objective.terms if term.name == "style")
    assert record.objective == training.objective(weight)
    assert said[0] == "48 px: one.png"
    (at,) = record.quality.sizes
    assert at.photos == 1
    assert set(at.terms) == {"content", "style", "tv", "range"}
    assert stylezoo.load(tmp_path / "style").record.quality == record.quality
    painting = tmp_path / "style" / "painting.jpg"
    assert painting.exists() is (licence == "CC0-1.0")
    if painting.exists():
        with Image.open(painting) as image:
            assert max(image.size) == training.style_size

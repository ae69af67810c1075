"""Evaluating a style and saving the result."""

import dataclasses
import gc
import json
import os
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import stylezoo
from stylezoo import EvaluationConfig, ObjectiveConfig, TermConfig, evaluate_style
from stylezoo.check import check_style_folder
from stylezoo.errors import OptionError
from stylezoo.registry.publish import record_quality
from stylezoo.registry.record_io import read_record, render_record
from stylezoo.registry.verify import verify_files
from tests.modes import MODES
from tests.vast import catalog_with_vast

OBJECTIVE = ObjectiveConfig(
    backbone="vgg16",
    backbone_options={"weights": "random"},
    terms=(
        TermConfig(
            name="content",
            loss="content",
            weight=1.0,
            options={"layers": ("relu2_2",), "normalization": "relative"},
        ),
        TermConfig(
            name="style",
            loss="gram",
            weight=5.0,
            options={"layers": ("relu1_2", "relu2_2"), "normalization": "relative"},
        ),
    ),
)
CONFIG = EvaluationConfig(sizes=(48, 64), curves=1, limit=12, precision="fp32", device="cpu")


@pytest.fixture(scope="module")
def photos(astronaut, tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    with Image.open(astronaut) as image:
        image.resize((90, 70)).save(folder / "a.png")
        image.rotate(90).resize((60, 80)).save(folder / "b.png")
    return folder


@pytest.fixture
def style_folder(toy_style, astronaut, tmp_path):
    """The toy style with an objective and a painting."""
    folder = tmp_path / "toy"
    shutil.copytree(toy_style, folder)
    with Image.open(astronaut) as image:
        image.resize((64, 64)).save(folder / "painting.jpg")
    from stylezoo.registry.publish import _describe

    record = read_record(folder)
    files = (*record.files, _describe(folder, "painting.jpg", "painting"))
    record = dataclasses.replace(record, objective=OBJECTIVE, files=files)
    (folder / "style.toml").write_text(render_record(record))
    return folder


@pytest.fixture
def evaluation(style_folder, photos):
    painting = stylezoo.open_photo(style_folder / "painting.jpg")
    return evaluate_style(
        stylezoo.load(style_folder), str(photos), painting, CONFIG, command="as before"
    )


def test_what_is_measured_is_the_objective_of_the_pictures(evaluation, style_folder, photos):
    from stylezoo.catalog import default_catalog

    objective = stylezoo.build_objective(
        OBJECTIVE, default_catalog(), device=torch.device("cpu"), dtype=torch.float32
    )

    def tensor(photo):
        return torch.from_numpy(photo.rgb.transpose(2, 0, 1).copy())[None]

    photo = stylezoo.open_photo(photos / "b.png").resized(64)
    painting = stylezoo.open_photo(style_folder / "painting.jpg")
    targets = objective.targets(tensor(photo), "content")
    targets |= objective.targets(tensor(painting), "style")
    styled = stylezoo.load(style_folder)(photo)
    (measure,) = [m for m in evaluation.photos if (m.photo, m.size) == ("b.png", 64)]
    value = objective(tensor(styled), targets)
    assert measure.objective == pytest.approx(value.total.item(), rel=1e-4)
    assert measure.terms["style"] == pytest.approx(value.terms["style"].item(), rel=1e-4)
    assert measure.unstyled == pytest.approx(objective(tensor(photo), targets).total.item(), 1e-4)
    assert measure.seconds > 0


def test_a_folder_of_photos_is_never_in_memory_as_a_whole(style_folder, photos):
    painting = stylezoo.open_photo(style_folder / "painting.jpg")
    style = stylezoo.load(style_folder)

    def large_photos():
        found = [one for one in gc.get_objects() if type(one) is stylezoo.Photo]
        return sum(max(photo.size) > max(CONFIG.sizes) for photo in found)

    before = large_photos()  # of other tests
    alive = []
    evaluate_style(
        style,
        photos,
        painting,
        CONFIG,
        command="none",
        on_progress=lambda text: alive.append(large_photos()),
    )
    assert len(alive) == 6  # two photos and one optimisation at each of two sizes
    assert max(alive) <= before


def test_the_summary_is_of_both_photos(evaluation):
    for at in evaluation.quality.sizes:
        here = [m for m in evaluation.photos if m.size == at.size]
        assert at.photos == len(here) == 2
        assert at.objective == pytest.approx(sum(m.objective for m in here) / 2, rel=1e-3)
        assert at.worst == pytest.approx(max(m.objective / m.unstyled for m in here), rel=1e-3)
        assert at.speedup == pytest.approx(500 * at.iteration_seconds / at.seconds, rel=0.01, abs=1)


@pytest.mark.parametrize("mode", MODES)
def test_the_measure_is_the_same_whatever_modes_of_torch_are_set(
    evaluation, style_folder, photos, mode
):
    painting = stylezoo.open_photo(style_folder / "painting.jpg")
    with MODES[mode]():
        inside = evaluate_style(
            stylezoo.load(style_folder), photos, painting, CONFIG, command="as before"
        )
    for one, usual in zip(inside.photos, evaluation.photos, strict=True):
        assert dataclasses.replace(one, seconds=usual.seconds) == usual


def test_the_curves_end_where_the_style_is_reached(evaluation):
    assert [(c.size, c.start) for c in evaluation.curves] == [
        (48, "noise"),
        (48, "content"),
        (64, "noise"),
        (64, "content"),
    ]
    for curve in evaluation.curves:
        assert all(value > curve.level for value in curve.objectives[:-1])
        assert curve.reached or len(curve.objectives) == CONFIG.limit + 1
        assert curve.equivalent <= CONFIG.limit
    content = evaluation.curves[1]
    (measure,) = [m for m in evaluation.photos if (m.photo, m.size) == ("a.png", 48)]
    assert content.objectives[0] == pytest.approx(measure.unstyled, rel=1e-4)


def test_a_level_that_is_not_reached_is_said_to_be(evaluation):
    """Random weights are no style: noise and photo reach it at once, or it is marked capped."""
    for at in evaluation.quality.sizes:
        curves = [curve for curve in evaluation.curves if curve.size == at.size]
        assert at.capped is not all(curve.objectives[-1] <= curve.level for curve in curves)


def test_the_record_and_the_card_keep_it(evaluation, style_folder):
    record_quality(style_folder, evaluation.quality)
    record = read_record(style_folder)
    assert record.quality == evaluation.quality
    assert record.objective == OBJECTIVE
    verify_files(style_folder, record, record.files)  # the card's new hash too
    card = (style_folder / "README.md").read_text()
    at = record.quality.sizes[1]
    assert f"| 64 px | {at.objective:.3f} |" in card
    assert "as before" in card


# With a heading inside a code block, and line endings unlike ours.
CREDITS = "## Credits\n\n```console\n## Measured quality\n```\n\nPhotos by Alice.\u2028\r\n"


@pytest.mark.parametrize("has_section", [True, False])
def test_what_a_person_wrote_into_the_card_stays(style_folder, has_section):
    quality = read_record(style_folder).quality
    rendered = (style_folder / "README.md").read_text()
    before, after = rendered.split("## Measured quality\n")
    section, after = after.split("## Licences\n")
    after = f"## Licences\n{after}\n"
    written = before + CREDITS + "\n"
    card = f"{written}## Measured quality\nPoor.\n{after}" if has_section else written + after
    (style_folder / "README.md").unlink()
    (style_folder / "CARD.md").write_bytes(card.encode())
    text = (style_folder / "style.toml").read_text().replace('"README.md"', '"CARD.md"')
    (style_folder / "style.toml").write_text(text)
    command = "measured anew"
    record = record_quality(style_folder, dataclasses.replace(quality, command=command))
    verify_files(style_folder, record, record.files)
    assert record.file("card").path == "CARD.md"
    assert not (style_folder / "README.md").exists()
    renewed = (style_folder / "CARD.md").read_bytes().decode()
    section = "## Measured quality\n" + section.replace("\nnone\n", f"\n{command}\n")
    assert command in section
    parts = [written, section, after] if has_section else [written, after, section]
    assert renewed == "".join(parts).rstrip("\n") + "\n"
    findings = check_style_folder(style_folder).findings
    assert not [finding for finding in findings if finding.check == "card"]


def test_a_style_without_objective_cannot_be_measured(toy_style, photos):
    painting = stylezoo.open_photo(photos / "a.png")
    with pytest.raises(OptionError, match="names no objective"):
        evaluate_style(stylezoo.load(toy_style), photos, painting, CONFIG, command="")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sizes": ()}, "the sizes are"),
        ({"sizes": (64, 64)}, "they must differ, and be 32 or more"),
        ({"sizes": (8,)}, "32 or more"),
        ({"curves": 0}, "curves is 0"),
        ({"limit": 0}, "the limit is 0"),
        ({"seed": 2**70}, f"the seed is {2**70}"),
    ],
)
def test_options_out_of_range(changes, message):
    with pytest.raises(OptionError, match=message):
        EvaluationConfig(**changes)


def run(*arguments):
    command = [sys.executable, "-m", "stylezoo", "evaluate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_command(style_folder, photos, tmp_path):
    options = ["--sizes", "48", "--curves", "1", "--limit", "4"]
    plot = tmp_path / "plot.png"
    done = run(style_folder, "--photos", photos, *options, "--save", "--json", "--plot", plot)
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert [photo["photo"] for photo in printed["photos"]] == ["a.png", "b.png"]
    assert [curve["start"] for curve in printed["curves"]] == ["noise", "content"]
    (at,) = read_record(style_folder).quality.sizes
    assert at.objective == printed["quality"]["sizes"][0]["objective"]
    assert read_record(style_folder).quality.command == (
        f"stylezoo evaluate toy@1.0.0 --photos {photos.name} --sizes 48 --limit 4 --curves 1 "
        "--seed 0"
    )
    with Image.open(plot) as image:
        assert image.format == "PNG"
        assert image.convert("L").getextrema()[0] < 100  # something was drawn


def test_what_cannot_be_saved_is_known_before_the_measuring(style_folder, photos):
    (style_folder / "README.md").unlink()
    (style_folder / "README.md").mkdir()
    done = run(style_folder, "--photos", photos, "--sizes", "48", "--save")
    assert done.returncode == 1
    card = style_folder / "README.md"
    assert done.stderr.strip() == f"error: {card} is a folder; move it, or choose another name"


def test_what_was_measured_is_printed_though_it_cannot_be_saved(style_folder, photos):
    options = ["--sizes", "48", "--curves", "1", "--limit", "8", "--save", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "stylezoo", "evaluate", style_folder, "--photos", photos, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr.readline() == "48 px: a.png\n"  # everything is checked by then
    (style_folder / "README.md").unlink()
    (style_folder / "README.md").mkdir()
    stdout, stderr = process.communicate()
    assert process.returncode == 1
    assert stderr.endswith("README.md is a folder; move it, or choose another name\n")
    assert [at["size"] for at in json.loads(stdout)["quality"]["sizes"]] == [48]


def test_what_was_measured_is_saved_though_nobody_reads_it(style_folder, photos):
    reader, writer = os.pipe()
    os.close(reader)
    plot = style_folder / "plot.png"
    options = ["--sizes", "48", "--curves", "1", "--limit", "1", "--save", "--plot", plot]
    done = subprocess.run(
        [sys.executable, "-m", "stylezoo", "evaluate", style_folder, "--photos", photos, *options],
        stdout=writer,
        stderr=subprocess.PIPE,
    )
    os.close(writer)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert [at.size for at in read_record(style_folder).quality.sizes] == [48]
    assert plot.is_file()


def test_a_plot_names_photos_as_cameras_do(style_folder, photos, tmp_path):
    """With an underscore first, and with dollars, which matplotlib takes for mathematics."""
    folder = tmp_path / "named"
    folder.mkdir()
    shutil.copy(photos / "a.png", folder / "100$_and_$.png")
    shutil.copy(photos / "b.png", folder / "_DSC0001.png")
    plot = tmp_path / "plot.svg"
    options = ["--sizes", "48", "--curves", "2", "--limit", "1", "--plot", plot]
    done = run(style_folder, "--photos", folder, *options)
    assert done.returncode == 0, done.stderr
    drawn = plot.read_text()  # texts are outlines, each after a comment with its words
    for name in ("100$_and_$.png", "_DSC0001.png"):
        assert f"from noise: {name}" in drawn
        assert f"from content: {name}" in drawn


def test_the_command_that_is_recorded_repeats_the_measurement(style_folder, photos):
    """The style may hold another painting, or none, and the hardware prefer a precision."""
    given = style_folder.with_name("Great Wave.png")
    shutil.copy(photos / "a.png", given)
    options = ["--sizes", "48", "--curves", "1", "--limit", "1", "--precision", "fp32", "--save"]
    done = run(style_folder, "--photos", photos, "--painting", given, *options)
    assert done.returncode == 0, done.stderr
    quality = read_record(style_folder).quality
    assert quality.command == (
        f"stylezoo evaluate toy@1.0.0 --photos {photos.name} --painting 'Great Wave.png' "
        "--sizes 48 --limit 1 --curves 1 --seed 0 --precision fp32"
    )
    # Run beside the photos and the painting, the command gives the same result.
    shutil.copytree(photos, style_folder.parent / photos.name)
    words = shlex.split(quality.command.replace("toy@1.0.0", "./toy"))
    again = subprocess.run(
        [sys.executable, "-m", *words, "--json"],
        capture_output=True,
        text=True,
        cwd=style_folder.parent,
    )
    assert again.returncode == 0, again.stderr
    (at,) = json.loads(again.stdout)["quality"]["sizes"]
    assert at["objective"] == quality.sizes[0].objective


def test_the_table(style_folder, photos):
    done = run(style_folder, "--photos", photos, "--sizes", "48", "--curves", "1", "--limit", "2")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["48", "px"]
    assert any(line.startswith("iterations it is worth, from noise") for line in lines)
    assert any(line.startswith("speed-up over 500 iterations") for line in lines)


def test_a_painting_of_any_size_is_brought_to_that_of_training(style_folder, photos, tmp_path):
    def objective(painting, style_size):
        record = read_record(style_folder)
        training = dataclasses.replace(record.training, style_size=style_size)
        record = dataclasses.replace(record, training=training)
        (style_folder / "style.toml").write_text(render_record(record))
        options = ["--sizes", "48", "--curves", "1", "--limit", "1", "--json"]
        done = run(style_folder, "--photos", photos, "--painting", painting, *options)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["quality"]["sizes"][0]["objective"]

    # Stripes that vanish at the training size: at full size they are a different style.
    large = np.repeat(np.float32([[0.2, 0.6], [0.9, 0.4]]), 60, axis=0).repeat(60, axis=1)
    large[::2] = 1 - large[1::2]
    Image.fromarray((large * 255).astype(np.uint8)).convert("RGB").save(tmp_path / "large.png")
    stylezoo.open_photo(tmp_path / "large.png").resized(40).to_pil().save(tmp_path / "small.png")
    expected = objective(tmp_path / "small.png", None)
    assert objective(tmp_path / "large.png", 40) == pytest.approx(expected, rel=0.02)
    assert objective(tmp_path / "large.png", None) != pytest.approx(expected, rel=0.5)


def test_bad_input(style_folder, toy_style, photos, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    bare = tmp_path / "bare"
    shutil.copytree(style_folder, bare)
    record = read_record(bare)
    files = tuple(file for file in record.files if file.role != "painting")
    (bare / "style.toml").write_text(render_record(dataclasses.replace(record, files=files)))
    cases = [
        ((style_folder, "--photos", empty), 1, "holds no pictures"),
        ((style_folder, "--photos", tmp_path / "none"), 1, "is not a folder"),
        (
            (style_folder, "--photos", photos, "--sizes", "big"),
            2,
            "'big' is not a list of sizes; write it like 256,512",
        ),
        ((style_folder, "--photos", photos, "--sizes", "4"), 1, "32 or more"),
        ((toy_style, "--photos", photos), 1, "names no objective"),
        ((bare, "--photos", photos), 1, "does not contain its painting; give --painting"),
        (("museum", "--photos", photos), 1, "museum holds several styles; evaluate one"),
        (("great-wave", "--photos", photos, "--save"), 1, "but 'great-wave' is not one"),
        (
            (style_folder, "--photos", photos, "--plot", "x.txt"),
            1,
            "suffix '.txt'; for a plot, use",
        ),
    ]
    for arguments, code, message in cases:
        done = run(*arguments)
        assert done.returncode == code, (arguments, done.stderr)
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_what_does_not_fit_into_memory_is_refused_with_its_size(style_folder, photos):
    painting = stylezoo.open_photo(style_folder / "painting.jpg")
    style = stylezoo.load(style_folder)
    objective = dataclasses.replace(OBJECTIVE, backbone="vast", backbone_options={})
    style.record = dataclasses.replace(style.record, objective=objective)
    with pytest.raises(OptionError, match=r"photos of 64 pixels do not fit .*evaluate --sizes"):
        evaluate_style(style, photos, painting, CONFIG, command="none", catalog=catalog_with_vast())

"""stylezoo record make: bare weights become a style that passes the check."""

import dataclasses
import json
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
import tomllib

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import stylezoo
from stylezoo import ObjectiveConfig, TermConfig
from stylezoo.check import check_style_folder
from stylezoo.registry.record import File
from stylezoo.registry.record_io import read_record, render_record
from stylezoo.registry.verify import sha256_of

FACTS = {
    "title": "Waves",
    "artist": "Nobody",
    "year": "2026",
    "source": "drawn for tests, see https://example.org",
    "author": "tests",
    "recipe": "random numbers",
    "data": "none",
    "weights-licence": "CC0-1.0",
    "image-licence": "CC-BY-4.0",
    "data-licence": "unknown",
}
OBJECTIVE = ObjectiveConfig(
    backbone="vgg16",
    backbone_options={"weights": "random"},
    terms=(TermConfig(name="style", loss="gram", weight=1.0, options={"layers": ("relu1_2",)}),),
)


def words(facts):
    return [word for name, value in facts.items() for word in (f"--{name}", value)]


def make(*arguments, **environment):
    command = [sys.executable, "-m", "stylezoo", "record", "make", *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )


@pytest.fixture
def weights(tmp_path):
    """The result of a training elsewhere: bare tensors without a description."""
    torch.manual_seed(3)
    path = tmp_path / "weights.safetensors"
    save_file(stylezoo.create_net("johnson", width=4, residual_blocks=1).state_dict(), path)
    return path


@pytest.fixture
def photos(astronaut, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    with Image.open(astronaut) as image:
        image.resize((40, 30)).save(folder / "a.png")
    return folder


@pytest.fixture
def painted(toy_style, astronaut, tmp_path):
    """The toy style with an objective, a measured quality and a painting with its own name."""
    folder = shutil.copytree(toy_style, tmp_path / "painted")
    with Image.open(astronaut) as image:
        image.resize((72, 64)).save(folder / "kiss.png")
    record = read_record(folder)
    painting = File(
        path="kiss.png",
        role="painting",
        size=(folder / "kiss.png").stat().st_size,
        sha256=sha256_of(folder / "kiss.png"),
    )
    command = "stylezoo evaluate toy@1.0.0 --photos eval --seed 0"
    record = dataclasses.replace(
        record,
        objective=OBJECTIVE,
        quality=dataclasses.replace(record.quality, command=command),
        licence=dataclasses.replace(record.licence, style_image="CC0-1.0"),
        files=(*record.files, painting),
    )
    (folder / "style.toml").write_text(render_record(record))
    return folder


@pytest.fixture
def other_johnson(tmp_path):
    """The environment with a second plugin that has a net 'johnson'."""
    folder = tmp_path / "plugin"
    info = folder / "other_dist-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-dist\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[stylezoo]\nother = other_dist\n")
    (folder / "other_dist.py").write_text(
        "import stylezoo\n"
        "STYLEZOO_API = stylezoo.PLUGIN_API\n"
        "@stylezoo.hookimpl\n"
        "def register_nets(register):\n"
        "    register('johnson', 'stylezoo_johnson.johnson:Johnson', summary='Another')\n"
    )
    return {"PYTHONPATH": os.pathsep.join([str(folder), *filter(None, sys.path)])}


def test_one_wrong_field_does_not_change_its_neighbours(painted, tmp_path):
    """Which once fell back to their defaults: another licence of the code, another seed."""
    text = (painted / "style.toml").read_text()
    changes = {
        'code = "Apache-2.0"': 'code = "MIT"',
        "seed = 0": "seed = 7",
        'weights = "CC0-1.0"': 'weights = "CC0"',
        "recipe = ": "recip = ",
    }
    for old, new in changes.items():
        assert old in text, text
        text = text.replace(old, new)
    (painted / "style.toml").write_text(text)
    before = tomllib.loads(text)
    told = ["--weights-licence", "CC0-1.0", "--recipe", "by hand"]
    done = make(painted, *told, "--version", "1.1.0", "-o", tmp_path / "again")
    assert done.returncode == 0, done.stderr
    after = tomllib.loads((tmp_path / "again" / "style.toml").read_text())
    assert after["licence"] == {**before["licence"], "weights": "CC0-1.0"}
    same = before["training"].keys() - {"recip"}
    assert {name: after["training"][name] for name in same} == {
        name: before["training"][name] for name in same
    }
    assert after["training"]["recipe"] == "by hand"


def test_bare_weights_become_a_style_in_order(weights, astronaut, tmp_path):
    net = ["--net", "johnson", "--net-arguments", "width=4", "--net-arguments", "residual_blocks=1"]
    painting = ["--painting", astronaut, "--photo", astronaut, "--name", "waves", "--tag", "sea"]
    done = make(weights, *net, *painting, *words(FACTS), "-o", tmp_path / "waves")
    assert done.returncode == 0, done.stderr
    report = check_style_folder(tmp_path / "waves")
    assert [finding.where for finding in report.findings] == ["quality"]
    record = read_record(tmp_path / "waves")
    assert record.style.title == "Waves"
    assert record.licence.training_data == "unknown"
    assert record.tags == ("sea",)
    assert record.net.arguments == {"width": 4, "residual_blocks": 1}
    assert record.preview.caption == "astronaut.jpg, stylised at 512 px"
    assert record.file("painting").path == "painting.jpg"
    # The weights are unchanged, bit for bit.
    assert record.file("weights").dtype == "float32"
    before, after = load_file(weights), load_file(tmp_path / "waves" / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_all_that_is_missing_or_wrong_is_listed_at_once(weights, tmp_path):
    some = {"title": "Waves", "weights-licence": "free", "source": "ftp://example.org"}
    done = make(weights, "--name", "Great Waves", *words(some), "-o", tmp_path / "waves")
    assert done.returncode == 2
    missing, wrong = done.stderr.split("Invalid values:")
    assert re.findall(r"^  (--[a-z-]+)", missing, re.MULTILINE) == [
        *("--net", "--artist", "--year", "--author", "--recipe", "--data"),
        *("--image-licence", "--data-licence"),
    ]
    assert set(re.findall(r"^  (--[a-z-]+)", wrong, re.MULTILINE)) == {
        *("--name", "--weights-licence", "--source"),
    }
    assert not (tmp_path / "waves").exists()


def test_weights_of_another_net_are_refused(weights, tmp_path):
    done = make(weights, "--net", "johnson", "--name", "x", *words(FACTS), "-o", tmp_path / "waves")
    assert done.returncode == 1
    assert "weights.safetensors lacks the tensors" in done.stderr
    assert not (tmp_path / "waves").exists()


def test_a_folder_brings_its_facts_and_quality_is_measured(toy_style, astronaut, photos, tmp_path):
    """The style's record is incomplete; its facts, net and objective are kept."""
    folder = shutil.copytree(toy_style, tmp_path / "toy")
    record = read_record(folder)
    record = dataclasses.replace(
        record,
        objective=OBJECTIVE,
        quality=None,
        status="deprecated",
        licence=dataclasses.replace(record.licence, code="MIT"),
        training=dataclasses.replace(record.training, style_size=30),
    )
    (folder / "style.toml").write_text(render_record(record))
    with Image.open(astronaut) as image:
        image.resize((80, 80)).save(tmp_path / "large.png")
    told = ["--data-licence", "unknown", "--image-licence", "CC0-1.0", "--title", "Toy"]
    measure = ["--photos", photos, "--sizes", "32", "--painting", tmp_path / "large.png"]
    done = make(folder, *told, *measure, "-o", tmp_path / "made")
    assert done.returncode == 0, done.stderr
    report = check_style_folder(tmp_path / "made")
    assert not report.findings
    made = read_record(tmp_path / "made")
    assert made.style.title == "Toy"
    assert made.training == record.training
    assert (made.status, made.licence.code) == ("deprecated", "MIT")
    assert made.objective == OBJECTIVE
    assert made.quality.sizes[0].photos == 1
    # To measure again, the painting in the folder needs no resizing: it has the training size.
    assert "--painting" not in made.quality.command
    assert stylezoo.open_photo(tmp_path / "made" / "painting.jpg").size == (30, 30)
    # Half precision stays half precision, and the same weights make the same file.
    assert made.file("weights").sha256 == record.file("weights").sha256


def test_what_was_measured_stays_with_the_weights_it_was_measured_of(toy_style, tmp_path):
    measured = read_record(toy_style).quality
    assert measured is not None
    assert make(toy_style, "-o", tmp_path / "made", "--title", "Waves").returncode == 0
    assert read_record(tmp_path / "made").quality == measured
    folder = shutil.copytree(toy_style, tmp_path / "toy")
    others = {name: x * 0.5 for name, x in load_file(folder / "model.safetensors").items()}
    save_file(others, folder / "model.safetensors")
    net = ["--net", "johnson", "--net-arguments", "width=4"]
    done = make(folder, *net, "-o", tmp_path / "changed")
    assert done.returncode == 0, done.stderr
    assert read_record(tmp_path / "changed").quality is None


def test_what_a_record_says_is_unknown_stays_so(toy_style, tmp_path):
    done = make(toy_style, "-o", tmp_path / "made")
    assert done.returncode == 0, done.stderr
    assert "recorded as unknown, as before: --image-licence, --data-licence" in done.stderr
    assert read_record(tmp_path / "made").licence == read_record(toy_style).licence


def test_the_painting_that_the_record_lists_goes_along_byte_by_byte(painted, tmp_path):
    shutil.copy(painted / "preview.jpg", painted / "painting.jpg")  # no part of the style
    done = make(painted, "-o", tmp_path / "made", "--version", "1.1.0", "--name", "new-toy")
    assert done.returncode == 0, done.stderr
    record = read_record(tmp_path / "made")
    path = record.file("painting").path
    assert (tmp_path / "made" / path).read_bytes() == (painted / "kiss.png").read_bytes()
    assert check_style_folder(tmp_path / "made").ok
    # The quality still holds, and its command names the new style.
    assert record.quality.command == "stylezoo evaluate new-toy@1.1.0 --photos eval --seed 0"


def test_quality_measured_with_a_painting_that_goes_names_it(painted, tmp_path):
    done = make(painted, "-o", tmp_path / "made", "--image-licence", "unknown")
    assert done.returncode == 0, done.stderr
    assert read_record(tmp_path / "made").quality.command == (
        "stylezoo evaluate toy@1.0.0 --photos eval --seed 0 --painting kiss.png"
    )


def test_the_command_measures_the_same_again_without_the_painting(painted, photos, tmp_path):
    """The picture may not be redistributed, and is larger than in training."""
    record = read_record(painted)
    record = dataclasses.replace(
        record, training=dataclasses.replace(record.training, style_size=32)
    )
    (painted / "style.toml").write_text(render_record(record))
    shutil.copy(painted / "kiss.png", tmp_path / "Great Wave.png")
    told = ["--image-licence", "unknown", "--painting", tmp_path / "Great Wave.png"]
    done = make(painted, *told, "--photos", photos, "--sizes", "32", "-o", tmp_path / "made")
    assert done.returncode == 0, done.stderr
    made = read_record(tmp_path / "made")
    assert "painting" not in [file.role for file in made.files]
    words = shlex.split(made.quality.command)
    assert words[5:7] == ["--painting", "Great Wave.png"]
    words[2] = "./made"  # instead of by name
    again = subprocess.run(
        [sys.executable, "-m", *words, "--json"], capture_output=True, text=True, cwd=tmp_path
    )
    assert again.returncode == 0, again.stderr
    (at,) = json.loads(again.stdout)["quality"]["sizes"]
    assert at["objective"] == made.quality.sizes[0].objective


def test_photos_that_cannot_be_read_are_known_before_the_folder_is_made(painted, photos, tmp_path):
    (photos / "b.png").write_text("no picture")
    for folder, message in [(photos, "b.png"), (tmp_path / "missing", "is not a folder")]:
        done = make(painted, "--photos", folder, "--sizes", "32", "-o", tmp_path / "made")
        assert done.returncode == 1
        assert message in done.stderr
        assert not (tmp_path / "made").exists()
    done = make(painted, "--photos", photos, "--sizes", "8", "-o", tmp_path / "made")
    assert "they must differ, and be 32 or more" in done.stderr
    assert not (tmp_path / "made").exists()


def test_a_net_of_a_name_that_two_plugins_use_is_taken_from_the_one_of_the_record(
    toy_style, weights, other_johnson, tmp_path
):
    done = make(toy_style, "-o", tmp_path / "made", "--version", "1.1.0", **other_johnson)
    assert done.returncode == 0, done.stderr
    made, theirs = read_record(tmp_path / "made"), read_record(toy_style)
    assert (made.net, made.quality) == (theirs.net, theirs.quality)
    # Naming the same net keeps its arguments and quality.
    named = ["--net", "stylezoo:johnson"]
    done = make(toy_style, *named, "-o", tmp_path / "named", **other_johnson)
    assert done.returncode == 0, done.stderr
    assert read_record(tmp_path / "named").net == theirs.net
    assert read_record(tmp_path / "named").quality == theirs.quality
    # Bare weights name no plugin; the advice works.
    bare = ["--net-arguments", "width=4", "--net-arguments", "residual_blocks=1"]
    bare = [weights, *bare, "--name", "waves", *words(FACTS), "-o", tmp_path / "bare"]
    done = make(*bare, "--net", "johnson", **other_johnson)
    assert "write 'stylezoo:johnson' or 'other-dist:johnson'" in done.stderr
    done = make(*bare, "--net", "other-dist:johnson", **other_johnson)
    assert done.returncode == 0, done.stderr
    net = read_record(tmp_path / "bare").net
    assert (net.name, net.plugin) == ("johnson", "other-dist")


def test_a_fact_that_no_record_takes_is_told_of_the_style(toy_style, tmp_path):
    done = make(toy_style, "-o", tmp_path / "made", "--tag", "x" * 500)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: toy: tags[0]")
    assert not (tmp_path / "made").exists()


def test_without_an_objective_quality_cannot_be_measured(toy_style, tmp_path):
    told = ["--data-licence", "unknown", "--image-licence", "CC0-1.0"]
    done = make(toy_style, *told, "--photos", toy_style, "-o", tmp_path / "made")
    assert done.returncode == 1
    assert "add a table [objective] to style.toml" in done.stderr


def test_a_pack_is_left_to_training(root, tmp_path):
    museum = root / "registry" / "stylezoo_styles" / "styles" / "museum" / "1.0.0"
    done = make(museum, "-o", tmp_path / "made")
    assert done.returncode == 1
    assert "is a pack or an adapter" in done.stderr
    assert "make a pack again with 'stylezoo pack'" in done.stderr


def test_on_a_terminal_the_missing_is_asked_for(toy_style, tmp_path):
    control, terminal = pty.openpty()
    command = [sys.executable, "-m", "stylezoo", "record", "make", str(toy_style)]
    command += ["--data-licence", "unknown", "-o", str(tmp_path / "made")]
    process = subprocess.Popen(
        command, stdin=terminal, stderr=terminal, stdout=subprocess.PIPE, text=True
    )
    os.close(terminal)
    os.write(control, b"CC0-1.0\n")
    assert process.communicate(timeout=120)[0].startswith(str(tmp_path / "made"))
    assert process.returncode == 0
    assert read_record(tmp_path / "made").licence.style_image == "CC0-1.0"

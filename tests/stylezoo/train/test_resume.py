"""A training that was stopped or killed resumes to the same weights."""

import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import stylezoo
from stylezoo.catalog import default_catalog
from stylezoo.errors import CheckpointError
from stylezoo.train.trainer import Trainer
from tests.tiny_training import config, train_command, weights


def test_a_resumed_run_ends_with_the_same_weights(material, tmp_path):
    whole = Trainer(config(material), default_catalog())
    list(whole.run())

    stopped = Trainer(config(material), default_catalog())
    for report in stopped.run():
        if report.step == 3:
            stopped.save(tmp_path / "checkpoint")
        if report.step == 5:
            break
    resumed = Trainer(config(material), default_catalog())
    resumed.resume(tmp_path / "checkpoint")
    assert [report.step for report in resumed.run()] == [4, 5, 6, 7, 8]
    expected, found = weights(whole), weights(resumed)
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_net_that_draws_random_numbers_resumes_to_the_same_weights_too(material, tmp_path):
    def trainer():
        made = Trainer(config(material), default_catalog())
        made.net.register_forward_pre_hook(lambda net, given: given[0] + torch.rand_like(given[0]))
        return made

    whole = trainer()
    for report in whole.run():
        if report.step == 3:
            whole.save(tmp_path / "checkpoint")
    before = torch.get_rng_state()
    resumed = trainer()
    resumed.resume(tmp_path / "checkpoint")
    list(resumed.run())
    expected, found = weights(whole), weights(resumed)
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_checkpoint_of_other_options_or_broken_is_refused(material, tmp_path):
    path = tmp_path / "checkpoint"
    Trainer(config(material), default_catalog()).save(path)
    other = config(material, style_weight=9, crop_sizes=(64,))
    told = r"options \(style_weight was 5\.0, is 9\.0; crop_sizes was \[32\], is \[64\]\); give"
    with pytest.raises(CheckpointError, match=told):
        Trainer(other, default_catalog()).resume(path)
    # The same files elsewhere are accepted; others of the same name are not.
    moved = tmp_path / "moved"
    shutil.copytree(material, moved)
    options = {"style_images": {"waves": moved / "waves.png"}, "photos": moved / "photos"}
    Trainer(config(material, **options), default_catalog()).resume(path)
    for changed, what in (("waves.png", "paintings"), ("photos/0.jpg", "photos")):
        shutil.copy(material / "photos" / "1.jpg", moved / changed)
        with pytest.raises(CheckpointError, match=rf"with other options \({what} changed\); give"):
            Trainer(config(material, **options), default_catalog()).resume(path)
        shutil.copy(material / changed, moved / changed)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match="is damaged; delete it"):
        Trainer(config(material), default_catalog()).resume(path)


def test_a_photo_that_goes_while_it_trains_stops_nothing(material, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(material, moved)
    (moved / "photos" / "nowhere.jpg").symlink_to(tmp_path / "nothing.jpg")
    options = {"photos": moved / "photos", "style_images": {"waves": moved / "waves.png"}}
    trainer = Trainer(config(material, **options), default_catalog())
    for report in trainer.run():
        (moved / "photos" / f"{report.step}.jpg").unlink(missing_ok=True)
        trainer.save(tmp_path / "checkpoint")
    assert report.step == report.steps
    assert "nowhere.jpg does not exist" in " ".join(trainer.crops.skipped.values())
    # Whoever resumes is told of those that the stopped run has skipped.
    shutil.copytree(material / "photos", moved / "photos", dirs_exist_ok=True)
    again = Trainer(config(material, **options), default_catalog())
    again.resume(tmp_path / "checkpoint")
    assert again.crops.skipped.items() <= trainer.crops.skipped.items()
    assert moved / "photos" / "nowhere.jpg" in again.crops.skipped


def test_a_command_killed_three_times_resumes_to_the_same_style(material, vgg_file, tmp_path):
    whole = train_command(material, tmp_path / "whole")
    done = subprocess.run(whole, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "skipped: " in done.stderr
    assert "broken.jpg" in done.stderr
    assert "photos skipped: 4\n" in done.stderr
    assert done.stdout.strip().endswith("whole: waves 1.0.0")

    killed = train_command(material, tmp_path / "killed")
    checkpoint = tmp_path / "killed-training" / "checkpoint"
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
    assert "continue it with --resume" in done.stderr
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
        ".lock",
        "checkpoint",
        "metrics.csv",
        "sample-000012.jpg",
        "sample-000024.jpg",
    }
    style = stylezoo.load(tmp_path / "killed")
    assert style.record.licence.weights == "unknown"
    assert style.record.training.command.startswith("stylezoo train ")
    assert style.record.training.style_size == 64
    assert "--resume" not in style.record.training.command


def test_a_style_is_written_again_under_another_version_from_its_checkpoint(
    material, vgg_file, tmp_path
):
    style, before = tmp_path / "waves", tmp_path / "waves-1.0.0"
    command = train_command(material, style, "--steps", "2")
    subprocess.run(command, check=True)
    style.rename(before)
    again = [*command, "--version", "1.1.0", "--resume"]
    done = subprocess.run(again, capture_output=True, text=True, check=True)
    assert done.stdout == f"{style}: waves 1.1.0\n"
    assert "step " not in done.stderr
    assert (style / "model.safetensors").read_bytes() == (before / "model.safetensors").read_bytes()


def test_two_trainings_do_not_share_a_folder(material, vgg_file, tmp_path):
    command = train_command(material, tmp_path / "waves", "--steps", "1000000")
    first = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        checkpoint = tmp_path / "waves-training" / "checkpoint"
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not checkpoint.exists():
            time.sleep(0.01)
        for resume in ([], ["--resume"]):
            second = subprocess.run(
                [*command, *resume], capture_output=True, text=True, timeout=120
            )
            assert second.returncode == 1
            assert f"another training is writing to {tmp_path / 'waves-training'}" in second.stderr
        assert first.poll() is None
    finally:
        first.kill()
        first.wait()
    # The lock goes with its holder, also by a kill.
    third = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "is from a stopped run; continue it with --resume" in third.stderr

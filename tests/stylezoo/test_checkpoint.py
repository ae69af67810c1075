"""Checkpoints, apart from what they resume."""

import pytest
import torch

import stylezoo.checkpoint
from stylezoo.checkpoint import load_checkpoint, save_checkpoint
from stylezoo.errors import CheckpointError

SAME = {"seed": 0, "sizes": (64, 128)}


def test_a_state_comes_back(tmp_path):
    path = tmp_path / "checkpoint"
    save_checkpoint(path, {"image": torch.arange(3), "done": 7}, fingerprint=SAME)
    state = load_checkpoint(path, fingerprint=SAME)
    assert (state["image"].tolist(), state["done"]) == ([0, 1, 2], 7)


def test_that_of_another_version_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint"
    with monkeypatch.context() as older:
        older.setattr(stylezoo.checkpoint, "__version__", "0.0.9")
        save_checkpoint(path, {"of": "another form"}, fingerprint=SAME)
    with pytest.raises(CheckpointError, match=r"by stylezoo 0\.0\.9, but this is .*; resume with"):
        load_checkpoint(path, fingerprint=SAME)


@pytest.mark.parametrize("place", [0, 0.1, 0.3, 0.5, 0.7, 0.99])
def test_one_flipped_bit_is_found(place, tmp_path):
    path = tmp_path / "checkpoint"
    save_checkpoint(path, {"image": torch.rand(1000)}, fingerprint=SAME)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="delete it to start again"):
        load_checkpoint(path, fingerprint=SAME)


@pytest.mark.parametrize("content", [b"", b"\n", b"[]\n", b"{}\n", b"\xff\n", b"3\n"])
def test_what_is_no_checkpoint_is_refused(content, tmp_path):
    path = tmp_path / "checkpoint"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(path, fingerprint=SAME)


def test_what_differs_is_named_by_its_values_or_if_they_are_long_by_its_name(tmp_path):
    path = tmp_path / "checkpoint"
    save_checkpoint(path, {}, fingerprint={**SAME, "photos": "a" * 64})
    told = r"options \(seed was 0, is 1; photos changed\); give the same ones to resume, or delete"
    with pytest.raises(CheckpointError, match=told):
        load_checkpoint(path, fingerprint={**SAME, "seed": 1, "photos": "b" * 64})

"""Checkpoints, apart from what is resumed by them."""

import pytest
import torch

import stylezoo.checkpoint
from stylezoo.checkpoint import load_checkpoint, save_checkpoint
from stylezoo.errors import CheckpointError


def test_a_state_comes_back(tmp_path):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"image": torch.arange(3), "done": 7}, fingerprint="same")
    state = load_checkpoint(path, fingerprint="same")
    assert (state["image"].tolist(), state["done"]) == ([0, 1, 2], 7)


def test_that_of_another_version_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.pt"
    with monkeypatch.context() as older:
        older.setattr(stylezoo.checkpoint, "__version__", "0.0.9")
        save_checkpoint(path, {"of": "another form"}, fingerprint="same")
    with pytest.raises(CheckpointError, match=r"by stylezoo 0\.0\.9, and this is .*; resume with"):
        load_checkpoint(path, fingerprint="same")

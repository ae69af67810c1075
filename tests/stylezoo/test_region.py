"""Regions: the positions of a layer that a mask covers."""

import numpy as np
import pytest
import torch

import stylezoo
from stylezoo.errors import OptionError
from stylezoo.region import Region


def test_the_positions_under_the_mask_are_taken():
    mask = torch.zeros(8, 12)
    mask[2:6, 3:9] = 1
    mask[0, 0] = 0.4  # grey below one half is outside
    features = torch.rand(2, 5, 8, 12)
    selected = Region(mask).select(features)
    inside = [(y, x) for y in range(8) for x in range(12) if 2 <= y < 6 and 3 <= x < 9]
    expected = torch.stack([features[:, :, y, x] for y, x in inside], dim=2).unsqueeze(2)
    assert torch.equal(selected, expected)


def test_a_deeper_layer_has_the_positions_that_are_covered_by_half():
    mask = torch.zeros(8, 8)
    mask[:, :3] = 1  # at half the size, columns 0-1 are fully covered, 2-3 by half
    selected = Region(mask).select(torch.arange(16.0).view(1, 1, 4, 4))
    assert selected.flatten().tolist() == [0, 1, 4, 5, 8, 9, 12, 13]


def test_the_gram_matrix_of_a_region_is_that_of_its_positions():
    mask = torch.zeros(6, 7)
    mask[1:4, 2:] = 1
    features = torch.rand(1, 3, 6, 7, dtype=torch.float64)
    gram = stylezoo.create_loss("gram", layers=("a",))
    found = gram.target({"a": Region(mask).select(features)})["a"][0].numpy()
    columns = features[0].numpy()[:, mask.numpy() > 0]
    assert np.allclose(found, columns @ columns.T / columns.shape[1])


def test_a_region_must_hold_something():
    with pytest.raises(OptionError, match="black all over"):
        Region(torch.full((4, 4), 0.3))
    corner = torch.zeros(64, 64)
    corner[0, 0] = 1
    with pytest.raises(OptionError, match="too small for a layer of 8 × 8 positions"):
        Region(corner).select(torch.rand(1, 3, 8, 8))

"""The plugin keeps every promise of its interfaces, and its styles draw."""

from pathlib import Path

import pytest
import torch

import stylezoo
import stylezoo_example_sketch
from stylezoo.testing import PluginConformance, assert_conforms, check_style

FOLDERS = sorted((Path(stylezoo_example_sketch.__file__).parent / "styles").glob("*/*"))
NAMES = ["example-charcoal", "example-pencil"]


class TestPlugin(PluginConformance):
    """Runs the conformance kit on all that the plugin registers."""

    plugin = "stylezoo-example-sketch"


def test_both_styles_are_there():
    assert [folder.parent.name for folder in FOLDERS] == NAMES


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_style_conforms(folder):
    assert_conforms(check_style(folder))


@pytest.mark.parametrize("name", NAMES)
def test_a_flat_picture_stays_paper_and_a_dark_line_is_ink(name):
    style = stylezoo.load(name)
    picture = torch.full((1, 3, 64, 64), 0.9)
    blank = style(picture)
    paper = style.net.paper.detach()
    assert torch.allclose(blank, paper[:, None, None].expand(3, 64, 64), atol=0.02)
    picture[..., 31:34] = 0.0
    drawn = style(picture)
    assert drawn[0, 0, 32, 32] < 0.3
    assert torch.allclose(drawn[..., :8], blank[..., :8], atol=0.02)


@pytest.mark.parametrize("kernel", [1, 8, 65, True, 9.0, "9"])
def test_a_kernel_that_cannot_be_is_refused(kernel):
    with pytest.raises(stylezoo.StyleZooError, match="kernel is"):
        stylezoo.create_net("sketch", kernel=kernel)

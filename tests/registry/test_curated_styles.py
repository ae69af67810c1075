"""Every curated style: its record, files, licences, golden output and card."""

import pytest
import torch
from PIL import Image

import stylezoo
from stylezoo.images import open_photo
from stylezoo.registry.card import render_card
from stylezoo.registry.golden import golden_difference
from stylezoo.registry.verify import verify_files

SOURCE = stylezoo.Catalog.discover().sources()["embedded"]
STYLES = [(name, version) for name in SOURCE.names() for version in SOURCE.versions(name)]


@pytest.fixture(params=STYLES, ids=lambda style: f"{style[0]}-{style[1]}")
def style(request):
    name, version = request.param
    return SOURCE.record(name, version), SOURCE.folder(name, version)


def test_great_wave_is_among_them():
    assert "great-wave" in SOURCE.names()


def test_every_file_is_as_recorded_and_none_is_besides(style):
    record, folder = style
    verify_files(folder, record)
    listed = {file.path for file in record.files} | {"style.toml"}
    assert {path.name for path in folder.iterdir()} == listed


def test_it_reproduces_its_golden_output(style):
    record, folder = style
    loaded = stylezoo.load(folder)
    with torch.inference_mode():
        assert golden_difference(loaded.net, folder, record) <= record.test.tolerance


def test_it_is_small_licensed_measured_and_good(style):
    record, _ = style
    assert record.file("weights").size <= 2_000_000
    assert "unknown" not in (record.licence.weights, record.licence.code)
    assert record.quality is not None
    assert [at.size for at in record.quality.sizes] == [256, 512, 1024]
    for at in record.quality.sizes:
        assert at.worst < 0.8
        assert at.objective < 0.7 * at.untrained
        assert at.iterations_from_noise > 20


def test_its_card_is_made_from_its_record(style):
    record, folder = style
    assert (folder / "README.md").read_text() == render_card(record)


def test_its_preview_can_be_seen(style):
    record, folder = style
    assert min(open_photo(folder / record.preview.path).size) >= 200


def test_it_styles_a_large_photo_in_its_own_size(style, astronaut):
    _, folder = style
    with Image.open(astronaut) as small:
        photo = open_photo(small.resize((3000, 2000)))
    out = stylezoo.load(folder)(photo)
    assert out.size == (3000, 2000)
    # Neither washed out nor blown: the picture uses a good part of the range.
    assert out.rgb.std() > 0.1

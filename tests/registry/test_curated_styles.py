"""Every curated style: its record, files, licences, golden output and card."""

import re

import pytest
from PIL import Image

import stylezoo
from stylezoo.images import open_photo
from stylezoo.registry.card import render_card
from stylezoo.registry.golden import golden_difference, golden_run
from stylezoo.registry.verify import verify_files

SOURCE = stylezoo.Catalog.discover().sources()["embedded"]
STYLES = [(name, version) for name in SOURCE.names() for version in SOURCE.versions(name)]


@pytest.fixture(params=STYLES, ids=lambda style: f"{style[0]}-{style[1]}")
def style(request):
    name, version = request.param
    return SOURCE.record(name, version), SOURCE.folder(name, version)


def spec_of(folder, record):
    """Return what to load to style a picture: for a pack, its first style."""
    return f"{folder}:{record.styles[0].name}" if record.styles else folder


def test_the_ones_that_people_ask_for_are_among_them():
    asked = {"great-wave", "starry-night", "the-scream", "composition-vii", "udnie", "the-kiss"}
    assert asked <= set(SOURCE.names())
    records = [SOURCE.record(name, version) for name, version in STYLES]
    assert len({record.name for record in records if not record.styles}) >= 12
    assert any(len(record.styles) >= 8 for record in records)


def test_together_they_are_small():
    folders = [SOURCE.folder(name, version) for name, version in STYLES]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 15_000_000


def test_every_file_is_as_recorded_and_none_is_besides(style):
    record, folder = style
    verify_files(folder, record)
    listed = {file.path for file in record.files} | {"style.toml"}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there == listed


def test_it_reproduces_its_golden_output(style):
    record, folder = style
    loaded = stylezoo.load(folder)
    assert golden_difference(golden_run(loaded.net), folder, record) <= record.test.tolerance


def test_it_is_small_licensed_measured_and_good(style):
    record, _ = style
    assert record.file("weights").size <= (60_000 if record.base else 2_000_000)
    assert "unknown" not in (record.licence.weights, record.licence.code)
    measured = [one.quality for one in record.styles] if record.styles else [record.quality]
    for quality in measured:
        assert quality is not None
        sizes = [at.size for at in quality.sizes]
        assert sizes[:2] == [256, 512]
        assert sizes[2:] == [1024] or record.status == "experimental"
        for at in quality.sizes:
            assert at.worst < 0.8
            assert at.objective < 0.7 * at.untrained
            promised = 20 if at.size == 1024 else 30
            assert at.iterations_from_noise >= (promised if record.status == "stable" else 10)


def test_its_card_is_made_from_its_record(style):
    record, folder = style
    card = render_card(record)
    # The first cards do not say how to load a style from a repository on the Hub.
    first = re.sub(r"From a repository on the Hub, .*\n\n", "", card)
    assert len(first) < len(card)
    assert (folder / "README.md").read_text() in (card, first)


def test_its_preview_can_be_seen(style):
    record, folder = style
    assert min(open_photo(folder / record.preview.path).size) >= 200


def test_its_pictures_have_about_the_contrast_of_its_painting(style, astronaut):
    """Neither washed out nor blown out."""
    record, folder = style
    with Image.open(astronaut) as small:
        photo = open_photo(small.resize((1000, 667)))
    out = stylezoo.load(spec_of(folder, record))(photo)
    assert out.size == (1000, 667)
    path = record.styles[0].painting if record.styles else record.file("painting").path
    assert 0.5 < out.rgb.std() / open_photo(folder / path).rgb.std() < 1.5


@pytest.mark.parametrize("spec", ["great-wave", "museum:udnie"])
def test_a_large_photo_keeps_its_size(spec, astronaut):
    with Image.open(astronaut) as small:
        photo = open_photo(small.resize((3000, 2000)))
    assert stylezoo.load(spec)(photo).size == (3000, 2000)

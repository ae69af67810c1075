"""A pack assembled from existing styles, without training."""

import dataclasses
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import stylezoo
from stylezoo.catalog import Catalog
from stylezoo.check import check_style_folder
from stylezoo.errors import (
    OptionError,
)
from stylezoo.registry.golden import golden_difference, golden_run
from stylezoo.registry.publish import StyleDraft, write_style
from stylezoo.registry.record_io import read_record, render_record
from stylezoo.registry.verify import verify_files
from stylezoo.train.pack import make_pack
from stylezoo.train.style import TrainingFolders
from tests.tiny_packs import MIXED, catalog_of, config, description, photo


def test_styles_and_adapters_become_a_pack_and_draw_as_they_did_alone(
    registry, astronaut, tmp_path
):
    catalog = catalog_of(registry)
    specs = ("greens", "colours:blues")
    record = make_pack(specs, MIXED, tmp_path / "mixed", preview=astronaut, catalog=catalog)
    verify_files(tmp_path / "mixed", record)
    pack = stylezoo.load(tmp_path / "mixed", catalog=catalog)
    assert pack.styles == ("greens", "blues")
    assert golden_difference(golden_run(pack.net), tmp_path / "mixed", record) < 1e-4
    for spec, name in zip(specs, pack.styles, strict=True):
        alone = stylezoo.load(spec, catalog=catalog)
        assert np.array_equal(pack(photo(), style=name), alone(photo())), name
    # The authors of all parts are named.
    for spec in specs:
        origin = stylezoo.load(spec, catalog=catalog).record
        credit = f"of {origin.name} 1.0.0, by {origin.provenance.author}. {origin.provenance.notes}"
        assert credit.strip() in record.provenance.notes
        assert origin.training.data in record.training.data
    assert {style.painting for style in record.styles} == {
        "paintings/greens.jpg",
        "paintings/blues.jpg",
    }
    painting = "paintings/blues.jpg"  # not re-encoded: quality was measured with these pixels
    theirs = registry / "colours" / "1.0.0" / painting
    assert (tmp_path / "mixed" / painting).read_bytes() == theirs.read_bytes()
    theirs = read_record(registry / "colours" / "1.0.0").styles[1]
    assert record.styles[1] == theirs
    assert record.base is None  # it is self-contained
    assert record.file("weights").dtype == "float16"  # like all its parts
    assert "greens, of greens 1.0.0" in record.training.recipe
    assert record.training.style_size == 64  # that of all its trainings


def test_a_pack_says_how_each_of_its_parts_was_trained_and_by_whom(registry, astronaut, tmp_path):
    options = {"preview": astronaut, "catalog": catalog_of(registry)}
    nameless = dataclasses.replace(MIXED, author="unknown")

    def pack(folder, *, command="none", author="tests"):
        part = shutil.copytree(registry / "greens" / "1.0.0", tmp_path / f"part-of-{folder}")
        greens = read_record(part)
        training = dataclasses.replace(greens.training, seed=7, command=command)
        provenance = dataclasses.replace(greens.provenance, author=author)
        greens = dataclasses.replace(greens, training=training, provenance=provenance)
        (part / "style.toml").write_text(render_record(greens))
        return make_pack(["colours:blues", str(part)], nameless, tmp_path / folder, **options)

    record = pack("two", command="stylezoo train greens.jpg --seed 7")
    blues, greens = record.training.recipe.split("; greens, of greens 1.0.0, as trained there: ")
    assert blues.startswith("blues, of colours 1.0.0, as trained there: ")
    assert blues.endswith("; seed 0; by `none`")
    assert greens.endswith("; seed 7; by `stylezoo train greens.jpg --seed 7`")
    assert record.provenance.author == "tests"
    assert pack("others", author="a friend").provenance.author == "unknown"
    # A command too long stays in its part's record.
    recipe = pack("long", command="x" * 9_000).training.recipe
    assert recipe.endswith("; seed 7; the commands are in the records of these")


def test_parts_in_single_precision_draw_in_a_pack_as_they_did_alone(registry, astronaut, tmp_path):
    catalog = catalog_of(registry)
    source = read_record(registry / "colours" / "1.0.0")
    net = stylezoo.load("colours", catalog=catalog).net
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(1 + 2e-4)  # less than half a step of half precision
    draft = StyleDraft(
        name="exact",
        version="1.0.0",
        status="stable",
        summary="In single precision",
        tags=(),
        net_name=source.net.name,
        net_plugin=source.net.plugin,
        net_arguments=source.net.arguments,
        styles=tuple(dataclasses.replace(style, painting=None) for style in source.styles),
        training=source.training,
        provenance=source.provenance,
        licence=source.licence,
        preview="nothing",
        objective=source.objective,
    )
    preview = Image.new("RGB", (8, 8))
    write_style(tmp_path / "exact", net=net, draft=draft, preview=preview, dtype="float32")
    specs = [f"{tmp_path}/exact:{name}" for name in ("reds", "blues")]
    record = make_pack(specs, MIXED, tmp_path / "mixed", preview=astronaut, catalog=catalog)
    assert record.file("weights").dtype == "float32"
    pack = stylezoo.load(tmp_path / "mixed", catalog=catalog)
    for spec, name in zip(specs, pack.styles, strict=True):
        alone = stylezoo.load(spec, catalog=catalog)
        assert np.array_equal(pack(photo(), style=name), alone(photo())), name


def test_a_pack_that_cannot_be_is_refused(registry, material, astronaut, tmp_path):
    catalog = catalog_of(registry)
    stylezoo.train_style(
        config(material, "reds", "blues", steps=1, seed=1),
        description("others", "reds", "blues"),
        TrainingFolders(output=tmp_path / "others"),
    )
    other = description("guarded", "greens")
    other = dataclasses.replace(
        other, licence=dataclasses.replace(other.licence, weights="CC-BY-4.0")
    )
    stylezoo.train_style(
        config(material, "greens", base="colours", only_norm=True, steps=1),
        other,
        TrainingFolders(output=tmp_path / "guarded"),
        catalog=catalog,
    )
    stylezoo.train_style(
        config(material, "greens", base="colours", only_norm=True, steps=1, tv_weight=0.5),
        description("smooth", "greens"),
        TrainingFolders(output=tmp_path / "smooth"),
        catalog=catalog,
    )
    for specs, message in [
        (["greens"], "name at least two"),
        (["colours", "greens"], "colours holds several styles; name one, as in colours:reds"),
        (["greens", "greens"], "two styles are called greens"),
        (["greens", f"{tmp_path}/others:blues"], "do not share their convolutions"),
        (
            ["colours:reds", f"{tmp_path}/guarded"],
            "the licences of colours:reds and .*/guarded differ: weights CC0-1.0 and CC-BY-4.0; a",
        ),
        (["colours:reds", f"{tmp_path}/smooth"], "trained for different objectives"),
    ]:
        with pytest.raises(OptionError, match=message):
            make_pack(specs, MIXED, tmp_path / "mixed", preview=astronaut, catalog=catalog)
        assert not (tmp_path / "mixed").exists()


def test_a_pack_of_a_style_and_an_adapter_on_an_older_version_says_so(newer, astronaut, tmp_path):
    catalog = catalog_of(newer)
    options = {"preview": astronaut, "catalog": catalog}
    for specs in (["colours:blues", "greens"], ["greens", "colours:blues"]):
        with pytest.raises(OptionError) as refused:
            make_pack(specs, MIXED, tmp_path / "mixed", **options)
        assert "colours:blues (of colours 2.0.0)" in str(refused.value)
        assert "greens (on colours 1.0.0)" in str(refused.value)
        assert str(refused.value).endswith("; write colours@1.0.0:blues")
    make_pack(["colours@1.0.0:blues", "greens"], MIXED, tmp_path / "mixed", **options)


def test_a_pack_takes_its_net_from_the_plugin_that_the_records_name(astronaut, tmp_path):
    class Another:
        STYLEZOO_API = stylezoo.PLUGIN_API

        @stylezoo.hookimpl
        def register_nets(self, register):
            register("johnson", "stylezoo_johnson.johnson:Johnson", summary="Another")

    catalog = Catalog.discover()
    catalog.add(Another(), "other", distribution="other-dist")
    specs = ("museum:udnie", "museum:the-scream")
    record = make_pack(specs, MIXED, tmp_path / "mixed", preview=astronaut, catalog=catalog)
    assert (record.net.name, record.net.plugin) == ("johnson", "stylezoo")
    assert stylezoo.load(tmp_path / "mixed", catalog=catalog).styles == ("udnie", "the-scream")


def test_the_command_makes_a_pack_that_passes_the_zoos_check(astronaut, tmp_path):
    command = [sys.executable, "-m", "stylezoo", "pack", "museum:udnie", "fuchun-mountains"]
    command += ["--preview", str(astronaut), "-o", str(tmp_path / "two"), "--version", "0.1.0"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'two'}: two 0.1.0\n"), done.stderr
    assert stylezoo.load(tmp_path / "two").styles == ("udnie", "fuchun-mountains")
    assert check_style_folder(tmp_path / "two").ok
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 1
    assert again.stderr.startswith("error: ")

"""Several paintings in one net: packs are trained, loaded, mixed and measured."""

import copy
import dataclasses
import functools
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

import stylezoo
from stylezoo.catalog import default_catalog
from stylezoo.errors import (
    InvalidSpecError,
    OptionError,
    PluginError,
    RecordError,
)
from stylezoo.registry.golden import golden_difference, golden_run
from stylezoo.registry.record_io import parse_record, read_record, render_record
from stylezoo.registry.verify import verify_files
from stylezoo.train.start import net_of_several
from stylezoo.train.style import TrainingFolders
from stylezoo.train.trainer import Trainer
from tests.catalogs import catalog_with
from tests.tiny_packs import COLORS, catalog_of, config, description, photo


def test_a_pack_holds_each_painting_and_their_mixtures(registry):
    pack = stylezoo.load("colours", catalog=catalog_of(registry))
    assert pack.styles == ("reds", "blues")
    red, blue = (pack(photo(), style=name) for name in pack.styles)
    assert red[..., 0].mean() > blue[..., 0].mean()
    assert red[..., 2].mean() < blue[..., 2].mean()
    half = pack(photo(), style={"reds": 2, "blues": 2})  # relative to their sum
    assert not np.array_equal(half, red)
    assert np.array_equal(half, pack(photo(), style={"reds": 0.5, "blues": 0.5}))
    assert np.array_equal(red, pack(photo(), style={"reds": 1.0, "blues": 0.0}))


def test_a_pack_is_copied_and_pickled(registry):
    pack = stylezoo.load("colours", catalog=catalog_of(registry))
    shares = {"reds": 0.3, "blues": 0.7}
    mixed = pack(photo(), style=shares)
    for again in (copy.deepcopy(pack), pickle.loads(pickle.dumps(pack))):
        assert np.array_equal(again(photo(), style=shares), mixed)


def test_a_style_of_a_pack_loads_by_its_spec(registry):
    catalog = catalog_of(registry)
    pack = stylezoo.load("colours", catalog=catalog)
    for spec, style in [
        ("colours:blues", "blues"),
        ("colours@1:blues", "blues"),
        (f"{registry}/colours/1.0.0:blues", "blues"),
        ("colours:reds=0.25,blues=0.75", {"reds": 0.25, "blues": 0.75}),
    ]:
        loaded = stylezoo.load(spec, catalog=catalog)
        assert np.array_equal(loaded(photo()), pack(photo(), style=style)), spec


def test_shares_count_in_proportion_however_large(registry):
    pack = stylezoo.load("colours", catalog=catalog_of(registry))
    huge = pack(photo(), style={"reds": 1e308, "blues": 1e308})
    assert np.array_equal(huge, pack(photo(), style={"reds": 0.5, "blues": 0.5}))


def test_mistakes_with_packs_are_named(registry):
    catalog = catalog_of(registry)
    pack = stylezoo.load("colours", catalog=catalog)
    with pytest.raises(OptionError, match=r"colours holds several styles; .*: reds, blues"):
        pack(photo())
    with pytest.raises(OptionError, match="colours has no style 'red'; it has: reds, blues"):
        stylezoo.load("colours:red", catalog=catalog)
    with pytest.raises(OptionError, match="the share of 'reds' is -1"):
        pack(photo(), style={"reds": -1, "blues": 2})
    with pytest.raises(OptionError, match=r"the share of 'reds' is '0\.5'"):
        pack(photo(), style={"reds": "0.5"})
    with pytest.raises(OptionError, match=r"the style is \['reds'\]; name one"):
        pack(photo(), style=["reds"])
    with pytest.raises(OptionError, match="have no record that names them"):
        stylezoo.load(registry / "colours" / "1.0.0" / "model.safetensors", catalog=catalog)
    with pytest.raises(OptionError, match="are all 0"):
        pack(photo(), style={"reds": 0})
    with pytest.raises(OptionError, match=r"greens is a single style, .* no style 'reds'; leave"):
        stylezoo.load("greens:reds", catalog=catalog)
    for spec in ("colours:", "colours:reds=", "colours:reds=x", "colours:reds,reds", "a:b:c"):
        with pytest.raises(InvalidSpecError):
            stylezoo.load(spec, catalog=catalog)


def test_records_of_packs_and_adapters_are_complete(registry):
    for name in ("colours", "greens"):
        folder = registry / name / "1.0.0"
        record = read_record(folder)
        verify_files(folder, record)
        assert parse_record(render_record(record), origin="test") == record
        style = stylezoo.load(name, catalog=catalog_of(registry))
        assert golden_difference(golden_run(style.net), folder, record) < 1e-4
    pack = read_record(registry / "colours" / "1.0.0")
    assert pack.style is None
    assert [style.name for style in pack.styles] == ["reds", "blues"]
    assert [style.painting for style in pack.styles] == [
        "paintings/reds.jpg",
        "paintings/blues.jpg",
    ]
    text = render_record(pack)
    for broken, message in [
        (
            text.replace('name = "blues"', 'name = "reds"'),
            r"styles\[1\].name: 'reds' is listed twice",
        ),
        (
            text.replace('painting = "paintings/reds.jpg"', 'painting = "other.jpg"'),
            r"styles\[0\].painting: 'other.jpg' is not a file with the role",
        ),
    ]:
        with pytest.raises(RecordError, match=message):
            parse_record(broken, origin="test")


def test_before_version_1_a_style_is_experimental(registry, material, tmp_path):
    early = dataclasses.replace(description("early", "blues"), version="0.9.0")
    trained = stylezoo.train_style(
        config(material, "blues", base="colours", only_norm=True, steps=0),
        early,
        TrainingFolders(output=tmp_path / "early"),
        catalog=catalog_of(registry),
    )
    assert trained.record.status == "experimental"
    assert read_record(registry / "colours" / "1.0.0").status == "stable"


def test_every_painting_has_its_turn(material):
    trainer = Trainer(config(material, "reds", "blues", "greens", batch_size=4), default_catalog())
    seen = []
    for step in range(3):
        trainer.step = step
        seen += trainer._styles_of_batch()
        assert all(abs(seen.count(a) - seen.count(b)) <= 1 for a in range(3) for b in range(3))
    assert [seen.count(style) for style in range(3)] == [4, 4, 4]


def test_a_batch_of_several_styles_is_judged_as_its_images_one_by_one(material):
    trainer = Trainer(config(material, "reds", "blues", batch_size=3), default_catalog())
    trainer.balance.weights = [3.0, 11.0]
    random = torch.Generator().manual_seed(0)
    photos, images = torch.rand(2, 3, 3, 32, 32, generator=random)
    styles = [0, 1, 1]
    expected = []
    for content, image, style in zip(photos, images, styles, strict=True):
        targets = trainer.objective.targets(content[None], "content")
        value = trainer.objective(
            image[None],
            {**trainer.style_targets[style], **targets},
            weights={"style": trainer.balance.weights[style]},
        )
        expected.append(value)
    found, _ = trainer._judge(images, photos, styles)
    mean = torch.stack([value.total for value in expected]).mean()
    torch.testing.assert_close(found.total, mean, rtol=1e-4, atol=0)
    for name, term in found.terms.items():
        mean = torch.stack([value.terms[name] for value in expected]).mean()
        torch.testing.assert_close(term, mean, rtol=1e-4, atol=1e-7)


def test_a_style_of_a_pack_is_measured_by_its_own_weight(registry, material, tmp_path):
    from stylezoo.evaluation.evaluate import objective_of

    catalog = catalog_of(registry)
    pack = stylezoo.load("colours:blues", catalog=catalog)
    weighed = [
        dataclasses.replace(style, style_weight=7.0) if style.name == "blues" else style
        for style in pack.record.styles
    ]
    pack.record = dataclasses.replace(pack.record, styles=tuple(weighed))
    weights = {term.name: term.weight for term in objective_of(pack).terms}
    assert weights["style"] == 7.0
    with pytest.raises(OptionError, match="colours holds several styles; evaluate one"):
        objective_of(stylezoo.load("colours", catalog=catalog))


def test_a_pack_is_named_after_its_folder(material, vgg_file, tmp_path):
    command = [sys.executable, "-m", "stylezoo", "train"]
    command += [f"{name}={material / name}.png" for name in COLORS]
    command += ["--photos", str(material / "photos"), "-o", str(tmp_path / "colours")]
    command += ["--backbone", "vgg16", "--backbone-weights", str(material / "vgg.safetensors")]
    command += ["--width", "4", "--steps", "1", "--batch-size", "1", "--crop-size", "32"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'colours'}: colours 1.0.0\n"), done
    record = read_record(tmp_path / "colours")
    assert [style.name for style in record.styles] == list(COLORS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class GlazeArguments:
    styles: int = 1
    variant: str = "thick"


class Glaze(stylezoo.MultiStyleNet):
    """A net without norms, with one colour per style."""

    Arguments = GlazeArguments
    stride = 1
    minimum_size = 4

    def __init__(self, arguments):
        super().__init__()
        self.arguments_ = arguments
        self.styles = arguments.styles
        self.mix = nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect")
        self.color = nn.Parameter(torch.rand(*((self.styles,) if self.styles > 1 else ()), 3))

    @property
    def arguments(self):
        return self.arguments_

    def forward(self, images, style=None):
        color = self.color if self.styles == 1 else style @ self.color
        styled = self.mix(images) + color[..., None, None]
        return styled if self.training else styled.clamp(0, 1)

    def blend(self, style):
        if self.styles == 1:
            return self
        one = Glaze(dataclasses.replace(self.arguments, styles=1))
        one.mix = self.mix
        one.color = nn.Parameter(self.color.new_tensor(style) @ self.color.detach())
        return one


@pytest.fixture
def glazing():
    """A catalog with the net ``glaze``."""
    return catalog_with("nets", "glaze", Glaze)


@pytest.mark.parametrize(
    ("net", "arguments"),
    [
        ("glaze", {"styles": 2}),
        ("local:glaze", {"styles": 2}),
        ("local:glaze:thin", {"styles": 2, "variant": "thin"}),
    ],
)
def test_a_net_without_norms_holds_several_paintings_too(
    glazing, net, arguments, material, tmp_path
):
    """Its record names it so that any installation finds it, however the config did."""
    own = {"net": net, "net_arguments": {}, "steps": 2}
    stylezoo.train_style(
        config(material, "reds", "blues", **own),
        description("glazes", "reds", "blues"),
        TrainingFolders(output=tmp_path / "glazes"),
        catalog=glazing,
    )
    pack = stylezoo.load(tmp_path / "glazes", catalog=glazing)
    assert dict(pack.record.net.arguments) == arguments
    assert (pack.record.net.name, pack.record.net.plugin) == ("glaze", "local")
    again = config(material, "blues", "reds", base=str(tmp_path / "glazes"))
    images, styles = torch.rand(2, 3, 32, 32), torch.eye(2)
    with torch.no_grad():
        found = Trainer(again, glazing).averaged_net()(images, styles)
        assert torch.allclose(found, pack.net(images, styles.flip(0)), atol=1e-6)


def test_a_net_whose_styles_cannot_be_stacked_is_named(glazing):
    one = Glaze(GlazeArguments())
    one.color = nn.Parameter(torch.rand(1, 3))
    message = r"color is \(2, 3\) in a Glaze of 2 styles, but \(1, 3\) in nets of one style"
    with pytest.raises(PluginError, match=message):
        net_of_several([one, one], functools.partial(glazing.create_net, "glaze"))

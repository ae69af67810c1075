"""Several paintings in one net: a pack is trained, loaded, mixed, added to and measured."""

import copy
import dataclasses
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import stylezoo
from stylezoo.catalog import Catalog, default_catalog
from stylezoo.check import check_style_folder
from stylezoo.errors import (
    CheckpointError,
    ComponentNotFoundError,
    IntegrityError,
    InvalidSpecError,
    OptionError,
    RecordError,
    StyleNotFoundError,
)
from stylezoo.registry.golden import golden_difference, golden_run
from stylezoo.registry.record import Licence, StyleImage
from stylezoo.registry.record_io import parse_record, read_record, render_record
from stylezoo.registry.verify import verify_files
from stylezoo.train.config import TrainingConfig
from stylezoo.train.description import PackDescription, StyleDescription
from stylezoo.train.pack import make_pack
from stylezoo.train.start import starting_net
from stylezoo.train.style import TrainingFolders
from stylezoo.train.trainer import Trainer

COLORS = {"reds": (0.9, 0.2, 0.1), "blues": (0.1, 0.2, 0.9)}


@pytest.fixture(scope="module")
def material(tmp_path_factory, astronaut):
    """Paintings that differ in colour and direction, and photos."""
    folder = tmp_path_factory.mktemp("pack-material")
    y, x = np.mgrid[0:96, 0:96] / 4
    waves = {"reds": np.sin(x), "blues": np.sin(y), "greens": np.sin(x + y)}
    colors = {**COLORS, "greens": (0.1, 0.8, 0.2)}
    for name, wave in waves.items():
        pixels = np.array(colors[name]) * (wave[..., None] / 4 + 0.75)
        Image.fromarray((pixels * 255).astype(np.uint8)).save(folder / f"{name}.png")
    photos = folder / "photos"
    photos.mkdir()
    with Image.open(astronaut) as photo:
        for number in range(4):
            photo.crop((90 * number, 0, 90 * number + 150, 200)).save(photos / f"{number}.jpg")
    return folder


def config(material, *names, **changes):
    options = {
        "style_images": {name: material / f"{name}.png" for name in names},
        "photos": material / "photos",
        "net_arguments": {"width": 4, "residual_blocks": 1},
        "backbone": "vgg16",
        "backbone_options": {"weights": "random", "seed": 0},
        "steps": 40,
        "batch_size": 2,
        "crop_sizes": (32,),
        "style_size": 64,
        "precision": "fp32",
        "style_weight": 20.0,
        "learning_rate": 0.02,
        "average_part": 0.05,
    }
    return TrainingConfig(**{**options, **changes})


def description(name, *styles):
    work = StyleImage(title="Waves", artist="numpy", year="2026", source="a formula")
    licence = Licence(weights="CC0-1.0", code="MIT", style_image="CC0-1.0", training_data="unknown")
    return StyleDescription(
        name=name,
        version="1.0.0",
        summary=name,
        tags=(),
        images=dict.fromkeys(styles, work),
        author="tests",
        data="one photo",
        licence=licence,
        command="none",
    )


@pytest.fixture(scope="module")
def registry(material, tmp_path_factory):
    """A folder source with a pack of two, and an adapter on it."""
    root = tmp_path_factory.mktemp("registry")
    stylezoo.train_style(
        config(material, "reds", "blues"),
        description("colours", "reds", "blues"),
        TrainingFolders(output=root / "colours" / "1.0.0"),
    )
    catalog = catalog_of(root)
    stylezoo.train_style(
        config(
            material,
            "greens",
            base="colours",
            only_norm=True,
            steps=80,
        ),
        description("greens", "greens"),
        TrainingFolders(output=root / "greens" / "1.0.0"),
        catalog=catalog,
    )
    return root


def catalog_of(root):
    """The installed plugins, and a source for a folder."""

    class Plugin:
        STYLEZOO_API = stylezoo.PLUGIN_API

        @stylezoo.hookimpl
        def register_sources(self, register):
            register("tests", lambda: stylezoo.FolderSource(root))

    catalog = Catalog.discover()
    catalog.add(Plugin(), "tests")
    return catalog


def photo():
    return np.random.default_rng(0).random((40, 48, 3)).astype(np.float32)


def test_a_pack_holds_each_painting_and_their_mixtures(registry):
    pack = stylezoo.load("colours", catalog=catalog_of(registry))
    assert pack.styles == ("reds", "blues")
    red, blue = (pack(photo(), style=name) for name in pack.styles)
    assert red[..., 0].mean() > blue[..., 0].mean()
    assert red[..., 2].mean() < blue[..., 2].mean()
    half = pack(photo(), style={"reds": 2, "blues": 2})  # shares count by their sum
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
    with pytest.raises(OptionError, match="colours holds no style 'red'; it holds: reds, blues"):
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
    with pytest.raises(OptionError, match="greens is one style and holds no 'reds'"):
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
        (text.replace('name = "blues"', 'name = "reds"'), r"styles\[1\].name: 'reds' stands twice"),
        (
            text.replace('painting = "paintings/reds.jpg"', 'painting = "other.jpg"'),
            r"styles\[0\].painting: 'other.jpg' is no file with the role",
        ),
    ]:
        with pytest.raises(RecordError, match=message):
            parse_record(broken, origin="test")


def test_an_adapter_holds_its_norms_alone_and_the_base_gives_the_rest(registry, material):
    base = load_file(registry / "colours" / "1.0.0" / "model.safetensors")
    own = load_file(registry / "greens" / "1.0.0" / "model.safetensors")
    assert set(own) == {name for name, tensor in base.items() if tensor.shape[:1] == (2,)}
    style = stylezoo.load("greens", catalog=catalog_of(registry))
    state = style.net.state_dict()
    for name, tensor in base.items():
        assert torch.equal(state[name], (own.get(name, tensor)).float()), name
    pack = stylezoo.load("colours", catalog=catalog_of(registry))
    # It learnt its painting, of which the mean of the others, its start, knows nothing.
    trainer = Trainer(config(material, "greens"), default_catalog())
    photos = trainer.crops.batch(0)

    def distance(net):
        targets = {**trainer.style_targets[0], **trainer.objective.targets(photos, "content")}
        with torch.no_grad():
            return trainer.objective(net(photos), targets).terms["style"].item()

    assert distance(style.net) < distance(pack.net.blend([0.5, 0.5]).eval())


def test_a_style_of_a_pack_gets_a_name_of_its_own_as_it_is(registry, material, tmp_path):
    catalog = catalog_of(registry)
    trained = stylezoo.train_style(
        config(
            material,
            "blues",
            base="colours",
            only_norm=True,
            steps=0,
            style_weight=None,
            content_weight=3.0,
            style_size=48,
            seed=9,
        ),
        description("my-blues", "blues"),
        TrainingFolders(output=tmp_path / "my-blues"),
        catalog=catalog,
    )
    pack = stylezoo.load("colours:blues", catalog=catalog)
    own = stylezoo.load(tmp_path / "my-blues", catalog=catalog)
    assert np.array_equal(own(photo()), pack(photo()))
    weights = {term.name: term.weight for term in trained.record.objective.terms}
    assert weights["style"] == pack.pack_style.style_weight == 20
    # It was trained as the pack was, whatever this training's options are.
    there, here = pack.record.training, trained.record.training
    assert (here.seed, here.data, here.style_size) == (there.seed, there.data, there.style_size)
    assert trained.record.objective == pack.record.objective.with_style_weight(20)
    assert [path.name for path in tmp_path.iterdir()] == ["my-blues"]
    with pytest.raises(OptionError, match="steps is 0; it must be 1 or more"):
        config(material, "blues", base="colours", steps=0)
    no_style = config(material, "greens", base="colours", only_norm=True, steps=0)
    with pytest.raises(OptionError, match=r"steps is 0, which takes .*; name one, as in colours"):
        starting_net(no_style, catalog)


def test_the_style_of_a_base_that_is_named_is_taken_whatever_the_paintings_name(registry, material):
    """Also its weight: it is what its picture is judged by."""
    catalog = catalog_of(registry)
    pack = stylezoo.load("colours", catalog=catalog)
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for only_norm in (True, False):
        changes = {"base": "colours:blues", "only_norm": only_norm, "style_weight": None}
        start = starting_net(config(material, "reds", **changes), catalog)
        with torch.no_grad():
            assert torch.equal(start.net.eval()(x), pack.net.blend((0.0, 1.0)).eval()(x))
        assert start.style_weights == (pack.record.styles[1].style_weight,)


def test_an_adapter_on_a_pack_that_has_no_name_is_refused_before_the_first_step(
    registry, material, tmp_path
):
    base = str(registry / "colours" / "1.0.0")
    with pytest.raises(OptionError, match=r"an adapter finds its base by name, .* registry first"):
        stylezoo.train_style(
            config(material, "greens", base=base, only_norm=True),
            description("greens", "greens"),
            TrainingFolders(output=tmp_path / "greens"),
        )
    assert list(tmp_path.iterdir()) == []


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


def test_an_adapter_without_its_base_says_so(registry, tmp_path):
    root = tmp_path / "registry"
    (root / "greens").mkdir(parents=True)
    (root / "greens" / "1.0.0").symlink_to(registry / "greens" / "1.0.0")
    with pytest.raises(
        StyleNotFoundError, match=r"greens builds on colours@==1.0.0, which is miss"
    ):
        stylezoo.load(registry / "greens" / "1.0.0", catalog=default_catalog())


@pytest.fixture
def shadow(material, tmp_path):
    """A folder with another pack of the name and version of the registry's."""
    stylezoo.train_style(
        config(material, "reds", "blues", steps=1, seed=5),
        description("colours", "reds", "blues"),
        TrainingFolders(output=tmp_path / "shadow" / "colours" / "1.0.0"),
    )
    return tmp_path / "shadow"


def test_an_adapter_refuses_another_base(registry, shadow, material, tmp_path):
    other = read_record(shadow / "colours" / "1.0.0").file("weights").sha256
    reason = f"which no source has; that of 'tests' {other}"
    with pytest.raises(IntegrityError, match=reason):
        stylezoo.load(registry / "greens" / "1.0.0", catalog=catalog_of(shadow))
    base = str(registry / "colours" / "1.0.0")
    with pytest.raises(OptionError, match=f"{reason}; .* give the pack a version that no source"):
        stylezoo.train_style(
            config(material, "greens", base=base, only_norm=True),
            description("greens", "greens"),
            TrainingFolders(output=tmp_path / "greens"),
            catalog=catalog_of(shadow),
        )


def test_an_adapter_finds_its_base_behind_another_of_its_name(
    registry, shadow, material, tmp_path, monkeypatch
):
    expected = stylezoo.load("greens", catalog=catalog_of(registry))
    monkeypatch.setenv("STYLEZOO_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.setenv("STYLEZOO_REGISTRIES", f"shadow={shadow},right={registry}")
    found = stylezoo.load("greens")
    assert np.array_equal(found(photo()), expected(photo()))
    alone = shutil.copytree(registry / "greens" / "1.0.0", tmp_path / "alone" / "greens")
    assert not [one for one in check_style_folder(alone).findings if one.severity == "error"]
    trained = stylezoo.train_style(
        config(
            material, "blues", base=str(registry / "colours" / "1.0.0"), only_norm=True, steps=0
        ),
        description("blues", "blues"),
        TrainingFolders(output=tmp_path / "blues"),
    )
    assert stylezoo.load(tmp_path / "blues").record == trained.record


def test_a_training_on_a_base_starts_from_it(registry, material):
    catalog = catalog_of(registry)
    pack = stylezoo.load("colours", catalog=catalog)
    again = Trainer(config(material, "blues", "greens", base="colours"), catalog)
    net = again.averaged_net()
    images = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(
            net(images, torch.tensor([[1.0, 0.0]])), pack.net(images, torch.tensor([[0.0, 1.0]]))
        )
        torch.testing.assert_close(
            net(images, torch.tensor([[0.0, 1.0]])), pack.net(images, torch.tensor([[0.5, 0.5]]))
        )
    assert not again.start.shared
    one = Trainer(config(material, "reds", base="colours"), catalog)
    assert all(parameter.requires_grad for parameter in one.net.parameters())
    with torch.no_grad():
        torch.testing.assert_close(
            one.averaged_net()(images), pack.net(images, torch.tensor([[1.0, 0.0]]))
        )


def test_a_wider_net_starts_as_the_base(registry, material):
    catalog = catalog_of(registry)
    pack = stylezoo.load("colours", catalog=catalog)
    wide = Trainer(config(material, "reds", "blues", base="colours", widen_to=6), catalog)
    assert wide.start.net_arguments["width"] == 6
    images, styles = torch.rand(2, 3, 32, 32), torch.eye(2)
    with torch.no_grad():
        found = wide.averaged_net()(images, styles)
        torch.testing.assert_close(found, pack.net(images, styles), rtol=1e-4, atol=1e-4)
    both = config(material, "reds", base="colours", widen_to=6, norm="instance-coloring")
    assert starting_net(both, catalog).net_arguments == {
        **wide.start.net_arguments,
        "norm": "instance-coloring",
        "styles": 1,
    }
    for changes in ({}, {"base": "colours", "only_norm": True}):
        with pytest.raises(OptionError, match="widen_to is for the net of a base"):
            config(material, "reds", widen_to=6, **changes)
    with pytest.raises(OptionError, match="width 4 cannot be widened to 4"):
        Trainer(config(material, "reds", base="colours", widen_to=4), catalog)


def test_an_adapter_with_norms_of_its_own_kind(registry, material, astronaut, tmp_path):
    catalog = catalog_of(registry)
    colored = {"base": "colours", "only_norm": True, "norm": "instance-coloring"}
    folder = tmp_path / "greens2"
    stylezoo.train_style(
        config(material, "greens", steps=5, **colored),
        description("greens2", "greens"),
        TrainingFolders(output=folder),
        catalog=catalog,
    )
    own = load_file(folder / "model.safetensors")
    assert {name.rpartition(".")[2] for name in own} == {"weight", "bias", "reads", "writes"}
    assert all(numbers.any() for name, numbers in own.items() if name.endswith("writes"))
    record = read_record(folder)
    assert (
        golden_difference(golden_run(stylezoo.load(folder, catalog=catalog).net), folder, record)
        < 1e-4
    )
    # Beside a style that has none, it becomes a part of a pack.
    specs = (str(folder), "colours:blues")
    make_pack(specs, MIXED, tmp_path / "mixed", preview=astronaut, catalog=catalog)
    pack = stylezoo.load(tmp_path / "mixed", runtime="torch", catalog=catalog)
    for spec, name in zip(specs, pack.styles, strict=True):
        alone = stylezoo.load(spec, runtime="torch", catalog=catalog)
        # Rounded to eight bits here and there, as sums are taken in another order.
        assert np.abs(pack(photo(), style=name) - alone(photo())).max() < 1e-4, name
    # Mixed matrices are of a higher rank than a norm learns: it starts from one style.
    start = starting_net(config(material, "greens", base=str(tmp_path / "mixed")), catalog)
    assert start.shares == ((1.0, 0.0),)
    fresh = catalog.create_net(start.net_name, **start.net_arguments)
    fresh.load_state_dict(start.net.state_dict())
    as_it_is = starting_net(config(material, "blues", steps=0, **colored), catalog)
    assert as_it_is.net_arguments["norm"] == "instance"
    with pytest.raises(OptionError, match="norm is for the net of a base"):
        config(material, "reds", norm="instance-coloring")
    with pytest.raises(ComponentNotFoundError, match="did you mean 'instance-coloring'"):
        starting_net(config(material, "greens", **{**colored, "norm": "instance-color"}), catalog)


def test_what_cannot_be_a_base_is_refused(registry, material):
    with pytest.raises(OptionError, match="only_norm trains one painting on a base"):
        config(material, "reds", "blues", base="colours", only_norm=True)
    with pytest.raises(OptionError, match="only_norm trains one painting on a base"):
        config(material, "reds", only_norm=True)
    with pytest.raises(OptionError, match="conditional by itself: give 'instance'"):
        starting_net(
            config(material, "reds", base="colours", norm="conditional-instance"),
            catalog_of(registry),
        )
    with pytest.raises(OptionError, match="great-wave holds one style and shares nothing"):
        Trainer(config(material, "reds", base="great-wave", only_norm=True), default_catalog())


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
    for photo, image, style in zip(photos, images, styles, strict=True):
        targets = trainer.objective.targets(photo[None], "content")
        value = trainer.objective(
            image[None],
            {**trainer.style_targets[style], **targets},
            weights={"style": trainer.balance.weights[style]},
        )
        expected.append(value)
    found = trainer._judge(images, photos, styles)
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


MIXED = PackDescription(
    name="mixed", version="1.0.0", summary="Mixed", tags=("pack",), author="tests", command="none"
)


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
    # All who made a part of it are named.
    for spec in specs:
        origin = stylezoo.load(spec, catalog=catalog).record
        credit = f"of {origin.name} 1.0.0, by {origin.provenance.author}. {origin.provenance.notes}"
        assert credit.strip() in record.provenance.notes
        assert origin.training.data in record.training.data
    assert {style.painting for style in record.styles} == {
        "paintings/greens.jpg",
        "paintings/blues.jpg",
    }
    painting = "paintings/blues.jpg"  # not coded anew: quality was measured with these pixels
    theirs = registry / "colours" / "1.0.0" / painting
    assert (tmp_path / "mixed" / painting).read_bytes() == theirs.read_bytes()
    theirs = read_record(registry / "colours" / "1.0.0").styles[1]
    assert record.styles[1] == theirs
    assert record.base is None  # it needs nothing beside itself
    assert "greens, of greens 1.0.0" in record.training.recipe
    assert record.training.style_size == 64  # that of all its trainings


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


@pytest.fixture
def newer(registry, material, tmp_path):
    """The registry, which has a later version of the pack too, with other weights."""
    root = shutil.copytree(registry, tmp_path / "newer")
    stylezoo.train_style(
        config(material, "reds", "blues", steps=1, seed=1),
        dataclasses.replace(description("colours", "reds", "blues"), version="2.0.0"),
        TrainingFolders(output=root / "colours" / "2.0.0"),
    )
    return root


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


def test_a_training_on_an_older_version_of_its_base_says_how_to_resume(
    registry, newer, material, tmp_path
):
    path = tmp_path / "checkpoint.pt"
    of_pack = {"base": "colours:blues", "only_norm": True}
    Trainer(config(material, "greens", **of_pack), catalog_of(registry)).save(path)
    resumed = Trainer(config(material, "greens", **of_pack), catalog_of(newer))
    with pytest.raises(
        CheckpointError, match=r"is colours 2\.0\.0 now; .* --base colours@VERSION:blues"
    ):
        resumed.resume(path)
    of_pack["base"] = "colours@1.0.0:blues"
    Trainer(config(material, "greens", **of_pack), catalog_of(newer)).resume(path)
    other = Trainer(config(material, "greens", **of_pack, seed=9), catalog_of(newer))
    with pytest.raises(CheckpointError, match="give the same ones to resume, or delete it"):
        other.resume(path)


def test_a_style_that_is_trained_on_starts_from_its_weight(registry, material, tmp_path):
    catalog = catalog_of(registry)
    stylezoo.train_style(
        config(material, "blues", base="colours:blues", steps=1, style_weight=7.0),
        description("blues", "blues"),
        TrainingFolders(output=tmp_path / "blues"),
        catalog=catalog,
    )
    for painting, weight in (("blues", 7.0), ("greens", None)):
        again = config(material, painting, base=str(tmp_path / "blues"), style_weight=None)
        assert starting_net(again, catalog).style_weights == (weight,)


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

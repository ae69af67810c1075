"""Adapters: styles that hold only norms and find their base by its hash."""

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import stylezoo
from stylezoo.catalog import default_catalog
from stylezoo.check import check_style_folder
from stylezoo.errors import (
    ComponentNotFoundError,
    IntegrityError,
    OptionError,
    StyleNotFoundError,
    WeightsError,
)
from stylezoo.registry.golden import golden_difference, golden_run
from stylezoo.registry.record_io import read_record
from stylezoo.train.pack import make_pack
from stylezoo.train.start import starting_net
from stylezoo.train.style import TrainingFolders
from stylezoo.train.trainer import Trainer
from tests.tiny_packs import MIXED, catalog_of, config, description, photo


def test_an_adapter_holds_its_norms_alone_and_the_base_gives_the_rest(registry, material):
    base = load_file(registry / "colours" / "1.0.0" / "model.safetensors")
    own = load_file(registry / "greens" / "1.0.0" / "model.safetensors")
    assert set(own) == {name for name, tensor in base.items() if tensor.shape[:1] == (2,)}
    style = stylezoo.load("greens", catalog=catalog_of(registry))
    state = style.net.state_dict()
    for name, tensor in base.items():
        assert torch.equal(state[name], (own.get(name, tensor)).float()), name
    pack = stylezoo.load("colours", catalog=catalog_of(registry))
    # It learnt its painting, unknown to the mean of the others, from which it started.
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
            style_weight=7.0,
            content_weight=3.0,
            style_size=48,
            seed=9,
            batch_size=5,  # of which there are too few photos, and one is enough
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
    # The record gives the pack's training, not this one's options.
    there, here = pack.record.training, trained.record.training
    assert (here.seed, here.data, here.style_size) == (there.seed, there.data, there.style_size)
    assert trained.record.objective == pack.record.objective.with_style_weight(20)
    assert [path.name for path in tmp_path.iterdir()] == ["my-blues"]
    with pytest.raises(OptionError, match="steps is 0; it must be 1 or more"):
        config(material, "blues", base="colours", steps=0)
    no_style = config(material, "greens", base="colours", only_norm=True, steps=0)
    with pytest.raises(OptionError, match=r"steps is 0, which takes .*; name one, as in colours"):
        starting_net(no_style, catalog)


def test_a_style_that_is_taken_as_it_is_is_measured_by_the_painting_it_was_trained_on(
    registry, material, tmp_path
):
    """At its training size, which is 64 px in the pack, and not at this config's."""
    catalog = catalog_of(registry)
    held_out = tmp_path / "held-out"
    held_out.mkdir()
    shutil.copy(material / "photos" / "0.jpg", held_out)
    evaluation = stylezoo.EvaluationConfig(sizes=(48,), curves=1, limit=1, device="cpu")
    trained = stylezoo.train_style(
        config(material, "blues", base="colours", only_norm=True, steps=0, style_size=32),
        description("blues", "blues"),
        TrainingFolders(output=tmp_path / "blues", held_out=held_out),
        evaluation=evaluation,
        catalog=catalog,
    )
    own = stylezoo.load(tmp_path / "blues", catalog=catalog)
    painting = stylezoo.open_photo(material / "blues.png").resized(64)
    again = stylezoo.evaluate_style(
        own, held_out, painting, evaluation, command="", catalog=catalog
    )
    (measured,), (expected,) = trained.record.quality.sizes, again.quality.sizes
    assert measured.terms == expected.terms


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


def test_an_adapter_without_its_base_says_so(registry, tmp_path):
    root = tmp_path / "registry"
    (root / "greens").mkdir(parents=True)
    (root / "greens" / "1.0.0").symlink_to(registry / "greens" / "1.0.0")
    with pytest.raises(
        StyleNotFoundError, match=r"greens builds on colours@1\.0\.0, which is miss"
    ):
        stylezoo.load(registry / "greens" / "1.0.0", catalog=default_catalog())


def test_the_weights_of_an_adapter_alone_name_its_folder(registry):
    folder = registry / "greens" / "1.0.0"
    with pytest.raises(
        WeightsError, match=f"lacks the tensors .* to load the whole style: {folder}"
    ):
        stylezoo.load(folder / "model.safetensors")


def test_an_adapter_refuses_another_base(registry, shadow, material, tmp_path):
    other = read_record(shadow / "colours" / "1.0.0").file("weights").sha256
    reason = f"which no source has; the one from 'tests' has {other}"
    with pytest.raises(IntegrityError, match=reason):
        stylezoo.load(registry / "greens" / "1.0.0", catalog=catalog_of(shadow))
    base = str(registry / "colours" / "1.0.0")
    with pytest.raises(OptionError, match=f"{reason}; .* give it a version that no source"):
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
    # It can be packed with a style that has no colouring.
    specs = (str(folder), "colours:blues")
    make_pack(specs, MIXED, tmp_path / "mixed", preview=astronaut, catalog=catalog)
    pack = stylezoo.load(tmp_path / "mixed", runtime="torch", catalog=catalog)
    for spec, name in zip(specs, pack.styles, strict=True):
        alone = stylezoo.load(spec, runtime="torch", catalog=catalog)
        # Summation order may change the rounding to eight bits in places.
        assert np.abs(pack(photo(), style=name) - alone(photo())).max() < 1e-4, name
    # Mixed matrices exceed the rank that a norm learns, so it starts from one style.
    start = starting_net(config(material, "greens", base=str(tmp_path / "mixed")), catalog)
    assert start.shares == ((1.0, 0.0),)
    fresh = catalog.create_net(start.net_name, **start.net_arguments)
    fresh.load_state_dict(start.net.state_dict())
    as_it_is = starting_net(config(material, "blues", steps=0, **colored), catalog)
    assert as_it_is.net_arguments["norm"] == "instance"
    with pytest.raises(OptionError, match="norm needs a base; name a base"):
        config(material, "reds", norm="instance-coloring")
    with pytest.raises(ComponentNotFoundError, match="did you mean 'instance-coloring'"):
        starting_net(config(material, "greens", **{**colored, "norm": "instance-color"}), catalog)

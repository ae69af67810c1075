"""Training from a base: which of its styles it starts from, and what cannot be a base."""

import pytest
import torch

import stylezoo
from stylezoo.catalog import default_catalog
from stylezoo.errors import (
    CheckpointError,
    OptionError,
)
from stylezoo.train.start import starting_net
from stylezoo.train.style import TrainingFolders
from stylezoo.train.trainer import Trainer
from tests.tiny_packs import catalog_of, config, description


def test_the_style_of_a_base_that_is_named_is_taken_whatever_the_paintings_name(registry, material):
    """So is the weight that its picture is judged by."""
    catalog = catalog_of(registry)
    pack = stylezoo.load("colours", catalog=catalog)
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for only_norm in (True, False):
        changes = {"base": "colours:blues", "only_norm": only_norm, "style_weight": None}
        start = starting_net(config(material, "reds", **changes), catalog)
        with torch.no_grad():
            assert torch.equal(start.net.eval()(x), pack.net.blend((0.0, 1.0)).eval()(x))
        assert start.style_weights == (pack.record.styles[1].style_weight,)


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
        with pytest.raises(OptionError, match="widen_to needs a base whose whole net is trained"):
            config(material, "reds", widen_to=6, **changes)
    with pytest.raises(OptionError, match="width 4 cannot be widened to 4"):
        Trainer(config(material, "reds", base="colours", widen_to=4), catalog)


def test_what_cannot_be_a_base_is_refused(registry, material):
    with pytest.raises(OptionError, match="only_norm trains one painting on a base"):
        config(material, "reds", "blues", base="colours", only_norm=True)
    with pytest.raises(OptionError, match="only_norm trains one painting on a base"):
        config(material, "reds", only_norm=True)
    conditional = {"norm": "conditional-instance"}
    fresh = {"net_arguments": {"width": 4, **conditional}}
    for changes in ({"base": "colours", **conditional}, fresh):
        with pytest.raises(OptionError, match="conditional by itself: give 'instance'"):
            starting_net(config(material, "reds", "blues", **changes), catalog_of(registry))
    with pytest.raises(OptionError, match="great-wave holds one style and shares nothing"):
        Trainer(config(material, "reds", base="great-wave", only_norm=True), default_catalog())
    with pytest.raises(OptionError, match=r"greens is itself an adapter; .* colours@1\.0\.0"):
        Trainer(config(material, "reds", base="greens", only_norm=True), catalog_of(registry))


def test_a_fresh_net_of_several_styles_has_the_norm_that_is_named(material):
    """As one on a base does: the norms of several styles are conditional by themselves."""
    arguments = {"width": 4, "residual_blocks": 1, "norm": "instance-coloring"}
    fresh = config(material, "reds", "blues", net_arguments=arguments)
    start = starting_net(fresh, default_catalog())
    assert start.net_arguments["norm"] == "conditional-instance-coloring"
    assert start.net.styles == 2


def test_a_mixture_that_no_norms_of_one_style_hold_is_no_start(
    registry, material, astronaut, tmp_path
):
    """Mixing adds up the ranks of colorings, so the base's first style was once taken instead."""
    catalog = catalog_of(registry)
    colored = {"base": "colours", "norm": "instance-coloring", "steps": 1}
    stylezoo.train_style(
        config(material, "reds", "blues", **colored),
        description("colored", "reds", "blues"),
        TrainingFolders(output=tmp_path / "colored"),
        catalog=catalog,
    )
    base = str(tmp_path / "colored")
    mixed = {"base": f"{base}:reds=0.4,blues=0.6"}
    for changes in ({}, {"only_norm": True}):
        with pytest.raises(OptionError, match=r"cannot be mixed .*; name one .* colored:reds"):
            starting_net(config(material, "greens", **mixed, **changes), catalog)
    as_it_is = {"only_norm": True, "steps": 0}
    for spec in (base, *mixed.values()):
        with pytest.raises(OptionError, match=r"steps is 0, which takes .*; name one"):
            starting_net(config(material, "greens", base=spec, **as_it_is), catalog)
    # Nobody asked for the mean of all, which only stands in for a namesake.
    assert starting_net(config(material, "greens", base=base), catalog).shares == ((1.0, 0.0),)


def test_a_training_on_an_older_version_of_its_base_says_how_to_resume(
    registry, newer, material, tmp_path
):
    path = tmp_path / "checkpoint"
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
    # In another objective, the same number would mean another style.
    other = config(material, "blues", base=str(tmp_path / "blues"), content_weight=2.0)
    assert starting_net(other, catalog).style_weights == (None,)

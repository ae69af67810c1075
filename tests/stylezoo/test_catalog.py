"""The catalog: what it does with plugins that work, fail, clash and lie."""

import shutil
import sys
import types

import pytest

from stylezoo import FolderSource, hookimpl
from stylezoo.catalog import Catalog, PluginWarning
from stylezoo.errors import (
    ComponentNotFoundError,
    OptionError,
    PluginConflictError,
    PluginError,
)
from stylezoo.registry.listing import RecordWarning, list_styles


def plugin_with(hook, body, **attributes):
    """A plugin module that implements one hook."""
    module = types.ModuleType("outside_plugin")
    setattr(module, hook, hookimpl(body, specname=None))
    getattr(module, hook).__name__ = hook
    for name, value in attributes.items():
        setattr(module, name, value)
    return module


def losses(*registrations, **attributes):
    def register_losses(register):
        for name, target in registrations:
            register(name, target, summary="from outside")

    return plugin_with("register_losses", register_losses, **attributes)


def write_distribution(folder, name, entry_points, modules):
    """Lay out an installed distribution: what importlib.metadata reads."""
    for module, text in modules.items():
        (folder / f"{module}.py").write_text(text)
    info = folder / f"{name.replace('-', '_')}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    lines = "".join(f"{key} = {value}\n" for key, value in entry_points.items())
    (info / "entry_points.txt").write_text(f"[stylezoo]\n{lines}")


GOOD = """
import stylezoo
@stylezoo.hookimpl
def register_losses(register):
    register("mine", "good_plugin:make", summary="a loss from outside")
def make():
    return "made"
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    yield lambda *args: write_distribution(tmp_path, *args)
    for name in ("good_plugin", "bad_plugin", "exiting_plugin", "second_plugin"):
        sys.modules.pop(name, None)


def test_first_party_plugins_come_through_the_entry_points():
    catalog = Catalog.discover()
    ours = [plugin for plugin in catalog.plugins if plugin.distribution == "stylezoo"]
    assert {plugin.name for plugin in ours} == {
        "vgg",
        "torchvision",
        "losses",
        "norms",
        "johnson",
        "torch",
        "styles",
    }
    assert {plugin.status for plugin in ours} == {"ok"}


@pytest.mark.filterwarnings("ignore:plugin 'exits':stylezoo.catalog.PluginWarning")
def test_installed_plugin_is_found_and_failing_ones_are_kept_with_their_errors(installed):
    installed("stylezoo-good", {"good": "good_plugin"}, {"good_plugin": GOOD})
    installed("stylezoo-bad", {"bad": "bad_plugin"}, {"bad_plugin": "1 / 0"})
    installed(
        "stylezoo-exits", {"exits": "exiting_plugin"}, {"exiting_plugin": "raise SystemExit(3)"}
    )
    with pytest.warns(PluginWarning, match=r"'bad' of stylezoo-bad 1\.2"):
        catalog = Catalog.discover()
    health = {plugin.name: plugin for plugin in catalog.plugins}
    assert health["good"].status == "ok"
    assert health["bad"].status == health["exits"].status == "failed"
    assert health["bad"].error == "ZeroDivisionError: division by zero"
    assert health["exits"].distribution == "stylezoo-exits"
    assert catalog.get("loss", "mine")() == "made"


@pytest.mark.parametrize("value", ["good", "stylezoo-good", "x, good", "1", "all"])
def test_disabled_plugin_is_not_imported(installed, monkeypatch, value):
    installed("stylezoo-good", {"good": "good_plugin"}, {"good_plugin": GOOD})
    monkeypatch.setenv("STYLEZOO_DISABLE_PLUGINS", value)
    catalog = Catalog.discover()
    health = {plugin.name: plugin.status for plugin in catalog.plugins}
    assert health["good"] == "disabled"
    assert health["vgg"] == "ok"
    assert "good_plugin" not in sys.modules


def test_two_claims_on_a_name_are_an_error_that_names_both_and_says_how_to_choose():
    catalog = Catalog()
    catalog.add(losses(("mine", lambda: 1)), "a", distribution="dist-a")
    catalog.add(losses(("mine", lambda: 2)), "b", distribution="dist-b")
    with pytest.raises(PluginConflictError, match=r"dist-a .* and dist-b .*'dist-b:mine'"):
        catalog.get("loss", "mine")
    assert catalog.create_loss("dist-a:mine") == 1
    assert catalog.create_loss("dist-b:mine") == 2


def family(*, variant, size=1):
    return variant, size


def test_a_family_is_made_with_the_variant_that_its_name_says():
    catalog = Catalog()
    catalog.add(losses(("many", family)), "a", distribution="dist-a")
    assert catalog.create_loss("many:small", size=2) == ("small", 2)
    assert catalog.create_loss("dist-a:many:small") == ("small", 1)
    assert catalog.create_loss("many", variant="small") == ("small", 1)
    assert catalog.find("loss", "many:small") is catalog.find("loss", "many")


def test_an_exact_name_comes_before_a_variant():
    catalog = Catalog()
    catalog.add(losses(("many", family)), "a", distribution="dist-a")
    catalog.add(losses(("exact", lambda: "exact")), "b", distribution="many")
    assert catalog.create_loss("many:exact") == "exact"
    assert catalog.create_loss("many:other") == ("other", 1)


def test_a_family_that_two_plugins_claim_is_an_error_that_says_how_to_choose():
    catalog = Catalog()
    catalog.add(losses(("many", family)), "a", distribution="dist-a")
    catalog.add(losses(("many", family)), "b", distribution="dist-b")
    with pytest.raises(PluginConflictError, match=r"'many' is claimed.*'dist-b:many'"):
        catalog.create_loss("many:small")
    assert catalog.create_loss("dist-b:many:small") == ("small", 1)


def test_a_variant_that_cannot_be_is_explained():
    catalog = Catalog()
    catalog.add(losses(("many", family), ("one", lambda *, size=1: size)), "a")
    with pytest.raises(OptionError, match=r"'one:small'.*'variant'; its options: size"):
        catalog.create_loss("one:small")
    with pytest.raises(OptionError, match=r"'many:small' says its variant.*variant='large'"):
        catalog.create_loss("many:small", variant="large")
    with pytest.raises(OptionError, match=r"missing a required.*'variant'"):
        catalog.create_loss("many")
    for name in ("many:", "other:small", "many:small:large"):
        with pytest.raises(ComponentNotFoundError):
            catalog.create_loss(name)


def test_what_takes_no_options_has_no_variants():
    with pytest.raises(ComponentNotFoundError):
        Catalog.discover().get_norm("batch:small")


def test_two_distributions_may_use_one_plugin_name():
    catalog = Catalog()
    catalog.add(losses(("one", lambda: 1)), "same", distribution="dist-a")
    catalog.add(losses(("two", lambda: 2)), "same", distribution="dist-b")
    assert [plugin.status for plugin in catalog.plugins] == ["ok", "ok"]


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ((2, 0), "wants plugin API 2.0, this is 1.0; upgrade stylezoo"),
        ((1, 1), "wants plugin API 1.1, this is 1.0; upgrade stylezoo"),
        ((0, 9), "wants plugin API 0.9, this is 1.0; upgrade the plugin"),
        ("1.0", "not a pair of integers"),
    ],
)
def test_other_api_version_is_refused(declared, reason):
    catalog = Catalog()
    with pytest.warns(PluginWarning):
        info = catalog.add(losses(("mine", lambda: 1), STYLEZOO_API=declared), "a")
    assert info.status == "failed"
    assert reason in info.error
    assert catalog.components("loss") == []


@pytest.mark.parametrize(
    ("registrations", "reason"),
    [
        ([("ok", lambda: 1), ("bad name", lambda: 1)], "'bad name'"),
        ([("ok", lambda: 1), ("", lambda: 1)], "''"),
        ([("ok", lambda: 1), ("ok", lambda: 2)], "'ok' twice"),
        ([("ok", lambda: 1), ("other", 3)], "which is no callable"),
        ([("ok", lambda: 1), ("other", "os.system")], "'package.module:attribute'"),
        ([("ok", lambda: 1), ("other", "a b:c")], "'package.module:attribute'"),
    ],
)
def test_plugin_that_registers_wrongly_registers_nothing(registrations, reason):
    catalog = Catalog()
    with pytest.warns(PluginWarning):
        info = catalog.add(losses(*registrations), "a")
    assert reason in info.error
    assert catalog.components("loss") == []


def test_misspelt_hook_is_reported_with_the_one_that_was_meant():
    with pytest.warns(PluginWarning):
        info = Catalog().add(plugin_with("register_loses", lambda register: None), "a")
    assert "'register_loses', which does not exist (did you mean 'register_losses'?)" in info.error


def test_hook_with_an_unknown_argument_is_reported():
    with pytest.warns(PluginWarning):
        info = Catalog().add(plugin_with("register_losses", lambda register, torch: None), "a")
    assert "torch" in info.error


def test_unknown_name_is_answered_with_a_near_one():
    with pytest.raises(ComponentNotFoundError, match=r"'vgg91' \(did you mean 'vgg19'\?\)"):
        Catalog.discover().get("backbone", "vgg91")


def test_target_that_cannot_be_imported_names_the_distribution_to_reinstall():
    catalog = Catalog()
    catalog.add(losses(("mine", "no_such_module:Loss")), "a", distribution="dist-a")
    with pytest.raises(PluginError, match="reinstall dist-a"):
        catalog.get("loss", "mine")


def test_a_source_that_fails_leaves_the_others(tmp_path):
    def register_sources(register):
        register("broken", lambda: 1 / 0)
        register("good", lambda: FolderSource(tmp_path))

    catalog = Catalog()
    catalog.add(plugin_with("register_sources", register_sources), "a")
    with pytest.warns(PluginWarning, match=r"'local:broken' is left out: division by zero"):
        assert list(catalog.sources()) == ["good"]


def test_a_record_that_breaks_the_format_leaves_the_others_listed(tmp_path, toy_style):
    for name in ("toy", "zap"):
        shutil.copytree(toy_style, tmp_path / name / "1.0.0")  # zap's record says toy
    catalog = Catalog()
    plugin = plugin_with(
        "register_sources", lambda register: register("folder", lambda: FolderSource(tmp_path))
    )
    catalog.add(plugin, "a")
    with pytest.warns(RecordWarning, match=r"name: it is 'toy' in a folder for 'zap'"):
        assert [record.name for record in list_styles(catalog)] == ["toy"]


def test_unknown_option_is_answered_with_the_known_ones():
    catalog = Catalog.discover()
    with pytest.raises(OptionError, match=r"widht.*width, residual_blocks, norm"):
        catalog.create_net("johnson", widht=8)
    with pytest.raises(OptionError, match=r"layer.*layers, layer_weights, normalization"):
        catalog.create_loss("gram", layer="relu1_1")

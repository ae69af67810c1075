"""The catalog with plugins that work, fail, clash and lie."""

import importlib
import shutil
import subprocess
import sys
import types

import pytest
import torch

import stylezoo
from stylezoo import FolderSource, RegistryConfig, RegistrySource, hookimpl, load
from stylezoo.catalog import Catalog
from stylezoo.errors import (
    ComponentNotFoundError,
    OptionError,
    PluginConflictError,
    PluginError,
    UnavailableError,
)
from stylezoo.interfaces.source import SourceWarning
from stylezoo.plugin_loader import PluginWarning
from stylezoo.registry.listing import RecordWarning, list_styles
from stylezoo.registry.resolve import resolve
from stylezoo.registry.sources import all_sources
from stylezoo.registry.spec import StyleSpec


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
        "importers",
    }
    assert {plugin.status for plugin in ours} == {"ok"}


@pytest.mark.filterwarnings("ignore:plugin 'exits':stylezoo.plugin_loader.PluginWarning")
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
    with pytest.raises(
        OptionError, match=r"no loss 'one:small': 'one' has no variants; write 'one'"
    ):
        catalog.create_loss("one:small")
    with pytest.raises(OptionError, match=r"'many:small' names a variant.*variant='large'"):
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
        ((2, 0), "needs plugin API 2.0, but this is 1.0; upgrade stylezoo"),
        ((1, 1), "needs plugin API 1.1, but this is 1.0; upgrade stylezoo"),
        ((0, 9), "needs plugin API 0.9, but this is 1.0; upgrade the plugin"),
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
        ([("ok", lambda: 1), ("other", 3)], "which is not callable"),
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


def test_a_source_that_fails_when_it_is_asked_leaves_the_others(tmp_path, toy_style):
    class Rude(RegistrySource):
        """A source that fails in every rude way."""

        location, record, folder, names = "nowhere", None, None, None

        def versions(self, name):
            raise SystemExit("leaving")

        def refresh(self):
            raise RuntimeError("no network here")

        def local_versions(self, name):
            return ["1.0.0"]

    shutil.copytree(toy_style, tmp_path / "toy" / "1.0.0")

    def register_sources(register):
        register("rude", Rude)
        register("none", lambda: None)
        register("good", lambda: FolderSource(tmp_path))

    catalog = Catalog()
    catalog.add(plugin_with("register_sources", register_sources), "a")
    with pytest.warns(PluginWarning, match="'local:none' is left out: it is a NoneType, not a"):
        sources = all_sources(catalog)
    with pytest.warns(SourceWarning, match="'rude' failed: SystemExit: leaving; report it"):
        assert resolve(StyleSpec.parse("toy"), sources).source == "good"
    with pytest.raises(UnavailableError, match="'rude' failed: RuntimeError: no network here"):
        sources["rude"].refresh()
    with pytest.raises(UnavailableError, match=r"'1\.0\.0' is not a packaging"):
        sources["rude"].local_versions("toy")


def test_a_registry_of_a_plugin_takes_no_name_that_is_there(tmp_path):
    def register_registries(register):
        register("embedded", RegistryConfig(location=str(tmp_path)))

    catalog = Catalog.discover()
    catalog.add(plugin_with("register_registries", register_registries), "a", distribution="odd")
    names = list(all_sources(catalog))
    assert names[:2] == ["embedded", "odd:embedded"]
    assert "great-wave" in all_sources(catalog)["embedded"].names()


def test_a_module_without_a_constructor_takes_no_options():
    class Plain(torch.nn.Module):
        pass

    catalog = Catalog()
    catalog.add(losses(("plain", Plain)), "a")
    with pytest.raises(OptionError, match=r"loss 'plain': .*'foo'; its options: none"):
        catalog.create_loss("plain", foo=1)
    with pytest.raises(OptionError, match="'plain' has no variants; write 'plain'"):
        catalog.create_loss("plain:b")


def test_a_style_takes_the_net_of_the_plugin_that_its_record_names(toy_style):
    def register_nets(register):
        register("johnson", lambda: 1 / 0)

    catalog = Catalog.discover()
    catalog.add(plugin_with("register_nets", register_nets), "a", distribution="odd")
    assert type(load(toy_style, catalog=catalog).net).__name__ == "Johnson"


def test_a_summary_that_is_no_text_is_refused():
    def register_losses(register):
        register("mine", lambda: 1, summary=5)

    with pytest.warns(PluginWarning):
        info = Catalog().add(plugin_with("register_losses", register_losses), "a")
    assert "registers the loss 'mine' with the summary 5, which is not a string" in info.error


def test_what_registers_takes_the_documented_names_and_no_others():
    def register_losses(register):
        register(name="mine", target=lambda: "made", summary="a loss")

    def register_others(register):
        register("mine", lambda: 1, kind="net")

    catalog = Catalog()
    info = catalog.add(plugin_with("register_losses", register_losses), "a")
    assert info.error is None
    assert catalog.create_loss("mine") == "made"
    with pytest.warns(PluginWarning):
        info = Catalog().add(plugin_with("register_losses", register_others), "a")
    assert "unexpected keyword argument 'kind'" in info.error


def test_only_a_module_that_can_be_imported_has_a_name_when_added(installed):
    installed("stylezoo-good", {"good": "good_plugin"}, {"good_plugin": GOOD})
    assert Catalog().add(importlib.import_module("good_plugin"), "a").module == "good_plugin"
    assert not Catalog().add(losses(("mine", lambda: 1)), "a").module


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


@pytest.mark.parametrize("option", ["name", "self"])
def test_an_option_may_be_called_anything(option, toy_style, tmp_path):
    catalog = Catalog.discover()
    catalog.add(losses(("any", lambda **options: options)), "a")
    assert catalog.create_loss("any", **{option: 1}) == {option: 1}
    for create, name in (
        (stylezoo.create_backbone, "vgg19"),
        (stylezoo.create_loss, "gram"),
        (stylezoo.create_net, "johnson"),
    ):
        with pytest.raises(OptionError, match=f"unexpected keyword argument '{option}'"):
            create(name, **{option: 1})
    folder = shutil.copytree(toy_style, tmp_path / "toy")
    record = (folder / "style.toml").read_text()
    lines = f"[net.arguments]\n{option} = 1\n"
    (folder / "style.toml").write_text(record.replace("[net.arguments]\n", lines))
    with pytest.raises(OptionError, match=f"unexpected keyword argument '{option}'"):
        load(folder)


class Outside:
    """Stands in for whatever a target makes."""

    location = "somewhere"


@pytest.mark.parametrize(
    ("hook", "kind"),
    [
        ("register_backbones", "backbone"),
        ("register_losses", "loss"),
        ("register_nets", "net"),
        ("register_norms", "norm"),
        ("register_runtimes", "runtime"),
        ("register_sources", "source"),
        ("register_registries", "registry"),
        ("register_importers", "importer"),
        ("register_commands", "command"),
        ("register_callbacks", "callback"),
    ],
)
def test_every_hook_is_registered_from_outside_and_found_by_name(installed, hook, kind):
    code = f"""
import stylezoo
@stylezoo.hookimpl
def {hook}(register):
    register("mine", "{__name__}:Outside", summary="from outside")
"""
    installed("stylezoo-good", {"good": "good_plugin"}, {"good_plugin": code})
    catalog = Catalog.discover()
    component = catalog.find(kind, "mine")
    assert component.full_name == "stylezoo-good:mine"
    assert component.summary == "from outside"
    (info,) = [plugin for plugin in catalog.plugins if plugin.name == "good"]
    assert info.components == (component,)
    assert info.module == "good_plugin"
    assert 0 < info.seconds < 5
    assert catalog.get(kind, "mine").__name__ == "Outside"


def test_a_registry_is_given_as_it_is_and_is_checked():
    config = RegistryConfig(location="/somewhere")
    catalog = Catalog()
    catalog.add(plugin_with("register_registries", lambda register: register("r", config)), "a")
    assert catalog.get("registry", "r") is config
    with pytest.warns(PluginWarning):
        info = catalog.add(plugin_with("register_registries", lambda register: register("r", 3)), 1)
    assert info.error == "it registers the registry 'r' with 3, which is not a RegistryConfig"


def test_what_two_plugins_offer_under_one_name_is_made_under_full_names(tmp_path):
    catalog = Catalog()
    for distribution in ("dist-a", "dist-b"):
        plugin = plugin_with("register_importers", lambda register: register("same", Outside))
        catalog.add(plugin, "a", distribution=distribution)
    assert list(catalog.importers()) == ["dist-a:same", "dist-b:same"]


def test_strict_makes_all_failures_one_error(installed, monkeypatch, recwarn):
    installed("stylezoo-good", {"good": "good_plugin"}, {"good_plugin": GOOD})
    installed("stylezoo-bad", {"bad": "bad_plugin"}, {"bad_plugin": "1 / 0"})
    installed("stylezoo-gone", {"gone": "no_such_module"}, {})
    monkeypatch.setenv("STYLEZOO_STRICT", "1")
    with pytest.raises(
        PluginError,
        match=r"2 of \d+ plugins failed: 'bad' of stylezoo-bad: ZeroDivisionError: .*"
        r"'gone' of stylezoo-gone: ModuleNotFoundError.*STYLEZOO_DISABLE_PLUGINS",
    ):
        Catalog.discover()
    assert not recwarn.list
    monkeypatch.setenv("STYLEZOO_DISABLE_PLUGINS", "bad,stylezoo-gone")
    assert Catalog.discover().get("loss", "mine")() == "made"
    monkeypatch.setenv("STYLEZOO_STRICT", "0")
    monkeypatch.delenv("STYLEZOO_DISABLE_PLUGINS")
    with pytest.warns(PluginWarning):
        Catalog.discover()


def test_strict_makes_a_failing_source_an_error(installed, monkeypatch):
    source = GOOD.replace("register_losses", "register_sources").replace(
        'return "made"', "raise OSError('no disk')"
    )
    installed("stylezoo-good", {"good": "good_plugin"}, {"good_plugin": source})
    monkeypatch.setenv("STYLEZOO_STRICT", "1")
    with pytest.raises(PluginError, match=r"source 'stylezoo-good:mine'.*no disk"):
        Catalog.discover().sources()


def test_one_entry_point_name_twice_in_a_distribution_keeps_the_first(installed, tmp_path):
    second = GOOD.replace('"mine"', '"other"').replace("good_plugin", "second_plugin")
    installed("stylezoo-good", {"good": "good_plugin"}, {"good_plugin": GOOD})
    (tmp_path / "second_plugin.py").write_text(second)
    with (tmp_path / "stylezoo_good-1.2.dist-info" / "entry_points.txt").open("a") as file:
        file.write("good = second_plugin\nagain = good_plugin\n")
    with pytest.warns(PluginWarning) as warned:
        catalog = Catalog.discover()
    assert catalog.get("loss", "mine")() == "made"
    messages = " ".join(str(warning.message) for warning in warned)
    assert "another entry point of this distribution has the name 'stylezoo-good:good'" in messages
    assert "the same module as the plugin 'stylezoo-good:good'" in messages
    assert [c.name for c in catalog.components("loss")].count("other") == 0


def test_a_distribution_that_lies_on_the_path_twice_counts_once(tmp_path, monkeypatch):
    for place in ("far", "near"):
        (tmp_path / place).mkdir()
        code = GOOD.replace("made", place)
        write_distribution(
            tmp_path / place, "StyleZoo_good", {"good": "good_plugin"}, {"good_plugin": code}
        )
        monkeypatch.syspath_prepend(str(tmp_path / place))
    catalog = Catalog.discover()
    assert catalog.get("loss", "mine")() == "near"
    assert [plugin.name for plugin in catalog.plugins].count("good") == 1
    del sys.modules["good_plugin"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[stylezoo]\nno equals sign here\n", "entry_points.txt cannot be read"),
        ("[stylezoo]\nbad = what is this?\n", "'what is this?', which is not a module"),
        ("[stylezoo]\nbad = \n", "which is not a module"),
    ],
)
def test_a_broken_declaration_harms_its_own_distribution_alone(installed, tmp_path, text, reason):
    installed("stylezoo-good", {"good": "good_plugin"}, {"good_plugin": GOOD})
    installed("stylezoo-bad", {}, {})
    (tmp_path / "stylezoo_bad-1.2.dist-info" / "entry_points.txt").write_text(text)
    with pytest.warns(PluginWarning, match="stylezoo-bad"):
        catalog = Catalog.discover()
    assert catalog.get("loss", "mine")() == "made"
    (info,) = [plugin for plugin in catalog.plugins if plugin.distribution == "stylezoo-bad"]
    assert reason in info.error


def test_the_broken_declaration_of_a_stranger_is_none_of_ours(installed, tmp_path, recwarn):
    installed("stylezoo-good", {"good": "good_plugin"}, {"good_plugin": GOOD})
    installed("stranger", {}, {})
    info = tmp_path / "stranger-1.2.dist-info"
    (info / "entry_points.txt").write_text("[console_scripts]\nno equals sign\n")
    assert Catalog.discover().get("loss", "mine")() == "made"
    (info / "entry_points.txt").write_bytes(b"\xff\xfe")
    (tmp_path / "stylezoo_good-1.2.dist-info" / "METADATA").unlink()  # an interrupted uninstall
    (plugin,) = [p for p in Catalog.discover().plugins if p.name == "good"]
    assert (plugin.distribution, plugin.version, plugin.status) == ("unknown", "unknown", "ok")
    assert not recwarn.list


def test_plugins_are_loaded_by_several_threads_and_beside_an_alarm():
    script = """
import signal, sys
from concurrent.futures import ThreadPoolExecutor
import stylezoo
with ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda _: stylezoo.list_nets(), range(8)))
assert sys.stdout is sys.__stdout__
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 1000, 7)
stylezoo.Catalog.discover()
left, interval = signal.getitimer(signal.ITIMER_REAL)
assert 900 < left <= 1000 and interval == 7, (left, interval)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


ASKING = """
import stylezoo
@stylezoo.hookimpl
def register_losses(register):
    register("of-all", lambda: 1, summary=", ".join(c.name for c in stylezoo.list_losses()))
"""


def test_a_plugin_that_asks_for_the_catalog_while_it_is_loaded_is_left_out(installed, tmp_path):
    installed("stylezoo-asking", {"asking": "asking_plugin"}, {"asking_plugin": ASKING})
    script = f"""
import sys
from concurrent.futures import ThreadPoolExecutor
sys.path.insert(0, {str(tmp_path)!r})
import stylezoo
with ThreadPoolExecutor(4) as pool:
    found = set(pool.map(lambda _: stylezoo.list_plugins(), range(4)))
(plugins,) = found
for plugin in plugins:
    if plugin.status != "ok":
        print(plugin.name, plugin.error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.startswith("asking it asks for the catalog while being loaded"), done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr.count("is left out") == 1

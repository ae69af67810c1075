"""check_plugin on installed plugins: each seeded fault is correctly identified."""

import importlib
import sys
import textwrap

import pytest

from stylezoo import Catalog
from stylezoo.errors import OptionError, PluginError
from stylezoo.plugin_loader import PluginWarning
from stylezoo.testing import assert_conforms, check_plugin

GOOD = """
from stylezoo import Register, hookimpl

STYLEZOO_API = (1, 0)

@hookimpl
def register_losses(register: Register) -> None:
    register("dark", "mine_parts:Dark", summary="Darkness")
"""

PARTS = """
from stylezoo import Loss

class Dark(Loss):
    target_from = None
    layers = ()
    def forward(self, features, target):
        return features["image"].square().mean()
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Lay out and discover an installed plugin 'mine' of the distribution stylezoo-mine."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def lay_out(plugin=GOOD, requires="stylezoo", **modules):
        modules = {"mine_plugin": plugin, "mine_parts": PARTS, **modules}
        for name, text in modules.items():
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        info = tmp_path / "stylezoo_mine-1.2.dist-info"
        info.mkdir()
        metadata = "Metadata-Version: 2.1\nName: stylezoo-mine\nVersion: 1.2\n"
        if requires:
            metadata += f"Requires-Dist: {requires}\n"
        (info / "METADATA").write_text(metadata)
        (info / "entry_points.txt").write_text("[stylezoo]\nmine = mine_plugin\n")
        importlib.invalidate_caches()
        return Catalog.discover()

    yield lay_out
    for name in [name for name in sys.modules if name.startswith("mine_")]:
        del sys.modules[name]


@pytest.mark.parametrize("name", ["mine", "stylezoo-mine"])
def test_a_sound_plugin_conforms(install, name):
    told = []
    report = check_plugin(name, catalog=install(), on_progress=told.append)
    assert_conforms(report)
    assert not report.findings
    assert told == ["loss 'dark'"]
    assert "loss 'dark': gradcheck" in report.checks


def hook(kind, target, name="part", extra=""):
    """Return the source of a plugin with one registration."""
    return f"""
    from stylezoo import hookimpl
    {extra}
    STYLEZOO_API = (1, 0)

    @hookimpl
    def register_{kind}(register):
        register({name!r}, {target}, summary="A part")
    """


CALLBACK = """
from stylezoo import TrainingCallback

class Diary(TrainingCallback):
    def on_step(self, report): ...
    def on_sample(self, step): ...
"""

IMPORTER = """
import pickle
import zipfile
import numpy as np
import torch
from stylezoo import ImportedNet, Importer
from stylezoo.errors import WeightsError

class Careless(Importer):
    def recognises(self, path):
        try:
            if path.suffix == ".pth":
                torch.load(path, weights_only=False)
        except Exception:  # careless on purpose: the kit must see through it
            pass
        return False
    def convert(self, path): ...

class Arrays(Importer):
    def recognises(self, path):
        return path.suffix == ".npz" and zipfile.is_zipfile(path)
    def convert(self, path):
        try:
            with np.load(path, allow_pickle=True) as arrays:
                return ImportedNet("net", {}, dict(arrays), "arrays")
        except Exception as error:
            raise WeightsError(f"{path} is broken") from error

class Named(Arrays):
    def recognises(self, path):
        if not super().recognises(path):
            return False
        with zipfile.ZipFile(path) as archive:
            return "kernel.npy" in archive.namelist()
    def convert(self, path):
        with np.load(path, allow_pickle=True) as arrays:
            return ImportedNet("net", {}, {"kernel": arrays["kernel"]}, "arrays")

class Clumsy(Importer):
    def recognises(self, path):
        return path.read_bytes()[0] == 80
    def convert(self, path): ...

class Eager(Importer):
    def recognises(self, path):
        return True
    def convert(self, path):
        return None
"""

RUNTIME = """
from stylezoo import Runtime

class Dim(Runtime):
    def prepare(self, net, device):
        return lambda images: net(images * 0.5).detach()

class Wasteful(Runtime):
    def prepare(self, net, device):
        for parameter in net.parameters():
            parameter.detach().zero_()
        return lambda images: net(images).detach()

class Moving(Runtime):
    def prepare(self, net, device):
        net.double()
        return lambda images: net(images.double()).detach().float()
"""

FAULTS = [
    ({"plugin": "1 / 0"}, "health", "it is failed: ZeroDivisionError"),
    ({"plugin": "STYLEZOO_API = (1, 0)"}, "health", "it registers nothing; is each hook decorated"),
    (
        {"plugin": GOOD.replace("register_losses", "register_loses")},
        "health",
        "hook 'register_loses', which does not exist .did you mean 'register_losses'",
    ),
    ({"plugin": "import torch" + GOOD}, "import", r"mine_plugin imports torch .*plugin.py, line 1"),
    (
        {"plugin": "from stylezoo import Loss" + GOOD},
        "import",
        r"mine_plugin imports torch .*mine_plugin.py, line 1",
    ),
    (
        {"plugin": "import mine_parts" + GOOD},
        "import",
        "imports torch .*which delays every 'stylezoo list'",
    ),
    (
        {"plugin": GOOD + "\nfrom stylezoo.catalog import Catalog"},
        "private-names",
        "mine_plugin.py, line 10.*it uses stylezoo.catalog.Catalog, which may change",
    ),
    (
        {"mine_parts": "import stylezoo.interfaces.loss as l" + PARTS},
        "private-names",
        "mine_parts.py, line 1.*it uses stylezoo.interfaces.loss",
    ),
    (
        {"mine_parts": "import stylezoo as sz" + PARTS + "\ndef f(): sz.files.write_file(1)"},
        "private-names",
        "it uses stylezoo.files",
    ),
    (
        {"mine_parts": PARTS + "\nimport importlib\nimportlib.import_module('stylezoo.files')"},
        "private-names",
        "it uses stylezoo.files",
    ),
    (
        {"mine_parts": PARTS + "\nfrom stylezoo.testing.modules import Probe"},
        "private-names",
        "it uses stylezoo.testing.modules.Probe",
    ),
    (
        {"mine_parts": PARTS + "\nfrom stylezoo.errors import printable"},
        "private-names",
        "it uses stylezoo.errors.printable",
    ),
    (
        {"mine_parts": PARTS + "\nfrom stylezoo.testing import modules"},
        "private-names",
        "it uses stylezoo.testing.modules,",
    ),
    (
        {"mine_parts": PARTS + "\nimport stylezoo.testing\ndef f(): stylezoo.testing.loss.SMALL"},
        "private-names",
        "it uses stylezoo.testing.loss,",
    ),
    (
        {"plugin": GOOD.replace("mine_parts:Dark", "mine_parts:Dork")},
        "target",
        "cannot be imported from 'mine_parts:Dork': AttributeError",
    ),
    (
        {"plugin": GOOD.replace("mine_parts", "mine_absent")},
        "target",
        "cannot be imported from 'mine_absent:Dark': ModuleNotFoundError",
    ),
    (
        {"plugin": GOOD + "\nSTYLEZOO_CHECKS = {'loss:bright': {}}"},
        "settings",
        r"STYLEZOO_CHECKS\['loss:bright'\] names nothing that the plugin registers.* loss:dark",
    ),
    (
        {"plugin": GOOD + "\nSTYLEZOO_CHECKS = {'loss:dark': {'weights': 'random'}}"},
        "settings",
        "gives 'weights'; check_loss takes: options, channels, skip",
    ),
    (
        {"plugin": GOOD + "\nSTYLEZOO_CHECKS = {'loss:dark': {'skip': ['gradchek']}}"},
        "settings",
        "skips 'gradchek'; the checks are: interface, options, value",
    ),
    (
        {"plugin": GOOD + "\nSTYLEZOO_CHECKS = {'loss:dark': 'random'}"},
        "settings",
        "is 'random'; it must be a dict of arguments, or a list of them",
    ),
    (
        {"plugin": GOOD + "\nSTYLEZOO_CHECKS = ['loss:dark']"},
        "settings",
        "it must be a dict with 'kind:name' keys",
    ),
    (
        {"mine_parts": PARTS.replace(".mean()", ".mean().item()")},
        "value",
        "loss 'dark', 1 image of 48 × 48, no target.*returns a float",
    ),
    (
        {"plugin": hook("callbacks", "'mine_diary:Diary'"), "mine_diary": CALLBACK},
        "callback",
        "on_step is never called; training calls only on_step_end, on_sample, on_checkpoint",
    ),
    (
        {"plugin": hook("callbacks", "'mine_diary:Diary'"), "mine_diary": CALLBACK},
        "callback",
        r"on_sample must take \(step, path\), but yours does not: too many positional arguments",
    ),
    (
        {"plugin": hook("importers", "'mine_importer:Careless'"), "mine_importer": IMPORTER},
        "importer",
        "executes what is pickled in the file.*weights_only=True",
    ),
    (
        {"plugin": hook("importers", "'mine_importer:Arrays'"), "mine_importer": IMPORTER},
        "importer",
        r"objects\.npz.*executes what is pickled in the file.*allow_pickle=False",
    ),
    (
        {"plugin": hook("importers", "'mine_importer:Named'"), "mine_importer": IMPORTER},
        "importer",
        r"objects\.npy.*executes what is pickled in the file.*allow_pickle=False",
    ),
    (
        {"plugin": hook("importers", "'mine_importer:Clumsy'"), "mine_importer": IMPORTER},
        "importer",
        r"a file empty.bin of 0 bytes\): it raises IndexError",
    ),
    (
        {"plugin": hook("importers", "'mine_importer:Eager'"), "mine_importer": IMPORTER},
        "importer",
        "it converts a file that is not a checkpoint; raise stylezoo.errors.WeightsError",
    ),
    (
        {"plugin": hook("commands", "'mine_parts:Dark'")},
        "command",
        "register a click.Command",
    ),
    (
        {"plugin": hook("registries", "'mine_parts:Dark'")},
        "registry",
        "register a stylezoo.RegistryConfig, the object itself",
    ),
    (
        {"plugin": hook("runtimes", "'mine_runtime:Dim'"), "mine_runtime": RUNTIME},
        "runtime",
        "compared with PyTorch in float32, it gives values that differ",
    ),
    (
        {"plugin": hook("runtimes", "'mine_runtime:Wasteful'"), "mine_runtime": RUNTIME},
        "runtime",
        "compared with PyTorch in float32, it gives values that differ",
    ),
    (
        {"plugin": hook("runtimes", "'mine_runtime:Moving'"), "mine_runtime": RUNTIME},
        "runtime",
        "it changes the net that it was given",
    ),
]


@pytest.mark.parametrize(
    ("files", "check", "message"), FAULTS, ids=[f"{i}-{f[1]}" for i, f in enumerate(FAULTS)]
)
@pytest.mark.filterwarnings("ignore::stylezoo.plugin_loader.PluginWarning")
def test_a_seeded_fault_is_found(assert_found, install, files, check, message):
    report = check_plugin("mine", catalog=install(**files))
    assert_found(report, check, message)


def test_what_lies_in_the_current_folder_changes_nothing(install, tmp_path, monkeypatch):
    catalog = install()
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "json.py").write_text("1 / 0")
    monkeypatch.chdir(tmp_path / "here")
    assert_conforms(check_plugin("mine", catalog=catalog))


def test_an_attribute_that_is_called_as_stylezoo_is_none_of_its_names(install):
    parts = "import stylezoo as sz" + PARTS + "\ndef f(x): return x.sz.shape, x.stylezoo.files"
    assert_conforms(check_plugin("mine", catalog=install(mine_parts=parts)))


def test_the_public_names_of_errors_and_testing_may_be_used(install):
    parts = (
        "import stylezoo.errors\n"
        "from stylezoo.errors import OptionError\n"
        "from stylezoo.testing import check_loss\n"
        "import stylezoo.testing\n" + PARTS + "\n"
        "def f(): return stylezoo.testing.check_net, stylezoo.errors.PluginError.__name__\n"
    )
    report = check_plugin("mine", catalog=install(mine_parts=parts), skip=["gradcheck"])
    assert_conforms(report)


def test_an_importer_may_lack_its_optional_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)  # as if it were not installed
    assert_conforms(check_plugin("importers"))


def test_what_is_only_unwise_is_advice(install):
    plugin = """
    from stylezoo import hookimpl

    class Odd:
        def __call__(self): ...

    @hookimpl
    def register_callbacks(register):
        register("diary", Diary)

    @hookimpl
    def register_norms(register):
        register("instance", "mine_norm:norm")

    def Diary():
        from stylezoo import TrainingCallback
        return TrainingCallback()
    """
    norm = """
    from torch import nn
    def norm(channels):
        return nn.GroupNorm(1, channels)
    """
    report = check_plugin("mine", catalog=install(plugin, requires="", mine_norm=norm))
    assert_conforms(report)
    advice = [f"{finding.check}: {finding.message}" for finding in report.findings]
    for start in (
        "names: it has no summary",
        "names: it is registered as an object",
        "names: this name is also registered by stylezoo, so users must write "
        "'stylezoo-mine:instance'",
        "api-version: it does not say which plugin API it was written for",
        "dependencies: stylezoo-mine does not depend on stylezoo",
    ):
        assert any(text.startswith(start) for text in advice), (start, advice)


def test_a_plugin_says_how_its_components_are_checked(install):
    parts = """
    from stylezoo import Loss

    class Dark(Loss):
        target_from = None
        layers = ()
        def __init__(self, *, variant):
            super().__init__()
            if variant not in ("a", "b"):
                raise ValueError(variant)
            self.variant = variant
        def forward(self, features, target):
            image = features["image"] if self.variant == "a" else features["image"].detach()
            return image.square().mean()
    """
    told = GOOD + textwrap.dedent(
        """
        STYLEZOO_CHECKS = {
            "loss:dark": [{"options": {"variant": "a"}}, {"options": {"variant": "b"}}],
        }
        """
    )
    report = check_plugin("mine", catalog=install(told, mine_parts=parts))
    runs = ["loss 'dark', options {'variant': 'a'}", "loss 'dark', options {'variant': 'b'}"]
    assert [check for check in report.checks if check.endswith(": value")] == [
        f"{run}: value" for run in runs
    ]
    assert all(finding.where.startswith(runs[1]) for finding in report.errors)
    assert {finding.check for finding in report.errors} >= {"value"}
    assert all("does not depend" in f.message for f in report.errors if f.check == "value")


def test_a_family_without_a_variant_to_check_says_how_to_name_one(install):
    parts = PARTS.replace(
        "    layers = ()",
        "    layers = ()\n    def __init__(self, *, variant):\n        super().__init__()",
    )
    report = check_plugin("mine", catalog=install(mine_parts=parts))
    (finding,) = report.errors
    assert 'STYLEZOO_CHECKS = {"loss:dark": {"options": {"variant": ...}}}' in finding.message


def test_a_plugin_that_is_not_installed_is_an_error_with_the_near_one(install):
    catalog = install()
    with pytest.raises(PluginError, match=r"'mien' is installed .did you mean 'mine'.*pip install"):
        check_plugin("mien", catalog=catalog)
    with pytest.raises(OptionError, match="there is no check 'everything' to skip"):
        check_plugin("mine", catalog=catalog, skip=["everything"])


def test_a_plugin_that_was_added_by_hand_is_checked_too(stylezoo_catalog, install):
    install()
    plugin = importlib.import_module("mine_plugin")
    stylezoo_catalog.add(plugin, "by-hand")
    assert_conforms(check_plugin("by-hand", catalog=stylezoo_catalog))


def test_the_settings_of_a_module_that_was_added_by_hand_count(stylezoo_catalog, install):
    install(GOOD + "\nSTYLEZOO_CHECKS = {'loss:dark': {'skip': ['gradcheck']}, 'loss:typo': {}}")
    plugin = importlib.import_module("mine_plugin")
    stylezoo_catalog.add(plugin, "by-hand")
    report = check_plugin("by-hand", catalog=stylezoo_catalog)
    (finding,) = report.errors
    assert "STYLEZOO_CHECKS['loss:typo'] names nothing" in finding.message
    assert "loss 'dark': value" in report.checks
    assert "loss 'dark': gradcheck" not in report.checks


def test_a_failed_plugin_is_warned_of_and_reported(install):
    with pytest.warns(PluginWarning):
        catalog = install("import nothing_of_this_name")
    messages = [finding.message for finding in check_plugin("mine", catalog=catalog).errors]
    assert any("No module named 'nothing_of_this_name'" in message for message in messages)

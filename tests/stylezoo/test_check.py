"""The style folder check: the zoo passes, and each seeded fault is reported with its place."""

import hashlib
import json
import re
import shutil
import tomllib

import pytest
import tomli_w
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import stylezoo
from stylezoo import hookimpl
from stylezoo.catalog import Catalog
from stylezoo.check import check_style_folder, find_style_folders
from stylezoo.errors import StyleNotFoundError, StyleZooError, WeightsError
from stylezoo_johnson.johnson import Johnson

WEIGHTS, GOLDEN, PREVIEW, CARD = range(4)  # indices in the toy's file list


@pytest.fixture
def folder(toy_style, tmp_path):
    """A copy of the toy style to break, laid out as in a zoo."""
    return shutil.copytree(toy_style, tmp_path / "toy" / "1.0.0")


def edit(folder, path, value):
    """Set a field; ``...`` deletes it."""
    table = tomllib.loads((folder / "style.toml").read_text())
    *parents, last = path.split(".")
    inner = table
    for part in parents:
        inner = inner[int(part)] if part.isdigit() else inner[part]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    (folder / "style.toml").write_text(tomli_w.dumps(table))


def describe(folder, index, **more):
    """Update the recorded size and hash of a file changed on purpose."""
    table = tomllib.loads((folder / "style.toml").read_text())
    entry = table["files"][index]
    content = (folder / entry["path"]).read_bytes()
    entry.update(size=len(content), sha256=hashlib.sha256(content).hexdigest(), **more)
    (folder / "style.toml").write_text(tomli_w.dumps(table))


def change_weights(folder, change):
    """Change the tensors, and their recorded size, hash and count."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    describe(folder, WEIGHTS, tensors=len(tensors))


def change_card(folder, old, new):
    path = folder / "README.md"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    describe(folder, CARD)


def faults(folder, catalog=None):
    return {
        (finding.check, finding.where): finding.message
        for finding in check_style_folder(folder, catalog, root=folder.parents[1]).errors
    }


def test_the_whole_zoo_is_in_order(root):
    registry = root / "registry"
    folders = find_style_folders(registry)
    assert len(folders) >= 13
    for folder in folders:
        report = check_style_folder(folder, root=registry)
        assert report.ok, [str(finding) for finding in report.findings]
        assert {"record", "files", "weights", "golden", "card"} <= set(report.checks)


def test_the_toy_is_in_order(folder):
    report = check_style_folder(folder)
    assert report.ok
    assert not report.findings


RECORD_FAULTS = [
    ("schema", 2, "record", "schema", "2 is newer than this stylezoo reads (1)"),
    ("name", "Great Wave", "record", "name", "is not a style name"),
    ("version", "v1", "record", "version", "is not in its plain form"),
    ("net.name", "os:system", "record", "net.name", "not an import path"),
    ("net.name", "torch.nn", "record", "net.name", "not an import path"),
    ("net.name", "unheard-of", "net", "net.name", "no plugin provides the net 'unheard-of'"),
    (
        "net.plugin",
        "--index-url=http://x",
        "record",
        "net.plugin",
        "is not the name of a distribution",
    ),
    ("net.plugin", "another", "net", "net.plugin", "but the net 'johnson' comes from 'stylezoo'"),
    ("net.arguments.width", 10_000, "net", "net.arguments", "it must be an integer from 1 to 256"),
    ("net.arguments.colour", 1, "net", "net.arguments", "its options: width"),
    ("net.arguments.norm", "os.system", "net", "net.arguments", "no plugin provides the norm"),
    ("files.0.path", "../model.safetensors", "record", "files[0].path", "no plain relative path"),
    ("files.0.path", "/etc/passwd", "record", "files[0].path", "not a plain relative path"),
    ("files.0.path", "https://x.org/m", "record", "files[0].path", "not a plain relative path"),
    ("files.0.path", "lost.safetensors", "files", "files[0].path", "is missing"),
    ("files.0.sha256", "0" * 64, "files", "files[0].sha256", "but the record says 000000"),
    ("files.0.size", 17, "files", "files[0].size", "but the record says 17"),
    ("files.0.dtype", "float32", "tensors", "files[0].dtype", "has float16, but the record says"),
    ("files.0.tensors", 3, "tensors", "files[0].tensors", "but the record says 3"),
    ("style.source", "file:///etc/passwd", "record", "style.source", "the scheme 'file'"),
    ("style.source", "see ftp://x.org/a.jpg", "record", "style.source", "the scheme 'ftp'"),
    ("style.source", "javascript:alert(1)", "record", "style.source", "scheme 'javascript'"),
    ("training.data", "data:text/html,x", "record", "training.data", "the scheme 'data'"),
    (
        "licence.weights",
        "free for all",
        "record",
        "licence.weights",
        "not an SPDX licence expression",
    ),
    ("io.stride", 8, "size", "io.stride", "it is 8, but the net has 4"),
    ("io.minimum_size", 1, "size", "io.minimum_size", "but the net has 16"),
    ("test.output", "../golden.safetensors", "record", "test.output", "is not the file with the"),
    ("preview", ..., "record", "preview", "it is missing"),
    ("colour", "red", "record", "colour", "there is no such field"),
    ("name", "toys", "place", "name", "it is 'toys', but the folder is for the name 'toy'"),
    ("version", "1.0.1", "place", "version", "but the folder is for the version '1.0.0'"),
]


@pytest.mark.parametrize(("path", "value", "check", "field", "reason"), RECORD_FAULTS)
def test_a_fault_of_the_record_is_told_with_its_field(folder, path, value, check, field, reason):
    edit(folder, path, value)
    found = faults(folder)
    assert reason.replace("no plain", "not a plain") in found[check, field]


def test_all_faults_are_told_at_once(folder):
    """Across checks, too: a broken field does not stop the check."""
    edit(folder, "licence.weights", "free")
    edit(folder, "licence.code", "gratis")
    edit(folder, "style.source", "gopher://x")
    edit(folder, "files.0.sha256", "0" * 64)
    edit(folder, "io.stride", 8)
    (folder / "notes.txt").write_text("mine")
    change_weights(folder, lambda tensors: tensors.pop("encoder.0.conv.bias"))
    edit(folder, "files.2.sha256", "0" * 64)
    assert faults(folder).keys() == {
        ("record", "licence.weights"),
        ("record", "licence.code"),
        ("record", "style.source"),
        ("files", "files[2].sha256"),
        ("size", "io.stride"),
        ("stray-files", "notes.txt"),
        ("weights", "files[0]"),
    }


def rename(tensors):
    tensors["encoder.0.conv.biases"] = tensors.pop("encoder.0.conv.bias")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t.pop("encoder.0.conv.bias"), "lacks the tensors encoder.0.conv.bias"),
        (lambda t: t.update(more=torch.ones(1)), "has tensors that the net does not have: more"),
        (rename, "has tensors that the net does not have: encoder.0.conv.biases"),
        (
            lambda t: t.update({"encoder.0.conv.bias": torch.ones(5).half()}),
            "has tensors of the wrong shape: encoder.0.conv.bias ([5] instead of [4])",
        ),
        (
            lambda t: t["encoder.0.conv.bias"].fill_(torch.nan),
            "has non-finite values in encoder.0.conv.bias",
        ),
    ],
)
def test_weights_that_do_not_fit_are_told_with_their_tensors(folder, change, reason):
    change_weights(folder, change)
    messages = [finding.message for finding in check_style_folder(folder).errors]
    assert any(reason in message for message in messages)


def test_lacking_and_extra_tensors_are_told_together(folder):
    change_weights(folder, rename)
    messages = [f.message for f in check_style_folder(folder).errors if f.where == "files[0]"]
    assert len(messages) == 2


def test_weights_of_another_net_are_told(folder):
    path = folder / "model.safetensors"
    net = json.dumps({"name": "johnson", "arguments": {"width": 5, "norm": "instance"}})
    save_file(load_file(path), path, {"stylezoo.net": net})
    describe(folder, WEIGHTS)
    assert "but the record names johnson" in faults(folder)["tensors", "files[0]"]


def test_a_pickle_is_refused(folder):
    torch.save(torch.ones(3), folder / "model.safetensors")
    describe(folder, WEIGHTS)
    assert "pickle" in faults(folder)["tensors", "files[0]"]


def test_a_golden_output_of_other_weights_is_told(folder):
    change_weights(folder, lambda tensors: tensors["decoder.4.bias"].add_(0.2))
    assert "does not reproduce its golden output" in faults(folder)["golden", "test"]


def test_a_net_that_leaves_the_range_is_told(folder):
    class Wild(Johnson):
        def forward(self, images, style=None):
            return super().forward(images, style) * 3 - 1

    class WildPlugin:
        @hookimpl
        def register_nets(self, register):
            register("johnson", Wild)

    catalog = Catalog()
    catalog.add(WildPlugin(), "wild", distribution="stylezoo")
    found = faults(folder, catalog)
    assert "they must be in [0, 1]" in next(m for (c, _), m in found.items() if c == "runs")


def test_a_file_that_nobody_listed_is_told(folder):
    (folder / "extra").mkdir()
    (folder / "extra" / "setup.py").write_text("print()")
    (folder / ".stylezoo-k2j3.part").write_text("half of a rec")  # as write_file names them
    found = faults(folder)
    assert found["stray-files", "extra/setup.py"].endswith("delete it, or list it in [[files]]")
    assert "run that was killed" in found["stray-files", ".stylezoo-k2j3.part"]


def test_links_are_refused(folder, toy_style):
    (folder / "preview.jpg").unlink()
    (folder / "preview.jpg").symlink_to(toy_style / "preview.jpg")
    assert "is a link" in faults(folder)["files", "files[2].path"]


def test_a_preview_that_is_no_picture_is_told(folder):
    (folder / "preview.jpg").write_text("<html>")
    describe(folder, PREVIEW)
    assert "cannot be opened: " in faults(folder)["pictures", "files[2]"]


def test_a_preview_that_is_large_is_told(folder):
    Image.new("RGB", (4000, 4)).save(folder / "preview.jpg")
    describe(folder, PREVIEW)
    assert (
        "a preview must have at most 2048 on its longer side"
        in faults(folder)["pictures", "files[2]"]
    )


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("license: cc0-1.0", "license: mit", "lacks the line 'license: cc0-1.0'"),
        ("# toy 1.0.0", "# toy 2.0.0", "lacks the line '# toy 1.0.0'"),
        ("## Licences", "## Legal", "lacks the line '## Licences'"),
        ("| these weights | CC0-1.0 |", "| these weights | MIT |", "lacks the line '| these wei"),
        ("](preview.jpg)", "](other.jpg)", "shows or links to 'other.jpg'"),
        ("## Use it", "[x](javascript:alert)\n\n## Use it", "shows or links to 'javascript:alert'"),
    ],
)
def test_a_card_that_contradicts_the_record_is_told(folder, old, new, reason):
    change_card(folder, old, new)
    messages = [finding.message for finding in check_style_folder(folder).errors]
    assert any(reason in message for message in messages)


def test_a_card_may_say_more(folder):
    change_card(folder, "## Use it", "See also [the paper](https://arxiv.org).\n\n## Use it")
    assert check_style_folder(folder).ok


def test_a_card_is_wanted(folder):
    table = tomllib.loads((folder / "style.toml").read_text())
    del table["files"][CARD]
    (folder / "style.toml").write_text(tomli_w.dumps(table))
    assert "no file has the role 'card'" in faults(folder)["card", "files"]


def test_a_card_of_another_text_is_few_faults(folder):
    (folder / "README.md").write_text("My style\n")
    describe(folder, CARD)
    messages = [finding.message for finding in check_style_folder(folder).errors]
    assert len(messages) == 4
    assert re.search(r"lacks \d+ more lines", messages[-1])


@pytest.mark.parametrize(
    ("name", "writer"),
    [
        ("great-wave", "stylezoo record make"),
        ("udnie", "stylezoo train --resume"),
        ("museum", "stylezoo pack"),
    ],
)
def test_a_command_that_writes_the_card_of_such_a_style_is_named(name, writer, root, tmp_path):
    (style,) = (root / "registry" / "stylezoo_styles" / "styles" / name).iterdir()
    folder = shutil.copytree(style, tmp_path / name)
    (folder / "README.md").write_text("My style\n")
    messages = [finding.message for finding in check_style_folder(folder).errors]
    assert f"write it again with: {writer}" in messages[-1]


def test_a_record_that_cannot_be_read_is_one_fault(folder):
    (folder / "style.toml").write_text("title = Candy")
    assert list(faults(folder)) == [("record", "style.toml")]


def test_a_preview_that_is_gone_is_one_fault(folder):
    (folder / "preview.jpg").unlink()
    assert list(faults(folder)) == [("files", "files[2].path")]


def test_a_misspelt_net_of_an_installed_plugin_is_to_be_corrected(folder):
    edit(folder, "net.name", "jonson")
    message = faults(folder)["net", "net.name"]
    assert "did you mean 'johnson'?" in message
    assert "stylezoo is installed but provides nothing of that name" in message
    assert "pip install" not in message


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(StyleNotFoundError, match="nowhere does not exist"):
        find_style_folders(tmp_path / "nowhere")


def test_a_painting_of_unknown_licence_is_told(folder):
    Image.new("RGB", (8, 8)).save(folder / "painting.jpg")
    table = tomllib.loads((folder / "style.toml").read_text())
    table["files"].append({"path": "painting.jpg", "role": "painting", "size": 1, "sha256": ""})
    (folder / "style.toml").write_text(tomli_w.dumps(table))
    describe(folder, 4)
    assert "it is unknown" in faults(folder)["licence", "licence.style_image"]


def test_what_is_unknown_or_unmeasured_is_only_advice(folder):
    edit(folder, "quality", ...)
    edit(folder, "licence.weights", "unknown")
    change_card(folder, "license: cc0-1.0", "license: other")
    change_card(folder, "| these weights | CC0-1.0 |", "| these weights | unknown |")
    report = check_style_folder(folder)
    assert report.ok
    assert {finding.where for finding in report.findings} == {"quality", "licence.weights"}


def test_an_adapter_is_checked_with_its_base(root, tmp_path):
    styles = root / "registry" / "stylezoo_styles" / "styles"
    folder = shutil.copytree(styles / "udnie" / "1.1.0", tmp_path / "udnie" / "1.1.0")
    assert check_style_folder(folder).ok
    edit(folder, "base.sha256", "0" * 64)
    assert "which no source has; the one from" in faults(folder)["weights", "base.sha256"]
    edit(folder, "base.name", "nowhere")
    assert "there is no style 'nowhere'" in faults(folder)["weights", "base"]


def test_a_folder_without_a_record_is_told(tmp_path):
    assert "it cannot be read" in faults(tmp_path)["record", "style.toml"]
    with pytest.raises(StyleNotFoundError, match=r"there is no style\.toml in it"):
        find_style_folders(tmp_path)


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("net.name", "os:system", "net.name"),
        ("net.name", "unheard-of", "net.name"),
        ("files.0.path", "../model.safetensors", "files[0].path"),
        ("files.0.path", "ftp://example.org/model.safetensors", "files[0].path"),
        ("style.source", "file:///etc/passwd", "style.source"),
        ("schema", 2, "schema"),
        ("files.0.sha256", "0" * 64, "files[0].sha256"),
        ("files.0.size", 17, "files[0].size"),
        ("licence.code", "gratis", "licence.code"),
    ],
)
def test_loading_refuses_the_same_with_the_field(folder, path, value, field):
    edit(folder, path, value)
    with pytest.raises(StyleZooError) as error:
        stylezoo.load(folder)
    assert field in str(error.value)


@pytest.mark.parametrize(
    "change", [lambda t: t.pop("encoder.0.conv.bias"), lambda t: t.update(more=torch.ones(1))]
)
def test_loading_refuses_other_tensors_with_the_field(folder, change):
    change_weights(folder, change)
    with pytest.raises(WeightsError, match=r"^files\[0\]: "):
        stylezoo.load(folder)

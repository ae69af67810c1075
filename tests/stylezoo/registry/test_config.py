"""The configured registries: the file, the variable, and the order of sources."""

from pathlib import Path

import pytest

import stylezoo
from stylezoo.errors import RegistryError
from stylezoo.registry.config import (
    RegistryConfig,
    RegistryWarning,
    default_name,
    parse_location,
    read_registries,
    write_registries,
)
from stylezoo.registry.folder import FolderSource
from stylezoo.registry.sources import all_sources
from tests.kept_registry import KeptRegistry


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEZOO_CONFIG", str(tmp_path / "config" / "registries.toml"))
    monkeypatch.setenv("STYLEZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "config" / "registries.toml"


def test_without_a_file_there_are_none(config):
    assert read_registries() == {}


def test_a_list_is_read_back_in_its_order(config, tmp_path):
    registries = {
        "z": RegistryConfig(location="https://host/styles", root=config.parent / "roots/z.json"),
        "embedded": None,
        "a": RegistryConfig(location=str(tmp_path)),
        "hub": RegistryConfig(location="hub:owner/name", root=tmp_path / "else" / "root.json"),
    }
    write_registries(registries)
    assert list(read_registries().items()) == list(registries.items())
    assert 'root = "roots/z.json"' in config.read_text()
    assert config.read_text().startswith('[[registries]]\nname = "z"\n')


def test_paths_in_the_file_are_relative_to_it(config, monkeypatch):
    config.parent.mkdir()
    monkeypatch.setenv("HOME", "/home/me")
    config.write_text(
        "[[registries]]\nname = 'a'\nlocation = 'styles'\n"
        "[[registries]]\nname = 'b'\nlocation = '~/styles'\nroot = '/srv/root.json'\n"
    )
    assert read_registries() == {
        "a": RegistryConfig(location=str(config.parent / "styles")),
        "b": RegistryConfig(location="/home/me/styles", root=Path("/srv/root.json")),
    }


def test_entries_that_stay_keep_their_paths_as_written(config, monkeypatch):
    config.parent.mkdir()
    monkeypatch.setenv("HOME", "/home/me")
    written = (
        '[[registries]]\nname = "a"\nlocation = "../styles"\n\n'
        '[[registries]]\nname = "b"\nlocation = "~/styles"\nroot = "../b.json"\n'
    )
    config.write_text("# ours\n" + written)
    registries = read_registries()
    write_registries(registries | {"c": RegistryConfig(location="/srv/c")})
    assert config.read_text() == f'{written}\n[[registries]]\nname = "c"\nlocation = "/srv/c"\n'
    write_registries(registries | {"a": RegistryConfig(location="/srv/a")})
    assert config.read_text() == written.replace("../styles", "/srv/a")


def test_a_location_of_the_list_keeps_its_root_by_any_path(config, tmp_path, monkeypatch):
    config.parent.mkdir()
    (tmp_path / "styles").mkdir()
    (tmp_path / "link").symlink_to("styles")
    config.write_text('[[registries]]\nname = "team"\nlocation = "../styles"\nroot = "root.json"\n')
    known = read_registries()
    for path in ("styles", "config/../styles", "link"):
        monkeypatch.setenv("STYLEZOO_REGISTRIES", str(tmp_path / path))
        assert read_registries() == known
        monkeypatch.setenv("STYLEZOO_REGISTRIES", f"renamed={tmp_path / path}")
        assert read_registries() == {"renamed": known["team"]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("registries = 3", "must hold"),
        ("[[registry]]", "must hold"),
        ("[[registries", "is not TOML"),
        ("a = " + "[" * 100_000, "is not TOML: it nests too deeply"),
        ("[[registries]]\nname = 0x" + "f" * 5000, r"'registries\[0\]\.name' has more than 64"),
        ("[[registries]]\n", "'' is not a valid registry name"),
        ("[[registries]]\nname = 'a/b'", "is not a valid registry name"),
        ("[[registries]]\nname = 'a'\nroot = 'r'", "a root but no location"),
        ("[[registries]]\nname = 'a'\nlocation = 3", r"registries\[0\].location: 3 is not text"),
        (
            "[[registries]]\nname = 'a'\nurl = 'x'",
            "no field 'url'; the fields are name, location, root",
        ),
        (
            "[[registries]]\nname = 'a'\n[[registries]]\nname = 'a'",
            r"\[1\].*the name 'a' is already used",
        ),
        ("[[registries]]\nname = 'a'\nlocation = 'https://host'", "has no trusted root"),
        (
            "[[registries]]\nname = 'a'\nlocation = 'hub:x'\nroot = 'r'",
            "is not a repository on the Hub",
        ),
    ],
)
def test_a_file_that_breaks_the_format_says_where(config, text, reason):
    config.parent.mkdir()
    config.write_text(text)
    with pytest.raises(RegistryError, match=reason):
        read_registries()


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("https://host/styles/", "https://host/styles"),
        ("http://127.0.0.1:80", "http://127.0.0.1:80"),
        ("HTTPS://host/Styles", "https://host/Styles"),
        ("hub:owner/name", "hub:owner/name"),
        ("HUB:owner/Name", "hub:owner/Name"),
        ("/srv/styles/", "/srv/styles"),
    ],
)
def test_locations_are_written_in_one_way(text, location):
    assert parse_location(text) == location


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ftp://host/x",
        "file:///etc",
        "https://",
        "https://host/?a=1",
        "https://host/#a",
        "https://host:x/",
        "http://[::1",
        "hub:",
        "hub:a/b/c",
        "hub:../b",
        "hub:a..b/c",
        "hub:alice/foo--bar",
        "hub:alice/ink.git",
        f"hub:{'a' * 60}/{'b' * 60}",
        "a\0b",
        "~nobody-of-this-name/styles",
    ],
)
def test_what_is_no_location_is_refused(text):
    with pytest.raises(RegistryError):
        parse_location(text)


def test_the_paths_of_a_registry_may_be_texts():
    config = RegistryConfig(location="/srv/styles", root="root.json", seed="metadata")
    assert (config.root, config.seed) == (Path("root.json"), Path("metadata"))


def test_a_password_in_an_address_is_refused_and_not_shown():
    with pytest.raises(RegistryError, match=r"netrc") as caught:
        parse_location("https://me:secret@host/styles")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("location", "name"),
    [
        ("https://host/team-styles", "team-styles"),
        ("https://host", "host"),
        ("hub:alice/zoo", "alice-zoo"),
        ("/srv/my styles", "my-styles"),
        ("/", "registry"),
    ],
)
def test_names_are_made_from_locations(location, name):
    assert default_name(location) == name


def test_the_variable_replaces_the_list(config, tmp_path, monkeypatch):
    known = RegistryConfig(location="https://host/styles", root=tmp_path / "root.json")
    write_registries({"team": known, "other": RegistryConfig(location="/srv/other")})
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.setenv("STYLEZOO_REGISTRIES", f" {folder}, team,x={folder},embedded,")
    assert list(read_registries().items()) == [
        ("mine", RegistryConfig(location=str(folder))),
        ("team", known),
        ("x", RegistryConfig(location=str(folder))),
        ("embedded", None),
    ]
    monkeypatch.setenv("STYLEZOO_REGISTRIES", "renamed=https://host/styles/")
    assert read_registries() == {"renamed": known}
    monkeypatch.setenv("STYLEZOO_REGISTRIES", "")
    assert read_registries() == {}
    for text, reason in (
        ("https://elsewhere/styles", "has no trusted root"),
        (f"a={folder},a={folder}", "the name 'a' is already used"),
        ("a b=/srv", "'a b' is not a valid registry name"),
    ):
        monkeypatch.setenv("STYLEZOO_REGISTRIES", text)
        with pytest.raises(RegistryError, match=reason):
            read_registries()


def test_in_the_variable_a_name_of_the_list_comes_before_a_folder(config, tmp_path, monkeypatch):
    known = RegistryConfig(location="https://host/styles", root=tmp_path / "root.json")
    write_registries({"museum": known})
    for name in ("museum", "mine"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STYLEZOO_REGISTRIES", "museum,mine")
    assert read_registries() == {
        "museum": known,
        "mine": RegistryConfig(location=str(tmp_path / "mine")),
    }
    monkeypatch.setenv("STYLEZOO_REGISTRIES", "./museum")
    assert read_registries() == {"museum": RegistryConfig(location=str(tmp_path / "museum"))}


def test_sources_come_in_the_order_of_the_list(config, tmp_path, toy_style):
    registry = KeptRegistry(tmp_path / "kept", toy_style)
    catalog = stylezoo.Catalog.discover()
    assert list(all_sources(catalog)) == ["embedded"]
    plain = RegistryConfig(location=str(tmp_path))
    write_registries({"team": registry.config(), "plain": plain})
    assert list(all_sources(catalog)) == ["embedded", "team", "plain"]
    write_registries({"team": registry.config(), "embedded": None, "plain": plain})
    sources = all_sources(catalog)
    assert list(sources) == ["team", "embedded", "plain"]
    assert isinstance(sources["plain"], FolderSource)
    assert sources["team"].names() == ["toy"]


def test_a_registry_that_cannot_be_is_left_out_with_a_warning(config, tmp_path):
    catalog = stylezoo.Catalog.discover()
    gone = RegistryConfig(location="https://host/styles", root=tmp_path / "gone.json")
    write_registries({"team": gone})
    with pytest.warns(RegistryWarning, match=r"'team' is left out: the trusted root .* No such"):
        assert list(all_sources(catalog)) == ["embedded"]
    write_registries({"nobodys": None})
    with pytest.warns(RegistryWarning, match="no plugin provides a source 'nobodys'"):
        assert list(all_sources(catalog)) == ["embedded"]
    write_registries({"embedded": RegistryConfig(location=str(tmp_path))})
    with pytest.warns(RegistryWarning, match="a plugin's source has this name"):
        assert all_sources(catalog)["embedded"].location != str(tmp_path)


class Plugin:
    """Registers a registry, as a package that ships its root and seed would."""

    def __init__(self, target):
        self.target = target

    @stylezoo.hookimpl
    def register_registries(self, register):
        register("theirs", self.target)


def test_a_plugin_brings_a_registry(config, tmp_path, toy_style, monkeypatch):
    registry = KeptRegistry(tmp_path / "kept", toy_style)
    module = tmp_path / "brought_registry.py"
    module.write_text(
        "from pathlib import Path\nfrom stylezoo.registry.config import RegistryConfig\n"
        f"root = Path({str(registry.root)!r})\n"
        f"good = RegistryConfig(location={str(registry.folder)!r}, root=root)\n"
        "bad = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    catalog = stylezoo.Catalog()
    catalog.add(Plugin("brought_registry:good"), "good")
    sources = all_sources(catalog)
    assert list(sources) == ["theirs"]
    assert sources["theirs"].names() == ["toy"]
    catalog = stylezoo.Catalog()
    catalog.add(Plugin("brought_registry:bad"), "bad")
    with pytest.warns(stylezoo.plugin_loader.PluginWarning, match="3 is not a RegistryConfig"):
        assert all_sources(catalog) == {}

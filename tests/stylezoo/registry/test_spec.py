"""How users refer to a style in a repository on the Hub."""

import pytest

from stylezoo.errors import InvalidSpecError
from stylezoo.registry.spec import StyleSpec, is_repository


@pytest.mark.parametrize(
    ("text", "repository", "versions", "shares"),
    [
        ("alice/ink", "alice/ink", "", {}),
        ("alice/ink@1", "alice/ink", "==1.*", {}),
        ("Alice_1/ink.v2@1.2.0", "Alice_1/ink.v2", "==1.2.0", {}),
        ("alice/ink@1.0rc1", "alice/ink", "==1.0rc1", {}),
        ("alice/ink@1.0.dev1", "alice/ink", "==1.0.dev1", {}),
        ("alice/ink@1!2.0.0", "alice/ink", "==1!2.0.0", {}),
        ("alice/ink@>=1,<2", "alice/ink", "<2,>=1", {}),
        ("alice/museum:monet", "alice/museum", "", {"monet": 1.0}),
        ("alice/museum@1:monet=.5,manet=.5", "alice/museum", "==1.*", {"monet": 0.5, "manet": 0.5}),
    ],
)
def test_repositories(text, repository, versions, shares):
    spec = StyleSpec.parse(text)
    assert (spec.name, spec.path, spec.repository) == (None, None, repository)
    assert str(spec.versions) == versions
    assert spec.shares == shares


def test_a_style_of_a_pack_that_is_named_twice_is_refused():
    with pytest.raises(InvalidSpecError, match="'alice/museum:monet,monet' names 'monet' twice"):
        StyleSpec.parse("alice/museum:monet,monet")


def test_a_path_that_is_there_is_the_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alice" / "ink").mkdir(parents=True)
    assert StyleSpec.parse("alice/ink").repository is None
    assert StyleSpec.parse("alice/ink:monet").path is not None
    assert StyleSpec.parse("alice/ink@1").repository == "alice/ink"
    assert StyleSpec.parse("alice/other").repository == "alice/other"


@pytest.mark.parametrize(
    "text",
    [
        "alice",
        "alice/",
        "/ink",
        "alice/ink/x",
        "./ink",
        "../ink",
        "alice/..",
        "a--b/ink",
        "alice/ink.git",
        "alice/-ink",
        "alice/ink.",
        "alice/ink.safetensors",
        "alice/ink\n",
        "alice/\u00efnk",
        "alice/in k",
        f"alice/{'x' * 100}",
    ],
)
def test_what_is_no_repository(text):
    assert not is_repository(text)

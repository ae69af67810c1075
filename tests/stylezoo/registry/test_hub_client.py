"""What huggingface_hub does not provide by itself: time limits, retries, our own errors."""

import time

import huggingface_hub
import pytest

from stylezoo.errors import OfflineError, OptionError, UnavailableError
from stylezoo.registry.hub_client import HubClient, HubRefusal, hub_endpoint
from tests.hub.http import Fault

INK = "alice/ink"


def test_the_endpoint_is_read_when_it_is_wanted(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror.example/")
    assert hub_endpoint() == "http://mirror.example"
    url = HubClient().file_url(INK, "a b/c.txt", "v1.0/x")
    assert url == "http://mirror.example/alice/ink/resolve/v1.0%2Fx/a%20b/c.txt"
    monkeypatch.setenv("HF_ENDPOINT", "")
    assert hub_endpoint() == "https://huggingface.co"


@pytest.mark.parametrize("text", ["huggingface.co", "ftp://host", "https://", "file:///x", "x y"])
def test_an_endpoint_that_is_no_address(monkeypatch, text):
    monkeypatch.setenv("HF_ENDPOINT", text)
    with pytest.raises(OptionError, match="HF_ENDPOINT is"):
        HubClient()


def test_what_the_hub_says(hub, ink, monkeypatch):
    client = HubClient()
    commit = hub.repositories[INK].main
    assert client.tags(INK) == {"v1.0.0": commit}
    assert client.repository(INK).head == commit
    there = client.files(INK, commit)
    assert there.keys() == {".gitattributes", *ink}
    assert all(there[path].size == len(content) for path, content in ink.items())
    assert there["model.safetensors"].sha256 is not None
    assert there["README.md"].sha256 is None
    assert client.repositories_of("alice") == [INK]
    with pytest.raises(HubRefusal) as caught:
        client.tags("alice/none")
    assert caught.value.missing


def test_a_hub_that_stalls_once_is_asked_again(hub, ink, monkeypatch):
    monkeypatch.setenv("STYLEZOO_TIMEOUT", "0.5")
    hub.faults.append(Fault(pattern="refs", stall_after=5, delay=3))
    begun = time.monotonic()
    assert list(HubClient().tags(INK)) == ["v1.0.0"]
    assert time.monotonic() - begun < 2.5


def test_a_hub_that_always_stalls_is_given_up(hub, ink, monkeypatch):
    monkeypatch.setenv("STYLEZOO_TIMEOUT", "0.2")
    hub.faults.append(Fault(pattern="refs", delay=5, times=-1))
    begun = time.monotonic()
    with pytest.raises(UnavailableError, match=r"did not respond within 0\.2 s, after 4 tries"):
        HubClient().tags(INK)
    assert time.monotonic() - begun < 4


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"tags": 1, "branches": [], "converts": []}',
        b"\xff",
        b"[" * 9999,
    ],
)
def test_an_answer_that_is_none_of_a_hub(hub, ink, body):
    hub.faults.append(Fault(pattern="refs", body=body))
    with pytest.raises(UnavailableError, match="does not respond like a Hub"):
        HubClient().tags(INK)


def test_a_redirect_to_a_name_that_no_host_can_have(hub, ink):
    target = {"Location": "http://a..b/x"}
    hub.faults.append(Fault(pattern="refs", status=302, headers=target, times=-1))
    with pytest.raises(UnavailableError, match="check the address"):
        HubClient().tags(INK)


def test_a_proxy_that_is_no_address_is_named_without_its_password(hub, ink, monkeypatch):
    monkeypatch.delenv("NO_PROXY", raising=False)
    for proxy in ("http://ann:sec#ret@proxy.invalid:1", "ftp://ann:secret@proxy.invalid:1"):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        huggingface_hub.close_session()  # it reads the variables only when it opens one
        with pytest.raises(UnavailableError, match=r"through the proxy \w+://proxy\.in") as caught:
            HubClient().tags(INK)
        assert "sec" not in str(caught.value)
    huggingface_hub.close_session()


def test_an_error_of_ours_comes_through(hub):
    def offline(api):
        raise OfflineError("ours")

    with pytest.raises(OfflineError, match="ours"):
        HubClient().call(offline, what="this")


def test_advice_is_left_out_if_the_hub_does_not_give_it(hub, ink):
    hub.faults.append(Fault(pattern="/api/models", status=404))
    assert HubClient().repositories_of("alice") == []


def test_huggingface_hub_says_nothing_on_our_behalf(hub, ink, capfd):
    hub.faults.append(Fault(pattern="/tree/", status=500))  # it retries by itself, and says so
    client = HubClient()
    assert client.files(INK, hub.repositories[INK].main)
    assert capfd.readouterr().err == ""

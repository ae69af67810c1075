"""Faults 7 to 13 and 17 to 23: a Hub that is broken, hostile, unreachable or busy.

Each test uses a style in the repository ``alice/ink`` on a local Hub, which the real
huggingface_hub and our own downloads talk to.
"""

import json
import os
import shutil
import subprocess
import sys
import time

import pytest
from packaging.version import Version

from stylezoo.errors import (
    AuthError,
    OfflineError,
    RegistryError,
    StyleNotFoundError,
    UnavailableError,
    VersionNotFoundError,
)
from stylezoo.registry.hub_repository import HubRepository
from stylezoo.registry.publishing import Destination, publish_style
from stylezoo.registry.resolve import resolve
from stylezoo.registry.spec import StyleSpec
from tests.hub.http import Fault
from tests.hub.server import Hub

INK = "alice/ink"
TOKEN = "hf_secretsecret"

TAGS = "GET /api/models/alice/ink/refs"
RECORD = r"GET /alice/ink/resolve/\w+/style.toml"
LARGE = "GET /lfs/"
EVERYWHERE = [TAGS, RECORD, LARGE]

PAGE = b"<!DOCTYPE html><html><body>Welcome to the hotel's network</body></html>"


def fetch(spec=INK):
    return resolve(StyleSpec.parse(spec), {}).folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def run(*arguments, **environment):
    """Run the command line in its own process, which must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "stylezoo", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("where", EVERYWHERE)
def test_fault_07_a_hub_that_asks_to_wait_is_waited_for(hub, ink, where):
    hub.faults.append(Fault(pattern=where, status=429, headers={"Retry-After": "1"}))
    begun = time.monotonic()
    assert contents(fetch()) == ink
    assert time.monotonic() - begun >= 1


@pytest.mark.parametrize("where", EVERYWHERE)
def test_fault_07_a_hub_that_asks_to_wait_for_a_day_is_not(hub, ink, where):
    hub.faults.append(Fault(pattern=where, status=429, headers={"Retry-After": "99999"}))
    begun = time.monotonic()
    with pytest.raises(UnavailableError, match="99999 s"):
        fetch()
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("status", [500, 502, 503])
@pytest.mark.parametrize("where", EVERYWHERE)
def test_fault_08_a_hub_that_fails_once_is_asked_again(hub, ink, where, status):
    hub.faults.append(Fault(pattern=where, status=status))
    assert contents(fetch()) == ink


@pytest.mark.parametrize("where", EVERYWHERE)
def test_fault_08_a_hub_that_always_fails_is_given_up_with_the_reason(hub, ink, where, fails):
    hub.faults.append(Fault(pattern=where, status=503, times=-1))
    assert "returned 503" in fails("fetch", INK)
    assert len(hub.log.lines(where)) == 4
    hub.log.clear()
    assert contents(fetch()) == ink


def test_fault_08_a_style_that_is_here_needs_no_hub(hub, ink):
    folder = fetch()
    hub.log.clear()
    hub.faults.append(Fault(pattern="", status=503, times=-1))
    assert fetch() == fetch("alice/ink@1") == folder
    assert hub.requests == []


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("where", EVERYWHERE)
def test_fault_09_a_request_that_is_dropped_is_made_again(hub, ink, where, reset):
    hub.faults.append(Fault(pattern=where, drop="request", reset=reset))
    assert contents(fetch()) == ink


@pytest.mark.parametrize("reset", [False, True])
def test_fault_09_a_style_that_is_here_outlives_a_line_that_drops_all(hub, ink, reset, unchanged):
    folder = fetch()
    hub.faults.append(Fault(pattern="", drop="request", reset=reset, times=-1))
    assert fetch() == folder
    with unchanged(folder), pytest.raises(UnavailableError, match="cannot be reached"):
        HubRepository(INK).refresh()


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("where", EVERYWHERE)
def test_fault_10_no_access_is_told_at_once_without_the_token(hub, ink, where, status, fails):
    # A hostile Hub may echo the token.
    said = {"X-Error-Message": f"{TOKEN} is bad"}
    hub.faults.append(Fault(pattern=where, status=status, headers=said, times=-1))
    message = fails("fetch", INK, HF_TOKEN=TOKEN)
    sent = "without a token" if where == LARGE else "with the token that was sent"
    assert f"refuses access {sent}" in message
    assert "HF_TOKEN" in message
    assert TOKEN not in message
    assert len(hub.log.lines(where)) == 1


def test_fault_10_a_gated_repository_is_no_access(hub, ink):
    hub.add("alice/gated", ink, tag="v1.0.0", gated=True)
    with pytest.raises(AuthError, match="without a token"):
        fetch("alice/gated")


def test_fault_10_a_private_repository_opens_to_the_right_token_alone(hub, ink, monkeypatch):
    hub.token = TOKEN
    hub.add("alice/private", ink, tag="v1.0.0", private=True)
    with pytest.raises(
        StyleNotFoundError, match="or it is private and HF_TOKEN does not give access"
    ):
        fetch("alice/private")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(AuthError, match="refuses access with the token") as caught:
        fetch("alice/private")
    assert "hf_wrong" not in str(caught.value)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert contents(fetch("alice/private")) == ink


def test_fault_10_a_token_that_cannot_be_sent_is_not_printed(hub, ink, fails):
    message = fails("fetch", INK, HF_TOKEN="hf_geheim\u00e9")
    assert "token" in message
    assert "geheim" not in message
    assert hub.log.lines(INK) == []


def test_fault_11_a_repository_that_is_not_there_is_answered_with_a_near_one(hub, ink, fails):
    with pytest.raises(StyleNotFoundError, match="did you mean 'alice/ink'"):
        fetch("alice/inc")
    assert "there is no repository 'bob/ink'" in fails("fetch", "bob/ink")


def test_fault_11_a_version_that_is_not_there_is_answered_with_those_there_are(hub, ink):
    with pytest.raises(VersionNotFoundError, match=r"no version 2; it has: 1\.0\.0"):
        fetch("alice/ink@2")
    hub.add("alice/none", ink)
    with pytest.raises(VersionNotFoundError, match="none of its tags looks like"):
        fetch("alice/none")


def test_fault_11_files_that_are_not_there(hub, ink):
    hub.add("alice/model", {"README.md": b"# No style"}, tag="v1.0.0")
    with pytest.raises(VersionNotFoundError, match=r"holds no style\.toml"):
        fetch("alice/model")
    hub.add("alice/half", {"style.toml": ink["style.toml"]}, tag="v1.0.0")
    with pytest.raises(RegistryError, match=r"has no .*safetensors of alice/half 1\.0\.0"):
        fetch("alice/half")


@pytest.mark.parametrize("where", EVERYWHERE)
def test_fault_12_a_captive_portal_is_no_hub(hub, ink, where, fails):
    page = {"Content-Type": "text/html", "Location": None}
    hub.faults.append(Fault(pattern=where, status=200, body=PAGE, headers=page, times=-1))
    assert "captive portal" in fails("fetch", INK)
    hub.log.clear()
    assert contents(fetch()) == ink


@pytest.mark.parametrize("where", EVERYWHERE)
def test_fault_13_redirects_in_a_circle_end(hub, ink, where):
    circle = {"Location": "/alice/ink/resolve/main/style.toml"}
    hub.faults.append(Fault(pattern=f"{where}|resolve/main", status=302, headers=circle, times=-1))
    with pytest.raises(UnavailableError, match="redirect"):
        fetch()


@pytest.mark.parametrize("where", EVERYWHERE)
def test_fault_13_a_redirect_to_a_file_of_this_machine_is_refused(hub, ink, where):
    passwords = {"Location": "file:///etc/passwd"}
    hub.faults.append(Fault(pattern=where, status=302, headers=passwords, times=-1))
    with pytest.raises(UnavailableError, match="redirect"):
        fetch()


def test_fault_13_the_token_stays_with_the_hub(hub, ink, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    away = {"Location": f"{hub.cdn_url}/elsewhere"}
    hub.faults.append(Fault(pattern="refs", status=302, headers=away))
    with pytest.raises(StyleNotFoundError):  # nothing is there
        fetch()
    assert contents(fetch()) == ink
    with_token = {one.listener for one in hub.requests if "authorization" in one.headers}
    without = {one.listener for one in hub.requests if "authorization" not in one.headers}
    assert with_token == {"hub"}
    assert "cdn" in without


@pytest.mark.parametrize(
    "name", ["../../../../pwned", "/tmp/pwned", r"..\..\pwned", "C:\\pwned", "x" * 10_000, "a\x00b"]
)
def test_fault_17_no_header_names_a_file(hub, ink, name, tmp_path):
    hostile = dict.fromkeys(
        ["ETag", "X-Linked-Etag", "X-Repo-Commit", "Content-Disposition", "X-Xet-Hash"], name
    )
    if "\x00" in name:  # no HTTP library accepts it
        hostile = {"ETag": name.replace("\x00", "%00")}
    hub.faults.append(Fault(pattern="resolve|lfs", headers=hostile, times=-1))
    assert contents(fetch()) == ink
    assert {path.name for path in tmp_path.iterdir()} <= {"cache", "hf"}
    assert not list(tmp_path.rglob("*pwned*"))


@pytest.mark.parametrize("commit", ["../../../../pwned", "main", "a" * 39, "A" * 40, "", None, 7])
def test_fault_17_a_commit_that_is_none_is_refused(hub, ink, commit):
    refs = {
        "branches": [],
        "converts": [],
        "tags": [{"name": "v1.0.0", "ref": "refs/tags/v1.0.0", "targetCommit": commit}],
    }
    hub.faults.append(Fault(pattern=TAGS, body=json.dumps(refs).encode()))
    with pytest.raises(RegistryError, match="not a commit of 40 hex digits"):
        fetch()


def test_fault_17_a_tag_that_is_no_version_is_passed_over(hub, ink):
    repository = hub.repositories[INK]
    for tag in ("v../../../pwned", "v1.0", "1.0.1", "v", "vv2.0.0", "v2.0.0/../x", "v3.0.0+local"):
        repository.tags[tag] = repository.main
    assert HubRepository(INK).versions(INK) == [Version("1.0.0")]


def test_fault_18_a_place_for_xet_on_this_machine_is_not_written_to(
    toy_style, tmp_path, monkeypatch, hub
):
    place = tmp_path / "chosen-by-the-hub"
    with Hub(token=TOKEN, xet=f"local://{place}") as hostile:
        monkeypatch.setenv("HF_ENDPOINT", hostile.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        publish_style(toy_style, Destination(repository=INK))
        assert contents(fetch()) == contents(toy_style)
        assert hostile.log.lines("xet-") == []
    assert not place.exists()


def test_fault_19_a_tag_that_moves_changes_no_version(hub, ink, unchanged):
    folder = fetch()
    other = {**ink, "style.toml": ink["style.toml"].replace(b"for tests", b"by a thief")}
    moved = hub.add(INK, other, tag="v1.0.0")
    with unchanged(folder):
        done = run("update", STYLEZOO_REGISTRIES="")
    assert f"tag of alice/ink 1.0.0 is now on commit {moved}" in done.stderr
    assert fetch() == folder
    # Even if the files are lost, the version stays the same.
    shutil.rmtree(folder)
    assert contents(fetch()) == ink


def test_fault_20_a_dead_proxy_is_named_without_its_password(hub, ink, fails):
    proxy = {"HTTP_PROXY": "http://me:geheim@127.0.0.1:9", "NO_PROXY": ""}
    begun = time.monotonic()
    message = fails("fetch", INK, **proxy)
    assert time.monotonic() - begun < 10
    assert "the proxy http://127.0.0.1:9" in message
    assert "geheim" not in message
    HubRepository(INK).versions(INK)  # without the proxy; now the download meets it
    message = fails("fetch", INK, **proxy)
    assert "the proxy http://127.0.0.1:9" in message
    assert "geheim" not in message


def test_fault_21_a_hub_that_is_gone_is_missed_only_for_what_is_not_here(hub, ink, monkeypatch):
    folder = fetch()
    hub.stop()
    assert fetch() == folder
    with pytest.raises(UnavailableError, match="cannot be reached"):
        fetch("alice/other")
    monkeypatch.setenv("HF_ENDPOINT", "http://nowhere.invalid")
    assert fetch() == folder
    with pytest.raises(UnavailableError, match=r"http://nowhere\.invalid cannot be reached"):
        fetch("alice/other")


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "STYLEZOO_OFFLINE"])
def test_fault_22_offline_asks_nothing(hub, ink, variable, monkeypatch, fails):
    folder = fetch()
    hub.add(INK, ink, tag="v1.1.0")
    HubRepository(INK).refresh()
    hub.log.clear()
    monkeypatch.setenv(variable, "1")
    assert fetch() == fetch("alice/ink@1.0.0") == folder
    with pytest.raises(OfflineError, match=f"unset {variable} and run: stylezoo fetch alice/ink"):
        fetch("alice/ink@1.1.0")
    assert f"{variable} forbids the network" in fails("fetch", "alice/other")
    assert "folder" in run("fetch", INK, "--json").stdout
    assert hub.requests == []


SIXTEEN = """
import os
import huggingface_hub, requests, torch
from stylezoo.registry.resolve import resolve
from stylezoo.registry.spec import StyleSpec

for _ in range(16):
    if os.fork() == 0:
        folder = resolve(StyleSpec.parse("alice/ink@1"), {}).folder
        os.write(1, f"{folder}\\n".encode())  # in one piece, unlike print
        os._exit(0)
print([os.wait()[1] for _ in range(16)])
"""


def test_fault_23_of_sixteen_processes_one_fetches_from_the_hub(hub, ink):
    done = subprocess.run(
        [sys.executable, "-c", SIXTEEN], capture_output=True, text=True, timeout=120
    )
    *folders, codes = done.stdout.splitlines()
    assert codes == str([0] * 16), done.stderr
    assert folders == [str(fetch())] * 16
    assert contents(fetch()) == ink
    assert len(hub.log.lines("resolve/.*/model.safetensors")) == 1

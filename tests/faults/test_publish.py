"""Fault 56: publishing to a Hub that fails midway, or to which others publish."""

import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from stylezoo.errors import AuthError, IntegrityError, PublishError, UnavailableError, WeightsError
from stylezoo.registry.publishing import Destination, publish_style
from stylezoo.registry.resolve import resolve
from stylezoo.registry.spec import StyleSpec
from tests.hub.http import Fault

INK = "org/ink"
TO = Destination(repository=INK)
TOKEN = "hf_secretsecret"

COMMIT = "POST /api/models/org/ink/commit/"
TAG = "POST /api/models/org/ink/tag/"


@pytest.fixture
def hub(hub, monkeypatch):
    """A Hub that requires a token, which we have."""
    hub.token = TOKEN
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    return hub


def is_published(hub, folder):
    """Whether the version has its tag and all of its files, added in one commit."""
    repository = hub.repositories[INK]
    tree = repository.commits[repository.tags["v1.0.0"]]
    there = {path: file.content for path, file in tree.items() if path != ".gitattributes"}
    fetched = resolve(StyleSpec.parse("org/ink@1.0.0"), {}).folder
    return (
        there
        == {path.name: path.read_bytes() for path in folder.iterdir()}
        == {path.name: path.read_bytes() for path in fetched.iterdir()}
        and len(repository.commits) == 2
    )


def during(hub, pattern, action):
    """Run an action in a thread as soon as a matching request has arrived."""

    def wait():
        while not hub.log.lines(pattern):
            time.sleep(0.01)
        action()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize(
    "where",
    [
        "POST /api/repos/create",
        "GET /api/models/org/ink/",
        "PUT /lfs/",
        "POST /org/ink.git/info/lfs/objects/batch",
        "POST /api/models/org/ink/preupload",
        COMMIT,
        TAG,
    ],
)
@pytest.mark.parametrize(
    "fault", [{"status": 500}, {"drop": "request"}, {"drop": "request", "reset": True}]
)
def test_fault_56_what_fails_once_is_done_again(hub, toy_style, where, fault):
    hub.faults.append(Fault(pattern=where, **fault))
    assert publish_style(toy_style, TO).status == "published"
    assert is_published(hub, toy_style)


@pytest.mark.parametrize("where", ["POST /api/repos/create", COMMIT, TAG])
def test_fault_56_a_lost_answer_is_read_again(hub, toy_style, where):
    hub.faults.append(Fault(pattern=where, drop="answer"))
    assert publish_style(toy_style, TO).status == "published"
    assert is_published(hub, toy_style)
    assert len(hub.log.lines(COMMIT)) == 1
    assert len(hub.log.lines(TAG)) == 1


def test_fault_56_a_hub_that_takes_no_commit_has_nothing_and_the_next_run_does_it(hub, toy_style):
    hub.faults.append(Fault(pattern=COMMIT, status=503, times=-1))
    with pytest.raises(PublishError, match=r"nothing was published .*503"):
        publish_style(toy_style, TO)
    repository = hub.repositories[INK]
    assert list(repository.commits) == [repository.main]
    assert repository.tags == {}
    hub.log.clear()
    assert publish_style(toy_style, TO).status == "published"
    assert is_published(hub, toy_style)
    assert publish_style(toy_style, TO).status == "unchanged"


def test_fault_56_a_tag_that_fails_is_put_by_the_next_run(hub, toy_style):
    hub.faults.append(Fault(pattern=TAG, status=503, times=-1))
    with pytest.raises(PublishError, match=r"not tagged as v1\.0\.0.*run the command again"):
        publish_style(toy_style, TO)
    hub.log.clear()
    assert publish_style(toy_style, TO).status == "published"
    assert is_published(hub, toy_style)
    assert hub.log.lines(COMMIT) == []


def test_fault_56_a_hub_that_falls_silent_is_not_said_to_have_nothing(hub, toy_style):
    hub.faults.append(Fault(pattern=COMMIT, drop="answer"))
    hub.faults.append(Fault(pattern="GET /api/models/org/ink/revision", skip=2, drop="request"))
    hub.faults[-1].times = -1
    with pytest.raises(PublishError, match="it is unknown whether"):
        publish_style(toy_style, TO)
    hub.log.clear()
    assert publish_style(toy_style, TO).status == "published"
    assert is_published(hub, toy_style)


def test_fault_56_somebody_else_who_commits_meanwhile_is_not_overwritten(hub, toy_style):
    hub.add(INK, {"README.md": b"# Ink"})
    hub.faults.append(Fault(pattern=COMMIT, delay=0.5))
    thread = during(hub, COMMIT, lambda: hub.add(INK, {"README.md": b"# Mine"}))
    with pytest.raises(PublishError, match=r"someone else changed .* check what changed"):
        publish_style(toy_style, TO)
    thread.join()
    repository = hub.repositories[INK]
    assert repository.commits[repository.main]["README.md"].content == b"# Mine"
    assert repository.tags == {}


def test_fault_56_a_tag_is_never_moved(hub, toy_style):
    before = hub.add(INK, {"style.toml": b"other"}, tag="v1.0.0")
    with pytest.raises(PublishError, match="a version never changes: give the style a new version"):
        publish_style(toy_style, TO)
    assert hub.repositories[INK].tags == {"v1.0.0": before}
    assert hub.repositories[INK].main == before


def test_fault_56_a_tag_that_somebody_else_puts_meanwhile_is_left_there(hub, toy_style):
    before = hub.add(INK, {"README.md": b"# Ink"})
    hub.faults.append(Fault(pattern=TAG, delay=0.5))
    thread = during(hub, TAG, lambda: hub.repositories[INK].tags.update({"v1.0.0": before}))
    with pytest.raises(PublishError, match="on another commit"):
        publish_style(toy_style, TO)
    thread.join()
    assert hub.repositories[INK].tags == {"v1.0.0": before}


def test_fault_56_without_a_token_nothing_is_asked(hub, toy_style, monkeypatch, fails):
    monkeypatch.delenv("HF_TOKEN")
    message = fails("publish", toy_style, "--to", "hub:org/ink")
    assert "there is no token for writing to org/ink" in message
    assert hub.log.lines("org/ink|create") == []


@pytest.mark.parametrize("status", [401, 403])
def test_fault_56_a_token_without_the_right_is_told_and_not_printed(hub, toy_style, status):
    said = {"X-Error-Message": f"{TOKEN} may not"}
    hub.faults.append(Fault(pattern=COMMIT, status=status, headers=said))
    with pytest.raises(AuthError, match="refuses access with the token") as caught:
        publish_style(toy_style, TO)
    assert TOKEN not in str(caught.value)
    assert len(hub.log.lines(COMMIT)) == 1


def test_fault_56_a_stranger_cannot_make_a_repository(hub, toy_style, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    with pytest.raises(AuthError):
        publish_style(toy_style, TO)
    assert hub.repositories == {}


def test_fault_56_weights_that_are_not_right_are_refused_before_any_request(
    hub, toy_style, tmp_path
):
    import torch
    from safetensors.torch import load_file, save_file

    from stylezoo.registry.record_io import read_record

    folder = tmp_path / "style"
    shutil.copytree(toy_style, folder)
    weights = folder / read_record(folder).file("weights").path
    content = weights.read_bytes()

    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(IntegrityError, match="its record says"):
        publish_style(folder, TO)

    tensors = load_file(weights)
    next(iter(tensors.values())).view(-1)[0] = torch.nan
    save_file(tensors, weights)
    vouch_for(folder, weights)
    with pytest.raises(WeightsError, match="has non-finite values in"):
        publish_style(folder, TO)
    assert hub.requests == []


def vouch_for(folder, changed):
    """Update the size and hash of a file in the record."""
    import dataclasses

    from stylezoo.registry.record_io import read_record, render_record
    from stylezoo.registry.verify import sha256_of

    record = read_record(folder)
    files = tuple(
        dataclasses.replace(file, size=changed.stat().st_size, sha256=sha256_of(changed))
        if file.path == changed.name
        else file
        for file in record.files
    )
    text = render_record(dataclasses.replace(record, files=files))
    (folder / "style.toml").write_text(text)


def test_fault_56_a_hub_that_is_not_there(hub, toy_style):
    hub.stop()
    with pytest.raises(UnavailableError, match="cannot be reached"):
        publish_style(toy_style, TO)


@pytest.mark.parametrize(
    ("where", "carried_out"), [("PUT /lfs/", False), (COMMIT, True), (TAG, True)]
)
def test_fault_56_after_a_kill_the_next_run_goes_on(hub, toy_style, where, carried_out):
    stall = {"stall_after": 0} if carried_out else {}
    hub.faults.append(Fault(pattern=where, delay=1, **stall))
    script = (
        "import sys, pathlib\n"
        "from stylezoo.registry.publishing import Destination, publish_style\n"
        "publish_style(pathlib.Path(sys.argv[1]), Destination(repository='org/ink'))"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(toy_style)])
    during(hub, where, lambda: (time.sleep(0.3), process.kill())).join()
    assert process.wait() == -signal.SIGKILL
    time.sleep(1)  # the Hub carries out the request, or not, before we go on
    repository = hub.repositories.get(INK)
    assert repository is None or set(repository.tags.values()) <= {repository.main}
    publish_style(toy_style, TO)
    assert is_published(hub, toy_style)

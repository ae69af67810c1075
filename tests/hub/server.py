"""A local Hugging Face Hub: the part of its HTTP protocol that models need.

Two listeners have separate origins, as in reality: the Hub, and the CDN that serves large files.
Any client that honours HF_ENDPOINT can be pointed at ``Hub.url``. The protocol follows
https://huggingface.co/docs/hub/api and huggingface_hub 2.4.0, whose downloads and uploads were
tried with it.

    with Hub() as hub:
        commit = hub.add("alice/ink", {"README.md": b"# Ink"}, tag="v1.0.0")
        hub.faults.append(Fault(pattern="GET /alice/ink/resolve", status=503))

``python -m tests.hub.server [PORT]`` serves an empty one and prints its address.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from tests.hub.http import Answer, Fault, Listener, Log, Request, ranged
from tests.hub.repository import RepoFile, Repository

LARGE = 10_000
"""Files of so many bytes are large, whatever their name."""

LARGE_SUFFIXES = (".safetensors", ".bin", ".jpg", ".png", ".onnx")

USER = "tester"
"""Whom the token belongs to."""

Route = Callable[["Hub", Request, "re.Match[str]"], Answer]
_ROUTES: list[tuple[re.Pattern[str], Route]] = []


class Hub:
    """A Hub with its CDN.

    Args:
        port: of the Hub; 0 for a free one.
        token: the only valid token, required for all changes and for private repositories; None
            for a Hub that allows everybody everything.
        xet: the address of a CAS server; if given, large files are offered through xet.

    Attributes:
        url: the Hub's address, for HF_ENDPOINT.
        faults: to inject; see ``Fault``.
        repositories: by name.
    """

    def __init__(self, *, port: int = 0, token: str | None = None, xet: str | None = None) -> None:
        self.token = token
        self.xet = xet
        self.log = Log()
        self.repositories: dict[str, Repository] = {}
        self._uploads: dict[str, bytes] = {}
        self._lock = threading.RLock()
        # localhost and 127.0.0.1, so that clients that compare only hosts also see two origins.
        self._cdn = Listener(name="cdn", host="localhost", respond=self._serve_file, log=self.log)
        self._hub = Listener(
            name="hub", host="127.0.0.1", respond=self._respond, log=self.log, port=port
        )
        self.url = self._hub.url
        self.cdn_url = self._cdn.url

    @property
    def faults(self) -> list[Fault]:
        """The faults to inject; the first that matches a request hits it."""
        return self.log.faults

    @property
    def requests(self) -> list[Request]:
        """The requests to both listeners so far."""
        return self.log.requests

    def __enter__(self) -> Hub:
        self._cdn.start()
        self._hub.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop both listeners: connections are refused from now on."""
        self._hub.stop()
        self._cdn.stop()

    def add(
        self,
        name: str,
        files: Mapping[str, bytes],
        *,
        tag: str | None = None,
        private: bool = False,
        gated: bool = False,
    ) -> str:
        """Put files into a repository, as someone else would have done.

        Args:
            name: of the repository, which is created if missing.
            files: content by path, added to the existing files.
            tag: to put on the commit; an existing one moves.
            private: for a new repository.
            gated: for a new repository.

        Returns:
            The commit id.
        """
        with self._lock:
            if name not in self.repositories:
                self.repositories[name] = Repository(name, private=private, gated=gated)
            repository = self.repositories[name]
            added = {
                path: RepoFile(content=content, lfs=_is_large(path, len(content)))
                for path, content in files.items()
            }
            commit = repository.commit({**repository.commits[repository.main], **added})
            if tag is not None:
                repository.tags[tag] = commit
            return commit

    def _respond(self, request: Request) -> Answer:
        refusal = self._check_token(request)
        if refusal is not None:
            return refusal
        method = "GET" if request.method == "HEAD" else request.method
        for pattern, route in _ROUTES:
            found = pattern.fullmatch(f"{method} {request.path}")
            if found:
                with self._lock:
                    return route(self, request, found)
        return _error(404, "", "there is no such endpoint")

    def _check_token(self, request: Request) -> Answer | None:
        if self.token is None or self._knows(request):
            return None
        if "authorization" in request.headers:
            return _error(401, "", "Invalid credentials in Authorization header")
        if request.method in ("POST", "PUT", "DELETE") and "/paths-info/" not in request.path:
            return _error(401, "", "Invalid username or password.")
        return None

    def _knows(self, request: Request) -> bool:
        return self.token is None or request.headers.get("authorization") == f"Bearer {self.token}"

    def _repository(self, request: Request, quoted: str) -> Repository | Answer:
        name = unquote(quoted)
        repository = self.repositories.get(name)
        if repository is None or (repository.private and not self._knows(request)):
            # The Hub does not tell strangers whether it is missing or private.
            status = 404 if self._knows(request) else 401
            return _error(status, "RepoNotFound", "Repository not found")
        return repository

    def _commit(self, request: Request, quoted: str, revision: str) -> _AtCommit | Answer:
        repository = self._repository(request, quoted)
        if isinstance(repository, Answer):
            return repository
        commit = repository.resolve(unquote(revision))
        if commit is None:
            return _error(404, "RevisionNotFound", f"Invalid rev id: {unquote(revision)}")
        return _AtCommit(repository, commit)

    def _serve_file(self, request: Request) -> Answer:
        """Answer for the CDN: download and upload large files by their sha256."""
        found = re.fullmatch(r"/lfs/([0-9a-f]{64})", request.path)
        if found is None:
            return Answer(status=404)
        if request.method == "PUT":
            if hashlib.sha256(request.body).hexdigest() != found[1]:
                return Answer(status=400, body=b"sha256 mismatch", content_type="text/plain")
            self._uploads[found[1]] = request.body
            return Answer(headers={"ETag": f'"{hashlib.md5(request.body).hexdigest()}"'})
        content = self._large_file(found[1])
        if content is None:
            return Answer(status=404)
        answer = ranged(request, content)
        answer.headers["ETag"] = f'"{found[1]}"'
        return answer

    def _large_file(self, sha256: str) -> bytes | None:
        if sha256 in self._uploads:
            return self._uploads[sha256]
        for repository in self.repositories.values():
            for tree in repository.commits.values():
                for file in tree.values():
                    if file.lfs and file.sha256 == sha256:
                        return file.content
        return None


class _AtCommit:
    """A repository at one of its commits."""

    def __init__(self, repository: Repository, commit: str) -> None:
        self.repository = repository
        self.commit = commit
        self.tree = repository.commits[commit]


def _route(pattern: str) -> Callable[[Route], Route]:
    def keep(route: Route) -> Route:
        _ROUTES.append((re.compile(pattern), route))
        return route

    return keep


_NAME = r"(?P<repo>[^/]+/[^/]+)"
_API = rf"/api/models/{_NAME}"
_REVISION = r"(?P<revision>[^/]+)"


@_route(rf"GET /{_NAME}/resolve/{_REVISION}/(?P<path>.+)")
def _resolve(hub: Hub, request: Request, found: re.Match[str]) -> Answer:
    at = hub._commit(request, found["repo"], found["revision"])
    if isinstance(at, Answer):
        return at
    if at.repository.gated:
        return _error(403, "GatedRepo", f"Access to model {at.repository.name} is restricted.")
    headers: dict[str, str | None] = {"X-Repo-Commit": at.commit}
    file = at.tree.get(unquote(found["path"]))
    if file is None:
        return _error(404, "EntryNotFound", "Entry not found", headers)
    headers["ETag"] = f'"{file.etag}"'
    if not file.lfs:
        answer = ranged(request, file.content)
        answer.headers.update(headers)
        return answer
    headers["X-Linked-Etag"] = f'"{file.sha256}"'
    headers["X-Linked-Size"] = str(len(file.content))
    headers["Location"] = f"{hub.cdn_url}/lfs/{file.sha256}"
    if hub.xet is not None:
        headers["X-Xet-Hash"] = file.sha256
        route = f"{hub.url}/api/models/{at.repository.name}/xet-read-token/{at.commit}"
        headers["Link"] = f'<{route}>; rel="xet-auth"'
    return Answer(status=302, headers=headers, content_type="text/plain")


@_route(r"GET /api/whoami-v2")
def _whoami(hub: Hub, request: Request, found: re.Match[str]) -> Answer:
    return _json({"type": "user", "name": USER, "orgs": []})


@_route(r"GET /api/models")
def _list(hub: Hub, request: Request, found: re.Match[str]) -> Answer:
    words = request.query.get("search", [""])[0].lower()
    authors = request.query.get("author")
    return _json(
        [
            {"id": one.name, "modelId": one.name, "sha": one.main, "tags": [], "private": False}
            for one in hub.repositories.values()
            if words in one.name.lower()
            and not one.private
            and (authors is None or one.name.split("/")[0] in authors)
        ]
    )


@_route(rf"GET {_API}(/revision/{_REVISION})?")
def _info(hub: Hub, request: Request, found: re.Match[str]) -> Answer:
    at = hub._commit(request, found["repo"], found["revision"] or "main")
    if isinstance(at, Answer):
        return at
    return _json(
        {
            "_id": "0" * 24,
            "id": at.repository.name,
            "modelId": at.repository.name,
            "author": at.repository.name.split("/")[0],
            "sha": at.commit,
            "lastModified": "2026-01-01T00:00:00.000Z",
            "private": at.repository.private,
            "gated": "manual" if at.repository.gated else False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "siblings": [{"rfilename": path} for path in sorted(at.tree)],
        }
    )


@_route(rf"GET {_API}/refs")
def _refs(hub: Hub, request: Request, found: re.Match[str]) -> Answer:
    repository = hub._repository(request, found["repo"])
    if isinstance(repository, Answer):
        return repository
    main = {"name": "main", "ref": "refs/heads/main", "targetCommit": repository.main}
    tags = [
        {"name": name, "ref": f"refs/tags/{name}", "targetCommit": commit}
        for name, commit in repository.tags.items()
    ]
    return _json({"branches": [main], "converts": [], "tags": tags, "pullRequests": []})


@_route(rf"GET {_API}/tree/{_REVISION}")
def _tree(hub: Hub, request: Request, found: re.Match[str]) -> Answer:
    at = hub._commit(request, found["repo"], found["revision"])
    if isinstance(at, Answer):
        return at
    recursive = request.query.get("recursive", ["false"])[0].lower() in ("true", "1")
    folders = {path.split("/")[0] for path in at.tree if "/" in path}
    return _json(
        [{"type": "directory", "oid": "0" * 40, "size": 0, "path": one} for one in sorted(folders)]
        + [
            _describe(path, file)
            for path, file in sorted(at.tree.items())
            if recursive or "/" not in path
        ]
    )


@_route(rf"POST {_API}/paths-info/{_REVISION}")
def _paths_info(hub: Hub, request: Request, found: re.Match[str]) -> Answer:
    at = hub._commit(request, found["repo"], found["revision"])
    if isinstance(at, Answer):
        return at
    # huggingface_hub sends a form, others JSON.
    if request.body.startswith(b"{"):
        paths = json.loads(request.body)["paths"]
    else:
        form = Request(
            listener="", method="", target=f"?{request.body.decode()}", headers={}, body=b""
        )
        paths = form.query.get("paths", [])
    return _json([_describe(path, at.tree[path]) for path in paths if path in at.tree])


@_route(rf"GET {_API}/xet-(read|write)-token/{_REVISION}")
def _xet_token(hub: Hub, request: Request, found: re.Match[str]) -> Answer:
    expires = int(time.time()) + 3600
    headers: dict[str, str | None] = {
        "X-Xet-Cas-Url": hub.xet or "",
        "X-Xet-Access-Token": "none",
        "X-Xet-Token-Expiration": str(expires),
    }
    body = {"casUrl": hub.xet or "", "accessToken": "none", "exp": expires}
    return Answer(body=json.dumps(body).encode(), headers=headers)


@_route(r"POST /api/repos/create")
def _create(hub: Hub, request: Request, found: re.Match[str]) -> Answer:
    wanted = json.loads(request.body)
    name = f"{wanted.get('organization') or USER}/{wanted['name']}"
    body = {"url": f"{hub.url}/{name}", "name": name, "id": "0" * 24}
    if name in hub.repositories:
        return _json({**body, "error": "You already created this model repo"}, status=409)
    private = wanted.get("visibility") == "private" or bool(wanted.get("private"))
    hub.repositories[name] = Repository(name, private=private)
    return _json(body)


@_route(r"POST /api/validate-yaml")
def _validate_yaml(hub: Hub, request: Request, found: re.Match[str]) -> Answer:
    return _json({"errors": [], "warnings": []})


@_route(rf"POST {_API}/preupload/{_REVISION}")
def _preupload(hub: Hub, request: Request, found: re.Match[str]) -> Answer:
    at = hub._commit(request, found["repo"], found["revision"])
    if isinstance(at, Answer):
        return at
    files = [
        {
            "path": one["path"],
            "uploadMode": "lfs" if _is_large(one["path"], one["size"]) else "regular",
            "shouldIgnore": False,
            "oid": at.tree[one["path"]].etag if one["path"] in at.tree else None,
        }
        for one in json.loads(request.body)["files"]
    ]
    return _json({"files": files})


@_route(rf"POST /{_NAME}\.git/info/lfs/objects/batch")
def _lfs_batch(hub: Hub, request: Request, found: re.Match[str]) -> Answer:
    repository = hub._repository(request, found["repo"])
    if isinstance(repository, Answer):
        return repository
    objects = []
    for wanted in json.loads(request.body)["objects"]:
        answer: dict[str, Any] = {"oid": wanted["oid"], "size": wanted["size"]}
        if hub._large_file(wanted["oid"]) is None:
            upload = {"href": f"{hub.cdn_url}/lfs/{wanted['oid']}", "header": {}}
            answer["actions"] = {
                "upload": upload,
                "verify": {"href": f"{hub.url}/lfs/verify", "header": {}},
            }
        objects.append(answer)
    return _json({"transfer": "basic", "objects": objects})


@_route(r"POST /lfs/verify")
def _lfs_verify(hub: Hub, request: Request, found: re.Match[str]) -> Answer:
    wanted = json.loads(request.body)
    content = hub._large_file(wanted["oid"])
    return _json({}, status=200 if content and len(content) == wanted["size"] else 404)


@_route(rf"POST {_API}/commit/{_REVISION}")
def _make_commit(hub: Hub, request: Request, found: re.Match[str]) -> Answer:
    repository = hub._repository(request, found["repo"])
    if isinstance(repository, Answer):
        return repository
    if unquote(found["revision"]) != "main":
        return _error(400, "", "it is not a branch")
    header, *operations = [json.loads(line) for line in request.body.splitlines() if line.strip()]
    parent = header["value"].get("parentCommit")
    if parent and not repository.main.startswith(parent):
        return _error(412, "", "A commit has happened since. Please refresh and try again.")
    tree = dict(repository.commits[repository.main])
    for operation in operations:
        kind, value = operation["key"], operation["value"]
        if kind == "file":
            tree[value["path"]] = RepoFile(content=base64.b64decode(value["content"]), lfs=False)
        elif kind == "lfsFile":
            content = hub._large_file(value["oid"])
            if content is None:
                return _error(400, "", f"LFS object {value['oid']} does not exist")
            tree[value["path"]] = RepoFile(content=content, lfs=True)
        elif kind == "deletedFile":
            tree.pop(value["path"], None)
    commit = repository.commit(tree)
    return _json(
        {
            "success": True,
            "commitUrl": f"{hub.url}/{repository.name}/commit/{commit}",
            "commitOid": commit,
            "hookOutput": "",
        }
    )


@_route(rf"POST {_API}/tag/{_REVISION}")
def _make_tag(hub: Hub, request: Request, found: re.Match[str]) -> Answer:
    at = hub._commit(request, found["repo"], found["revision"])
    if isinstance(at, Answer):
        return at
    tag = json.loads(request.body)["tag"]
    if tag in at.repository.tags:
        return _error(409, "", "Tag reference exists already")
    at.repository.tags[tag] = at.commit
    return _json({})


def _describe(path: str, file: RepoFile) -> dict[str, object]:
    described: dict[str, object] = {
        "type": "file",
        "oid": file.blob,
        "size": len(file.content),
        "path": path,
    }
    if file.lfs:
        described["lfs"] = {"oid": file.sha256, "size": len(file.content), "pointerSize": 130}
    return described


def _is_large(path: str, size: int) -> bool:
    return size >= LARGE or path.endswith(LARGE_SUFFIXES)


def _json(value: object, *, status: int = 200) -> Answer:
    return Answer(status=status, body=json.dumps(value).encode())


def _error(
    status: int, code: str, message: str, headers: Mapping[str, str | None] | None = None
) -> Answer:
    answer = _json({"error": message}, status=status)
    answer.headers = {**(headers or {}), "X-Error-Code": code or None, "X-Error-Message": message}
    return answer


def main() -> None:
    """Serve an empty Hub until the process ends."""
    with Hub(port=int(sys.argv[1]) if len(sys.argv) > 1 else 0) as hub:
        print(hub.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()

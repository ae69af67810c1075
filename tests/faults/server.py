"""A web server of files for the download faults; its log holds the faults to inject."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
from pathlib import Path

from stylezoo.registry.record import RECORD_FILE
from stylezoo.registry.record_io import read_record, render_record
from tests.hub.http import Answer, Fault, Listener, Log, Request, ranged


class FileServer:
    """Serves files by path, from memory, in its own threads.

    Attributes:
        files: file content by path.
        ranges: whether it honours range requests; servers need not.
        headers: added to every answer.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.files: dict[str, bytes] = {}
        self.ranges = True
        self.headers: dict[str, str | None] = {}
        self.log = Log()
        self._listener = Listener(name="files", host=host, respond=self._respond, log=self.log)
        self.url = self._listener.url

    def __enter__(self) -> FileServer:
        self._listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.stop()

    def fail(self, pattern: str = "", **fault: object) -> None:
        """Inject a fault into the requests that match a pattern; see ``Fault``."""
        self.log.faults.append(Fault(pattern=pattern, **fault))

    def asked(self) -> list[str]:
        """The range that each request so far asked for; empty for the whole file."""
        return [request.headers.get("range", "") for request in self.log.requests]

    def _respond(self, request: Request) -> Answer:
        content = self.files.get(request.path)
        if content is None:
            return Answer(status=404, body=b"not here", content_type="text/plain")
        answer = ranged(request, content) if self.ranges else Answer(body=content)
        answer.headers.update(self.headers)
        return answer


def digest(content: bytes) -> str:
    """The sha256, in hex."""
    return hashlib.sha256(content).hexdigest()


def snapshot(folder: Path) -> dict[str, str]:
    """The contents of a folder: files with their hashes, links with their targets."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = digest(path.read_bytes())
    return found


def serve_style(server: FileServer, folder: Path) -> str:
    """Serve a style folder and return its URL."""
    for path in folder.iterdir():
        server.files[f"/style/{path.name}"] = path.read_bytes()
    return f"{server.url}/style"


def larger_style(style: Path, folder: Path, size: int) -> Path:
    """Copy a style, with ``size`` random bytes as weights, which no net could load."""
    record = read_record(style)
    weights = os.urandom(size)
    changed = tuple(
        dataclasses.replace(file, size=size, sha256=digest(weights))
        if file.role == "weights"
        else file
        for file in record.files
    )
    shutil.copytree(style, folder)
    (folder / record.file("weights").path).write_bytes(weights)
    text = render_record(dataclasses.replace(record, files=changed))
    (folder / RECORD_FILE).write_text(text)
    return folder

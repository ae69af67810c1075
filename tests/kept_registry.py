"""Signed registries for tests, whose keeper can do more with the keys than the tools allow."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, TargetFile

from stylezoo.registry.config import RegistryConfig
from stylezoo.registry.contents import add_style
from stylezoo.registry.keys import KeyFolder
from stylezoo.registry.remote import RemoteSource
from stylezoo.registry.signing import build_registry, create_registry
from stylezoo.registry.sources import make_transport
from stylezoo.registry.store import Store
from stylezoo.registry.trust import TrustedRegistry

CUSTOM = {
    "summary": "Random weights",
    "tags": ["test"],
    "status": "experimental",
    "licence": "CC0-1.0",
    "net": "johnson",
    "styles": [],
    "total_size": 10_000,
}


class KeptRegistry:
    """A registry in a folder, with keys beside it.

    Attributes:
        folder: the registry.
        keys: all roles' keys.
        root: a copy of the first root, as a user would hold it.
    """

    def __init__(self, base: Path, toy_style: Path, specs: str = "toy@1.0.0") -> None:
        self.base = base
        self.folder = base / "registry"
        self.keys = KeyFolder(base / "keys")
        self.root = base / "root.json"
        self._toy = toy_style
        create_registry(self.folder, self.keys)
        shutil.copy(self.folder / "metadata" / "1.root.json", self.root)
        self.publish(specs)

    def publish(self, specs: str) -> None:
        """Add styles (``toy@1.0.0 other@2.0.0``) and build."""
        for spec in specs.split():
            add_style(self.folder, self.style(spec))
        build_registry(self.folder, self.keys)

    def style(self, spec: str) -> Path:
        """The toy style under another name and version, as a style folder."""
        name, version = spec.split("@")
        folder = self.base / "styles" / name / version
        if not folder.exists():
            shutil.copytree(self._toy, folder)
            edit(folder / "style.toml", 'name = "toy"', f'name = "{name}"')
            edit(folder / "style.toml", 'version = "1.0.0"', f'version = "{version}"')
        return folder

    def newest(self, role: str) -> Path:
        """The newest metadata file of a role."""
        if role == "timestamp":
            return self.folder / "metadata" / "timestamp.json"
        found = (self.folder / "metadata").glob(f"*.{role}.json")
        return max(found, key=lambda path: int(path.name.split(".")[0]))

    def resign(self, role: str, change=lambda signed: None, *, signer=None) -> None:
        """Change a role's metadata, sign it as the next version, and update its references."""
        path = self.newest(role)
        metadata = Metadata.from_bytes(path.read_bytes())
        change(metadata.signed)
        metadata.signed.version += 1
        version = metadata.signed.version
        metadata.sign(signer or self.keys.make(role))
        name = "timestamp.json" if role == "timestamp" else f"{version}.{role}.json"
        content = metadata.to_bytes()
        (path.parent / name).write_bytes(content)
        described = MetaFile.from_data(version, content, ["sha256"])
        if role == "targets":
            self.resign("snapshot", lambda signed: signed.meta.update({"targets.json": described}))
        if role == "snapshot":
            self.resign("timestamp", lambda signed: setattr(signed, "snapshot_meta", described))

    def resign_target(self, path: str, record: bytes = b"x", **custom: object) -> None:
        """Sign a target unchecked, as a malicious maintainer could."""
        target = TargetFile.from_data(path, record, ["sha256"])
        target.unrecognized_fields["custom"] = CUSTOM | custom
        self.resign("targets", lambda signed: signed.targets.update({path: target}))

    def resign_record(self, name: str, version: str, old: str, new: str) -> None:
        """Change a record and sign it unchecked."""
        path = f"styles/{name}/{version}/style.toml"
        edit(self.folder / path, old, new)
        self.resign_target(path, (self.folder / path).read_bytes(), total_size=10_000_000)

    def config(self, location: str | None = None) -> RegistryConfig:
        """The user's configuration."""
        return RegistryConfig(location=location or str(self.folder), root=self.root)

    def client(self, location: str | None = None, user: str = "user", **config: object):
        """The registry as one user's machine sees it."""
        location = location or str(self.folder)
        config = RegistryConfig(**{"location": location, "root": self.root, **config})
        state = self.base / user / "registries" / "team"
        return TrustedRegistry("team", make_transport(location), config, state)

    def source(self, location: str | None = None, user: str = "user") -> RemoteSource:
        """The registry as a source, with one user's store."""
        return RemoteSource(self.client(location, user), Store(self.base / user / "styles"))


def expires_in(**length: float):
    """A metadata change that sets the expiry."""
    moment = (datetime.now(UTC) + timedelta(**length)).replace(microsecond=0)
    return lambda signed: setattr(signed, "expires", moment)


def stranger():
    """A key that nobody trusts."""
    return CryptoSigner.generate_ed25519()


def edit(path: Path, old: str, new: str) -> None:
    """Replace text that a file must contain."""
    text = path.read_text()
    assert old in text, f"{path} does not hold {old!r}"
    path.write_text(text.replace(old, new, 1))


class WebServer:
    """``python -m http.server`` in a process of its own.

    Attributes:
        url: its address.
    """

    def __init__(self, folder: Path, log: Path) -> None:
        self._log = log
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=log.open("w"),
            text=True,
        )
        line = self._process.stdout.readline()
        self.url = "http://127.0.0.1:" + re.search(r"port (\d+)", line).group(1)

    def asked(self) -> list[str]:
        """The paths requested so far."""
        return re.findall(r'"GET (\S+)', self._log.read_text())

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


def is_killed_at(number: int, work) -> bool:
    """Run work in a forked process, killed before it moves its n-th file into place.

    Returns:
        Whether it got that far; if not, the work is done.
    """
    child = os.fork()
    if child == 0:
        moved = 0
        replace = os.replace

        def counting(*arguments, **options):
            nonlocal moved
            moved += 1
            if moved == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return replace(*arguments, **options)

        os.replace = counting
        try:
            work()
        except BaseException:  # no exception may reach the forked copy of pytest
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)

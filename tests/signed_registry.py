"""A signed registry for tests, made with the maintainers' commands and served over HTTP."""

from __future__ import annotations

import hashlib
import shutil
import tomllib
from pathlib import Path

import tomli_w
from click.testing import CliRunner

from stylezoo.cli import cli
from tests.faults.server import FileServer


def run(*arguments: object) -> str:
    """Run a stylezoo command in this process, require success, and return its stdout."""
    done = CliRunner().invoke(
        cli, [str(argument) for argument in arguments], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return done.stdout


def copy_style(style: Path, target: Path, name: str, version: str, **fields: object) -> Path:
    """Copy a style folder under another name and version."""
    folder = target / f"{name}-{version}"
    shutil.copytree(style, folder)
    record = folder / "style.toml"
    old = tomllib.loads(record.read_text())
    card = folder / "README.md"
    heading = f"# {old['name']} {old['version']}\n"
    card.write_text(card.read_text().replace(heading, f"# {name} {version}\n"))
    for file in old["files"]:
        if file["path"] == card.name:
            content = card.read_bytes()
            file.update(size=len(content), sha256=hashlib.sha256(content).hexdigest())
    record.write_text(tomli_w.dumps({**old, "name": name, "version": version, **fields}))
    return folder


class SignedRegistry:
    """A registry in a folder, with its keys beside it.

    Args:
        folder: where both are made.

    Attributes:
        folder: the registry.
        root: the file that users trust.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "registry"
        self.keys = folder / "keys"
        self.root = self.folder / "metadata" / "1.root.json"
        folder.mkdir(parents=True, exist_ok=True)
        run("registry", "init", self.folder, "--keys", self.keys)

    def add(self, *styles: Path) -> None:
        """Add style folders and build."""
        run("registry", "add", self.folder, *styles)
        self.build()

    def build(self) -> None:
        """List and sign the styles."""
        run("registry", "build", self.folder, "--keys", self.keys)

    def serve(self, server: FileServer) -> None:
        """Serve the folder's current files."""
        for path in self.folder.rglob("*"):
            if path.is_file():
                server.files[f"/{path.relative_to(self.folder)}"] = path.read_bytes()

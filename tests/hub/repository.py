"""A repository of the test Hub: files, commits, the main branch and tags."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_NUMBERS = itertools.count()

GITATTRIBUTES = b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"
"""What the Hub's first commit holds."""


def blob_id(content: bytes) -> str:
    """Git's id for a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass(frozen=True, kw_only=True)
class RepoFile:
    """A file of a commit.

    Attributes:
        content: its bytes.
        lfs: whether it is a large file, which the CDN serves.
    """

    content: bytes = field(repr=False)
    lfs: bool

    @property
    def sha256(self) -> str:
        """The SHA-256 of the content, in hex."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def blob(self) -> str:
        """The git id of the content or, for a large file, of the LFS pointer to it."""
        if not self.lfs:
            return blob_id(self.content)
        pointer = (
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\n"
            f"size {len(self.content)}\n"
        )
        return blob_id(pointer.encode())

    @property
    def etag(self) -> str:
        """The ETag that the Hub gives this content."""
        return self.sha256 if self.lfs else self.blob


Tree = Mapping[str, RepoFile]


class Repository:
    """Branch ``main`` with its commits, and tags.

    Args:
        name: ``owner/name``.
        private: whether reading requires a token.
        gated: whether access needs the owner's approval, which nobody has.
    """

    def __init__(self, name: str, *, private: bool = False, gated: bool = False) -> None:
        self.name = name
        self.private = private
        self.gated = gated
        self.commits: dict[str, Tree] = {}
        self.tags: dict[str, str] = {}
        self.main = ""
        self.commit({".gitattributes": RepoFile(content=GITATTRIBUTES, lfs=False)})

    def commit(self, tree: Tree) -> str:
        """Commit a tree to main.

        Returns:
            The commit id, 40 hex digits.
        """
        names = sorted((path, file.blob) for path, file in tree.items())
        text = f"{self.name} {self.main} {next(_NUMBERS)} {names}"
        self.main = hashlib.sha1(text.encode()).hexdigest()
        self.commits[self.main] = dict(tree)
        return self.main

    def resolve(self, revision: str) -> str | None:
        """The commit of a branch, tag or abbreviated commit id; None if there is none."""
        if revision in ("main", "refs/heads/main"):
            return self.main
        tag = revision.removeprefix("refs/tags/")
        if tag in self.tags:
            return self.tags[tag]
        if re.fullmatch(r"[0-9a-f]{7,40}", revision):
            return next((one for one in self.commits if one.startswith(revision)), None)
        return None

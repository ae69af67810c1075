"""Publishing a style to a repository on the Hugging Face Hub.

All files are sent in one commit over plain HTTPS. The xet protocol of huggingface_hub is not used:
it gains nothing for files of a few megabytes, fails where a Hub has no server for it, and lets the
Hub name a path on this machine to write to.

A lost response from the Hub is not a failure: the Hub is read again to see what came of the
request.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from stylezoo.errors import PublishError, RecordError, UnavailableError
from stylezoo.registry.download import read
from stylezoo.registry.hub_client import HubClient, HubFile, HubRefusal, HubRepositoryInfo
from stylezoo.registry.hub_repository import TAG_PREFIX
from stylezoo.registry.record import MAX_RECORD_BYTES, RECORD_FILE, Record
from stylezoo.registry.record_io import parse_record
from stylezoo.registry.verify import sha256_of
from stylezoo.registry.web import shown

if TYPE_CHECKING:
    from huggingface_hub import HfApi

TRIES = 3  # for requests that change something; the Hub is read again before each retry
PATIENCE = 120.0  # seconds for a commit, plus time to upload at least at:
SLOWEST = 50_000  # bytes per second

# What a repository may hold before its first style: the Hub's own file, and a card made there.
_HARMLESS = {".gitattributes", "README.md"}

Status = Literal["published", "unchanged", "new"]
"""The outcome: published, exactly this version already there, or (dry run) would be new."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _LocalFile:
    """A file to publish, described as the Hub would describe it."""

    path: Path
    size: int
    sha256: str
    blob: str

    def is_at(self, there: HubFile | None) -> bool:
        """Whether the Hub has these bytes."""
        if there is None or there.size != self.size:
            return False
        return there.blob == self.blob if there.sha256 is None else there.sha256 == self.sha256


def _local_files(folder: Path, record: Record) -> dict[str, _LocalFile]:
    paths = (RECORD_FILE, *(file.path for file in record.files))
    return {path: _local_file(folder / path) for path in paths}


def _local_file(path: Path) -> _LocalFile:
    size = path.stat().st_size
    # git's blob id of a file's content: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
    blob = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            blob.update(chunk)
    return _LocalFile(path=path, size=size, sha256=sha256_of(path), blob=blob.hexdigest())


class HubPublishing:
    """Publishes one style to one repository.

    Args:
        repository: ``owner/name``.
        folder: of the style, already checked.
        record: of the style.
        private: whether a repository created for it is private.
        progress: called after each file sent.
    """

    def __init__(
        self,
        repository: str,
        folder: Path,
        record: Record,
        private: bool,
        progress: Callable[[], None],
    ) -> None:
        self.repository = repository
        self.record = record
        self.local = _local_files(folder, record)
        self.private = private
        self.progress = progress
        self.tag = f"{TAG_PREFIX}{record.version}"
        self.hub = HubClient()
        self.place = f"{repository} on {shown(self.hub.endpoint)}"

    @property
    def location(self) -> str:
        """The address of the version."""
        return f"{shown(self.hub.endpoint)}/{self.repository}/tree/{self.tag}"

    def run(self, *, dry_run: bool) -> tuple[Status, str | None]:
        """Publish the style, or find out whether it would be published.

        Args:
            dry_run: check everything but change nothing.

        Returns:
            The outcome and the version's commit, which is None if it would be new.

        Raises:
            PublishError, AuthError, UnavailableError: see ``publish_style``.
        """
        info = self._look()
        tagged = self._tags().get(self.tag) if info else None
        if tagged is not None:
            self._require_same(tagged)
            return "unchanged", tagged
        if info is not None:
            self._require_fitting(info)
        if dry_run:
            return "new", None
        if info is None:
            info = self._create()
        commit = self._commit(info.head)
        self._require_arrived(commit)
        self._put_tag(commit)
        return "published", commit

    def _look(self) -> HubRepositoryInfo | None:
        try:
            return self.hub.repository(self.repository)
        except HubRefusal as refusal:
            if refusal.missing:
                return None
            raise self._refused(refusal) from refusal

    def _tags(self) -> dict[str, str]:
        try:
            return self.hub.tags(self.repository)
        except HubRefusal as refusal:
            raise self._refused(refusal) from refusal

    def _files(self, commit: str) -> dict[str, HubFile]:
        try:
            return self.hub.files(self.repository, commit)
        except HubRefusal as refusal:
            raise self._refused(refusal) from refusal

    def _different(self, commit: str) -> list[str]:
        """The files that are missing or different on the Hub at a commit."""
        there = self._files(commit)
        return [path for path, file in self.local.items() if not file.is_at(there.get(path))]

    def _require_same(self, tagged: str) -> None:
        different = self._different(tagged)
        if different:
            raise PublishError(
                f"{self.place} already has {self.tag} with different bytes "
                f"({', '.join(different[:5])}); a version never changes: give the style a new "
                "version"
            )

    def _require_fitting(self, info: HubRepositoryInfo) -> None:
        """Refuse a repository used for something else."""
        if self.private and not info.private:
            raise PublishError(
                f"{self.place} exists and is public; leave out --private, or make it private in "
                "its settings first"
            )
        there = self._record_at(info.head)
        if there is None:
            others = sorted(self._files(info.head).keys() - _HARMLESS)
            if RECORD_FILE in others:
                raise PublishError(
                    f"{self.place} holds a {RECORD_FILE} that this stylezoo cannot read; choose "
                    "another repository, or upgrade stylezoo"
                )
            if others:
                raise PublishError(
                    f"{self.place} holds something else ({', '.join(others[:5])}); choose another "
                    "repository"
                )
        elif there.name != self.record.name:
            raise PublishError(
                f"{self.place} holds the style {there.name!r}; a repository holds versions of one "
                f"style only: choose another for {self.record.name!r}"
            )

    def _record_at(self, commit: str) -> Record | None:
        content = read(
            self.hub.file_url(self.repository, RECORD_FILE, commit),
            limit=MAX_RECORD_BYTES,
            headers=self.hub.headers(),
            what=f"{RECORD_FILE} of {self.repository}",
        )
        if content is None:
            return None
        try:
            return parse_record(content.decode(), origin=self.place)
        except (RecordError, UnicodeDecodeError):
            return None

    def _create(self) -> HubRepositoryInfo:
        def create(api: HfApi) -> None:
            api.create_repo(self.repository, private=self.private, exist_ok=True)

        try:
            self.hub.call(create, what=f"the new repository {self.repository}")
        except HubRefusal as refusal:
            raise self._refused(refusal) from refusal
        info = self._look()
        if info is None:
            raise PublishError(
                f"{self.place} was created but cannot be found; run the command again"
            )
        return info

    def _commit(self, head: str) -> str:
        """Commit the files to main, unless they are already there.

        Returns:
            The commit that holds them.
        """
        for tried in range(1, TRIES + 1):
            different = self._different(head)
            if not different:
                return head
            reason: Exception
            try:
                return self._send(head, different)
            except HubRefusal as refusal:
                if refusal.status != 412:
                    raise self._refused(refusal) from refusal
                reason = refusal
            except UnavailableError as error:
                reason = error
            # The head may have moved: through someone else, or our commit if its response was lost.
            now = self._head_now(reason)
            # Even if ours is below someone else's, it has no tag yet, so no version is published.
            if now != head and self._different(now):
                raise PublishError(
                    f"someone else changed {self.place} in the meantime; the version was not "
                    "published: check what changed, and run the command again"
                ) from reason
            if now == head and tried == TRIES:
                raise PublishError(
                    f"nothing was published to {self.place}: {reason}; run the command again"
                ) from reason
            head = now
            _pause(tried)
        return head

    def _send(self, head: str, different: list[str]) -> str:
        """Upload files and commit them on top of a commit."""
        obsolete = self._obsolete(head)
        size = sum(self.local[path].size for path in different)

        def send(api: HfApi) -> str:
            from huggingface_hub import CommitOperationAdd, CommitOperationDelete

            with ExitStack() as opened, _without_bars():
                # Open files rather than paths: they are never sent over xet.
                additions = [
                    CommitOperationAdd(path, opened.enter_context(self.local[path].path.open("rb")))
                    for path in different
                ]
                for addition in additions:
                    api.preupload_lfs_files(
                        self.repository, [addition], revision="main", free_memory=False
                    )
                    self.progress()
                try:
                    made = api.create_commit(
                        self.repository,
                        [*additions, *map(CommitOperationDelete, obsolete)],
                        commit_message=f"{self.record.name} {self.record.version}",
                        parent_commit=head,
                    )
                except ValueError as error:
                    if type(error) is not ValueError:  # such as a response that is not JSON
                        raise
                    # The Hub found a fault, such as in the model card's front matter.
                    raise PublishError(f"{self.place} rejected the style: {error}") from error
            return self.hub.checked_commit(made.oid, "the new commit")

        return self.hub.call(
            send,
            what=f"{self.record.name} {self.record.version} for {self.repository}",
            tries=1,
            limit=PATIENCE + size / SLOWEST,
        )

    def _obsolete(self, head: str) -> list[str]:
        """The files of the previous version that this one no longer has."""
        before = self._record_at(head)
        if before is None:
            return []
        there = self._files(head)
        return [
            file.path for file in before.files if file.path not in self.local and file.path in there
        ]

    def _head_now(self, error: Exception) -> str:
        try:
            info = self._look()
        except UnavailableError:
            info = None
        if info is None:
            raise PublishError(
                f"it is unknown whether {self.place} was changed, as the Hub stopped responding: "
                f"{error}; run the command again: it continues from there"
            ) from error
        return info.head

    def _require_arrived(self, commit: str) -> None:
        different = self._different(commit)
        if different:
            raise PublishError(
                f"{self.place} differs at commit {commit} from what was sent: "
                f"{', '.join(different[:5])}; it was not tagged as {self.tag}: run the command "
                "again"
            )

    def _put_tag(self, commit: str) -> None:
        """Tag a commit as the version, and make sure that the tag is there."""

        def put(api: HfApi) -> None:
            api.create_tag(
                self.repository,
                tag=self.tag,
                tag_message=f"{self.record.name} {self.record.version}",
                revision=commit,
            )

        for tried in range(1, TRIES + 1):
            reason: Exception
            try:
                self.hub.call(put, what=f"the tag {self.tag} of {self.repository}", tries=1)
                return
            except HubRefusal as refusal:
                if refusal.status != 409:
                    raise self._refused(refusal) from refusal
                reason = refusal
            except UnavailableError as error:
                reason = error
            if self._is_tagged(commit, reason):
                return
            if tried < TRIES:
                _pause(tried)
        raise self._untagged(commit, reason) from reason

    def _is_tagged(self, commit: str, reason: Exception) -> bool:
        try:
            found = self._tags().get(self.tag)
        except UnavailableError as error:
            raise self._untagged(commit, reason) from error
        if found not in (None, commit):
            raise PublishError(
                f"{self.place} now has {self.tag} on another commit, {found}; a tag is never "
                "moved: give the style a new version"
            )
        return found == commit

    def _untagged(self, commit: str, reason: Exception) -> PublishError:
        return PublishError(
            f"the files are in {self.place} at commit {commit}, but not tagged as {self.tag}: "
            f"{reason}; run the command again: it continues from there"
        )

    def _refused(self, refusal: HubRefusal) -> PublishError:
        words = f"{refusal.status} {refusal.words}".strip()
        return PublishError(f"{self.place} rejected the style: {words}")


@contextmanager
def _without_bars() -> Iterator[None]:
    """Keep huggingface_hub from drawing its own progress bars."""
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    drew = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if drew:
            enable_progress_bars()


def _pause(tried: int) -> None:
    time.sleep(0.5 * 2 ** (tried - 1) * random.uniform(0.5, 1.5))

"""Publishing a style folder: to a repository on the Hugging Face Hub, or to a folder of styles.

A version is published once and never changes: what is there already is compared and left alone,
and a tag is never moved. Publishing again goes on where a broken attempt ended. An answer of the
Hub that is lost is no failure: the Hub is read again to see what came of the request.

On the Hub, all files go there in one commit by plain HTTPS. The xet protocol of huggingface_hub is
not used: it brings nothing for files of some megabytes, fails where a Hub has no server for it, and
lets the Hub name a place on this machine to write to.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from stylezoo.errors import (
    AuthError,
    IntegrityError,
    OfflineError,
    OptionError,
    PublishError,
    RecordError,
    UnavailableError,
    WeightsError,
)
from stylezoo.registry.config import HUB_PREFIX
from stylezoo.registry.contents import add_style, add_to_folder, would_add
from stylezoo.registry.download import read
from stylezoo.registry.hub_client import HubClient, HubFile, HubRefusal, HubRepositoryInfo
from stylezoo.registry.hub_repository import TAG_PREFIX
from stylezoo.registry.offline import offline_variable
from stylezoo.registry.record import MAX_RECORD_BYTES, RECORD_FILE, Record
from stylezoo.registry.record_io import parse_record, read_record
from stylezoo.registry.spec import is_repository
from stylezoo.registry.verify import sha256_of, verify_files
from stylezoo.registry.web import shown
from stylezoo.registry.weights import read_tensors

if TYPE_CHECKING:
    from huggingface_hub import HfApi

FOLDER_PREFIX = "folder:"

TRIES = 3  # of what changes something; the Hub is read again before each but the first
PATIENCE = 120.0  # seconds for a commit, and more for what is uploaded:
SLOWEST = 50_000  # bytes a second

# What a repository may hold before its first style: the Hub's own, and a card made on its pages.
_HARMLESS = {".gitattributes", "README.md"}

Status = Literal["published", "unchanged", "new"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Destination:
    """Where to publish.

    Attributes:
        repository: on the Hub, ``owner/name``; None for a folder.
        folder: a folder of styles or a signed registry; None for the Hub.
    """

    repository: str | None = None
    folder: Path | None = None

    @classmethod
    def parse(cls, text: str) -> Destination:
        """Read ``hub:owner/name`` or ``folder:PATH``.

        Raises:
            OptionError: it is neither.
        """
        if text.startswith(HUB_PREFIX):
            repository = text.removeprefix(HUB_PREFIX)
            if not is_repository(repository):
                raise OptionError(
                    f"{repository!r} is no repository on the Hub; write hub:owner/name"
                )
            return cls(repository=repository)
        path = text.removeprefix(FOLDER_PREFIX)
        if path == text or not path:
            raise OptionError(f"{text!r} is no place; write hub:owner/name or folder:PATH")
        return cls(folder=Path(path).expanduser())

    def __str__(self) -> str:
        if self.repository is not None:
            return f"{HUB_PREFIX}{self.repository}"
        return f"{FOLDER_PREFIX}{self.folder}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Publication:
    """What came of publishing.

    Attributes:
        name: of the style.
        version: of the style.
        destination: ``hub:owner/name`` or ``folder:PATH``.
        status: ``"published"``; ``"unchanged"`` if this very version was there; ``"new"`` if it
            would be published, of a dry run.
        location: where the version is, or would be: an address or a folder.
        spec: how to load it.
        commit: of the repository; None for a folder, and of a dry run.
        files: that belong to it.
    """

    name: str
    version: str
    destination: str
    status: Status
    location: str
    spec: str
    commit: str | None
    files: tuple[str, ...]


def publish_style(
    folder: Path,
    destination: Destination,
    *,
    private: bool = False,
    dry_run: bool = False,
    progress: Callable[[], None] = lambda: None,
) -> Publication:
    """Publish a style folder.

    Args:
        folder: of the style. Only the record and the files that it lists are published.
        destination: where to.
        private: whether a repository that is made for it can be read by its owner alone.
        dry_run: check everything, and change nothing.
        progress: called after each file.

    Raises:
        RecordError, IntegrityError, WeightsError: the style is not right; nothing was asked of a
            server.
        AuthError: there is no token for the Hub, or it gives no right to write.
        PublishError: the place has this version with other bytes, is no place for it, or has
            changed meanwhile.
        OutputError: the folder cannot be written.
        OfflineError, UnavailableError: the Hub is not asked, or does not answer as it should.
    """
    require_access(destination)
    record = _check(folder)
    if destination.repository is not None:
        local = _local_files(folder, record)
        hub = _HubPublishing(destination.repository, record, local, private, progress)
        return hub.run(dry_run=dry_run)
    assert destination.folder is not None
    return _publish_to_folder(folder, record, destination.folder, dry_run, progress)


def require_access(destination: Destination) -> None:
    """Find out before all else whether there is a token for the Hub; nothing is asked of it.

    Raises:
        AuthError: there is none.
        OfflineError: the network is forbidden.
    """
    if destination.repository is None:
        return
    variable = offline_variable()
    if variable is not None:
        raise OfflineError(f"publishing to the Hub takes the network, and {variable} forbids it")
    hub = HubClient()
    if hub.token() is None:
        address = shown(hub.endpoint)
        raise AuthError(
            f"there is no token to write to {destination.repository} on {address} with; make one "
            f"at {address}/settings/tokens and set HF_TOKEN, or run: hf auth login"
        )


def _check(folder: Path) -> Record:
    """Refuse what nobody could load."""
    record = read_record(folder)
    if (folder / RECORD_FILE).is_symlink():
        raise IntegrityError(f"{folder / RECORD_FILE} is a symbolic link; copy the file itself")
    verify_files(folder, record)
    for file in record.files:
        if file.path.endswith(".safetensors"):
            tensors = read_tensors(folder / file.path)
            broken = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
            if broken:
                raise WeightsError(
                    f"{folder / file.path} has values that are not finite in {broken[0]}; train "
                    "the style anew"
                )
    return record


def _publish_to_folder(
    folder: Path, record: Record, place: Path, dry_run: bool, progress: Callable[[], None]
) -> Publication:
    signed = (place / "metadata").is_dir()
    styles = place / "styles" if signed else place
    status: Status
    if dry_run:
        status = "new" if would_add(styles, folder) else "unchanged"
    else:
        added = add_style(place, folder) if signed else add_to_folder(place, folder)
        status = "unchanged" if added is None else "published"
    files = (RECORD_FILE, *(file.path for file in record.files))
    for _ in files:
        progress()
    target = styles / record.name / str(record.version)
    return Publication(
        name=record.name,
        version=str(record.version),
        destination=str(Destination(folder=place)),
        status=status,
        location=str(target),
        spec=f"{record.name}@{record.version}" if signed else str(target),
        commit=None,
        files=files,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _LocalFile:
    """A file to publish, by what the Hub would say of it."""

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
    # How git names the content of a file: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
    blob = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            blob.update(chunk)
    return _LocalFile(path=path, size=size, sha256=sha256_of(path), blob=blob.hexdigest())


class _HubPublishing:
    """One style on its way to one repository."""

    def __init__(
        self,
        repository: str,
        record: Record,
        local: Mapping[str, _LocalFile],
        private: bool,
        progress: Callable[[], None],
    ) -> None:
        self.repository = repository
        self.record = record
        self.local = local
        self.private = private
        self.progress = progress
        self.tag = f"{TAG_PREFIX}{record.version}"
        self.hub = HubClient()
        self.place = f"{repository} on {shown(self.hub.endpoint)}"

    def run(self, *, dry_run: bool) -> Publication:
        info = self._look()
        tagged = self._tags().get(self.tag) if info else None
        if tagged is not None:
            self._require_same(tagged)
            return self._publication("unchanged", tagged)
        if info is not None:
            self._require_fitting(info)
        if dry_run:
            return self._publication("new", None)
        if info is None:
            info = self._create()
        commit = self._commit(info.head)
        self._require_arrived(commit)
        self._put_tag(commit)
        return self._publication("published", commit)

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
        """The files that the Hub does not have at a commit, or has with other bytes."""
        there = self._files(commit)
        return [path for path, file in self.local.items() if not file.is_at(there.get(path))]

    def _require_same(self, tagged: str) -> None:
        different = self._different(tagged)
        if different:
            raise PublishError(
                f"{self.place} has {self.tag} with other bytes ({', '.join(different[:5])}), and a "
                "version never changes: give the style a new version"
            )

    def _require_fitting(self, info: HubRepositoryInfo) -> None:
        """Refuse a repository that is for something else."""
        if self.private and not info.private:
            raise PublishError(
                f"{self.place} is there and public; leave out --private, or make it private in "
                "its settings first"
            )
        there = self._record_at(info.head)
        if there is None:
            others = sorted(self._files(info.head).keys() - _HARMLESS)
            if RECORD_FILE in others:
                raise PublishError(
                    f"{self.place} holds a {RECORD_FILE} that is no record this stylezoo reads; "
                    "choose another repository, or upgrade stylezoo"
                )
            if others:
                raise PublishError(
                    f"{self.place} holds something else ({', '.join(others[:5])}); choose another "
                    "repository"
                )
        elif there.name != self.record.name:
            raise PublishError(
                f"{self.place} holds the style {there.name!r}; a repository holds the versions of "
                f"one style: choose another for {self.record.name!r}"
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
            raise PublishError(f"{self.place} was made, and is not there; run the command again")
        return info

    def _commit(self, head: str) -> str:
        """Put the files at the head of main, unless they are there.

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
            # The head may have moved: by somebody else, or by our commit, the answer being lost.
            now = self._head_now(reason)
            if now != head and self._different(now):
                raise PublishError(
                    f"somebody else changed {self.place} meanwhile; nothing was published: "
                    "refresh what you know of it, and run the command again"
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
                # Open files, and not paths: they never go by the xet protocol.
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
                    if type(error) is not ValueError:  # such as an answer that is no JSON
                        raise
                    # The Hub has found a fault, such as in the front matter of the model card.
                    raise PublishError(f"{self.place} refuses the style: {error}") from error
            return self.hub.checked_commit(made.oid, "the new commit")

        return self.hub.call(
            send,
            what=f"{self.record.name} {self.record.version} for {self.repository}",
            tries=1,
            limit=PATIENCE + size / SLOWEST,
        )

    def _obsolete(self, head: str) -> list[str]:
        """The files of the version before that this one does not have."""
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
                f"it is not known whether {self.place} was changed, as the Hub stopped answering: "
                f"{error}; run the command again: it goes on where this one ended"
            ) from error
        return info.head

    def _require_arrived(self, commit: str) -> None:
        different = self._different(commit)
        if different:
            raise PublishError(
                f"{self.place} has other bytes than were sent at commit {commit}: "
                f"{', '.join(different[:5])}; it was not tagged as {self.tag}: run the command "
                "again"
            )

    def _put_tag(self, commit: str) -> None:
        """Tag a commit as the version, and see that the tag is there."""

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
                f"{self.place} has {self.tag} on another commit, {found}, since a moment ago; a "
                "tag is never moved: give the style a new version"
            )
        return found == commit

    def _untagged(self, commit: str, reason: Exception) -> PublishError:
        return PublishError(
            f"the files are in {self.place} at commit {commit}, but not tagged as {self.tag}: "
            f"{reason}; run the command again: it goes on there"
        )

    def _refused(self, refusal: HubRefusal) -> PublishError:
        words = f"{refusal.status} {refusal.words}".strip()
        return PublishError(f"{self.place} refuses the style: {words}")

    def _publication(self, status: Status, commit: str | None) -> Publication:
        return Publication(
            name=self.record.name,
            version=str(self.record.version),
            destination=f"{HUB_PREFIX}{self.repository}",
            status=status,
            location=f"{shown(self.hub.endpoint)}/{self.repository}/tree/{self.tag}",
            spec=f"{self.repository}@{self.record.version}",
            commit=commit,
            files=tuple(self.local),
        )


@contextmanager
def _without_bars() -> Iterator[None]:
    """Keep huggingface_hub from drawing bars of its own."""
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

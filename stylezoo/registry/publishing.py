"""Publishing a style folder: to a repository on the Hugging Face Hub, or to a folder of styles.

A version is published once and never changes: one already there is compared and left alone.
Publishing again resumes an interrupted attempt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stylezoo.errors import AuthError, IntegrityError, OfflineError, OptionError, WeightsError
from stylezoo.files import expand_home
from stylezoo.registry.adding import is_signed
from stylezoo.registry.config import HUB_PREFIX
from stylezoo.registry.contents import add_style, add_to_folder, would_add
from stylezoo.registry.hub_client import HubClient
from stylezoo.registry.hub_publishing import HubPublishing, Status
from stylezoo.registry.offline import offline_variable
from stylezoo.registry.record import RECORD_FILE, Record
from stylezoo.registry.record_io import read_record
from stylezoo.registry.spec import is_repository
from stylezoo.registry.verify import verify_files
from stylezoo.registry.web import shown
from stylezoo.registry.weights import read_tensors

FOLDER_PREFIX = "folder:"


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
            OptionError: it is neither, or begins with the home folder of an unknown user.
        """
        if text.startswith(HUB_PREFIX):
            repository = text.removeprefix(HUB_PREFIX)
            if not is_repository(repository):
                raise OptionError(
                    f"{repository!r} is not a repository on the Hub; write hub:owner/name"
                )
            return cls(repository=repository)
        path = text.removeprefix(FOLDER_PREFIX)
        if path == text or not path:
            raise OptionError(f"{text!r} is not a destination; write hub:owner/name or folder:PATH")
        return cls(folder=expand_home(path, OptionError))

    def __str__(self) -> str:
        if self.repository is not None:
            return f"{HUB_PREFIX}{self.repository}"
        return f"{FOLDER_PREFIX}{self.folder}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Publication:
    """The result of publishing.

    Attributes:
        name: of the style.
        version: of the style.
        destination: ``hub:owner/name`` or ``folder:PATH``.
        status: ``"published"``; ``"unchanged"`` if exactly this version was already there;
            ``"new"`` if a dry run would have published it.
        location: where the version is, or would be: an address or a folder.
        spec: how to load it.
        commit: of the repository; None for a folder, or if the status is ``"new"``.
        files: the files that belong to it.
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
        destination: where to publish it.
        private: whether a repository created for it is private.
        dry_run: check everything but change nothing.
        progress: called after each file.

    Raises:
        RecordError, IntegrityError, WeightsError: the style is invalid; no server was asked.
        AuthError: there is no token for the Hub, or it has no write access.
        PublishError: the destination has this version with different bytes, does not suit it, or
            has changed meanwhile.
        OutputError: the folder cannot be written.
        OfflineError, UnavailableError: the Hub cannot be asked, or gives an invalid response.
    """
    require_access(destination)
    record = _check(folder)
    files = (RECORD_FILE, *(file.path for file in record.files))
    if destination.repository is not None:
        hub = HubPublishing(destination.repository, folder, record, private, progress)
        status, commit = hub.run(dry_run=dry_run)
        location, spec = hub.location, f"{destination.repository}@{record.version}"
    else:
        assert destination.folder is not None
        status, target, spec = _publish_to_folder(folder, record, destination.folder, dry_run)
        location, commit = str(target), None
        for _ in files:
            progress()
    return Publication(
        name=record.name,
        version=str(record.version),
        destination=str(destination),
        status=status,
        location=location,
        spec=spec,
        commit=commit,
        files=files,
    )


def require_access(destination: Destination) -> None:
    """Check up front, without asking the Hub, that there is a token for it.

    Raises:
        AuthError: there is none.
        OfflineError: the network is forbidden.
    """
    if destination.repository is None:
        return
    variable = offline_variable()
    if variable is not None:
        raise OfflineError(
            f"publishing to the Hub needs the network, which {variable} forbids; unset it and try "
            "again"
        )
    hub = HubClient()
    if hub.token() is None:
        address = shown(hub.endpoint)
        raise AuthError(
            f"there is no token for writing to {destination.repository} on {address}; create one "
            f"at {address}/settings/tokens and set HF_TOKEN, or run: hf auth login"
        )


def _check(folder: Path) -> Record:
    """Refuse a style that nobody could load."""
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
                    f"{folder / file.path} has non-finite values in {broken[0]}; train the style "
                    "again"
                )
    return record


def _publish_to_folder(
    folder: Path, record: Record, place: Path, dry_run: bool
) -> tuple[Status, Path, str]:
    """The outcome, where the style is, and how to load it."""
    signed = is_signed(str(place))  # a plain folder may hold a style called metadata
    styles = place / "styles" if signed else place
    target = styles / record.name / str(record.version)
    spec = f"{record.name}@{record.version}" if signed else str(target)
    if dry_run:
        return "new" if would_add(styles, folder) else "unchanged", target, spec
    added = add_style(place, folder) if signed else add_to_folder(place, folder)
    return "unchanged" if added is None else "published", target, spec

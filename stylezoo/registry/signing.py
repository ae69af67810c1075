"""Maintaining a signed registry: metadata written so that a kill at any moment leaves it valid.

Clients read ``timestamp.json`` and what it names, so this file is written last; and a new key
signs alongside the old one before the root names it. Metadata: The Update Framework,
https://theupdateframework.github.io/specification/latest/, with consistent snapshots.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from stylezoo.errors import OutputError, PublishError, RegistryError, SignatureError
from stylezoo.files import write_file
from stylezoo.registry.contents import read_contents
from stylezoo.registry.index import IndexEntry
from stylezoo.registry.index_io import (
    INDEX_SCHEMA,
    WITHDRAWN,
    custom_of,
    read_targets,
    target_path,
)
from stylezoo.registry.keys import ROLES, KeyFolder, Role
from stylezoo.registry.locks import locked
from stylezoo.registry.trust import TARGETS_LIMIT

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner, Key
    from tuf.api.metadata import Metadata, Root, Snapshot, TargetFile, Targets, Timestamp

EXPIRY_DAYS: Mapping[Role, int] = {
    "root": 3650,
    "targets": 365,
    "snapshot": 365,
    "timestamp": 90,
}
"""How long a signature is valid. The timestamp is the one to renew by a scheduled job."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """What building a registry changed.

    Attributes:
        styles: how many versions of styles it lists now.
        added: names and versions that are new.
        withdrawn: those that are gone.
        bases_elsewhere: bases of its adapters that it does not hold.
        changed: whether anything was written.
        expires: when the index expires.
    """

    styles: int
    added: tuple[str, ...]
    withdrawn: tuple[str, ...]
    bases_elsewhere: tuple[str, ...]
    changed: bool
    expires: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class _State:
    """The metadata of a registry, verified."""

    root: Metadata[Root]
    targets: Metadata[Targets]
    snapshot: Metadata[Snapshot]
    timestamp: Metadata[Timestamp]


def create_registry(folder: Path, keys: KeyFolder) -> dict[Role, str]:
    """Make an empty signed registry and its keys.

    Keys left by an earlier attempt are reused.

    Args:
        folder: of the registry; anything in it besides metadata stays.
        keys: to sign with.

    Returns:
        The id of each role's key.

    Raises:
        RegistryError: it is already a signed registry, or the remains of one whose keys were
            replaced, or the keys would be inside it.
        OutputError: it cannot be written.
    """
    from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

    # Resolved: a link or '..' may lead into the registry without looking like it.
    if keys.folder.resolve().is_relative_to(folder.resolve()):
        raise RegistryError(
            f"the keys would be in {keys.folder}, inside the registry, and be served with it; "
            "choose another folder with --keys"
        )
    if (folder / "metadata" / "timestamp.json").exists():
        raise RegistryError(f"{folder} is already a signed registry")
    if max(_numbered(folder, "root"), default=0) > 1:
        raise RegistryError(
            f"{folder} was a signed registry: {newest_root(folder).name} in it names keys that a "
            "new one would not have; restore its metadata from a copy, or choose another folder"
        )
    try:
        (folder / "styles").mkdir(parents=True, exist_ok=True)
        (folder / "metadata").mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be created: {error.strerror}") from error
    with _working_on(folder):
        signers = {role: keys.make(role) for role in ROLES}
        root = Root(consistent_snapshot=True)
        for role, signer in signers.items():
            root.add_key(signer.public_key, role)
        _publish_root(folder, Metadata(root), [signers["root"]])
        state = _State(
            root=Metadata(root),
            targets=Metadata(Targets(unrecognized_fields={"schema": INDEX_SCHEMA})),
            snapshot=Metadata(Snapshot()),
            timestamp=Metadata(Timestamp()),
        )
        _publish(folder, state, {role: [signer] for role, signer in signers.items()}, "targets")
    return {role: signer.public_key.keyid for role, signer in signers.items()}


def build_registry(
    folder: Path, keys: KeyFolder, *, checked: Callable[[], None] = lambda: None
) -> Build:
    """List and sign the contents of ``styles/``.

    Args:
        folder: of the registry.
        keys: for targets, snapshot and timestamp.
        checked: called after each version of a style is checked.

    Returns:
        What has changed.

    Raises:
        PublishError: a version has other bytes than it had, a name cannot be served, or there
            are too many.
        RecordError, IntegrityError, WeightsError: a style is invalid.
        RegistryError: it is not a signed registry, or a key is missing.
        OutputError: it cannot be written.
    """
    newest_root(folder)
    with _working_on(folder):
        state = _read(folder)
        signers = _signers(state, keys, "targets")
        old = dict(state.targets.signed.targets)
        contents = read_contents(folder / "styles", checked)
        new = {target_path(entry.name, entry.version): _target(entry) for entry in contents.entries}
        # What clients will check, checked here with the same code.
        read_targets(
            {path: (one.length, one.hashes["sha256"], one.custom) for path, one in new.items()}
        )
        # Withdrawn versions count too: copies of them exist, so they must not change either.
        fields = state.targets.signed.unrecognized_fields
        signed = dict(fields.get(WITHDRAWN, {}))
        signed |= {path: target.hashes["sha256"] for path, target in old.items()}
        for path in sorted(signed.keys() & new.keys()):
            if signed[path] != new[path].hashes["sha256"]:
                raise PublishError(
                    f"{folder / path} has changed since it was signed; a version never changes: "
                    "restore the old one, and give the change a new version"
                )
        if old != new:
            state.targets.signed.targets = new
            fields[WITHDRAWN] = {path: signed[path] for path in sorted(signed.keys() - new.keys())}
            _publish(folder, state, signers, "targets")
        return Build(
            styles=len(new),
            added=tuple(_label(path) for path in sorted(new.keys() - old.keys())),
            withdrawn=tuple(_label(path) for path in sorted(old.keys() - new.keys())),
            bases_elsewhere=contents.bases_elsewhere,
            changed=old != new,
            expires=_first_expiry(state),
        )


def sign_registry(
    folder: Path, keys: KeyFolder, role: Role = "timestamp", days: int | None = None
) -> datetime:
    """Renew signatures, with a new expiry.

    Args:
        folder: of the registry.
        keys: for the role and for those that vouch for it: the snapshot vouches for the targets,
            the timestamp for the snapshot.
        role: whose metadata is renewed; ``"root"`` stands alone.
        days: until it expires; None for the role's default.

    Returns:
        When the index now expires.

    Raises:
        RegistryError: it is not a signed registry, or a key is missing.
        OutputError: it cannot be written.
    """
    newest_root(folder)
    with _working_on(folder):
        state = _read(folder)
        if role == "root":
            signer = keys.signer("root", state.root.signed.roles["root"].keyids)
            _publish_root(folder, state.root, [signer], days)
        else:
            _publish(folder, state, _signers(state, keys, role), role, days)
        return _first_expiry(state)


def first_to_expire(folder: Path) -> Role:
    """The role whose metadata expires first, and with it the index.

    Args:
        folder: of the registry.

    Raises:
        RegistryError: it is not a signed registry.
    """
    state = _read(folder)
    expiry: dict[Role, datetime] = {
        "timestamp": state.timestamp.signed.expires,
        "snapshot": state.snapshot.signed.expires,
        "targets": state.targets.signed.expires,
        "root": state.root.signed.expires,
    }
    return min(expiry, key=expiry.__getitem__)


def rotate_key(folder: Path, keys: KeyFolder, role: Role) -> str:
    """Replace the key of a role with a new one.

    Clients that know the old root can follow. Run it again if it was interrupted.

    Args:
        folder: of the registry.
        keys: the root's, and those of the roles that vouch for this one.
        role: whose key is replaced. Unless it is the root's, its old key may be missing, but then
            clients that ask between two writes are refused.

    Returns:
        The id of the new key.

    Raises:
        RegistryError: it is not a signed registry, or a key is missing.
        OutputError: it cannot be written.
    """
    newest_root(folder)
    with _working_on(folder):
        successor = None if role == "root" else keys.successor(role)
        state = _read(folder, {} if successor is None else {role: successor})
        trusted = list(state.root.signed.roles[role].keyids)
        root_signer = keys.signer("root", state.root.signed.roles["root"].keyids)
        old_signer = keys.find_signer(role, trusted)
        new_signer = keys.make_next(role)
        if role != "root":
            both = [old_signer, new_signer] if old_signer is not None else [new_signer]
            _publish(folder, state, {**_signers(state, keys, role, but=role), role: both}, role)
        for keyid in trusted:
            state.root.signed.revoke_key(keyid, role)
        state.root.signed.add_key(new_signer.public_key, role)
        root_signers = [root_signer, new_signer] if role == "root" else [root_signer]
        _publish_root(folder, state.root, root_signers)
        keys.promote(role)
        return str(new_signer.public_key.keyid)


def newest_root(folder: Path) -> Path:
    """The root metadata to hand to users.

    Raises:
        RegistryError: it is not a signed registry.
    """
    roots = _numbered(folder, "root")
    if not roots:
        raise RegistryError(
            f"{folder} is not a signed registry: it has no metadata; run: stylezoo registry init "
            f"{folder}"
        )
    return roots[max(roots)]


@contextmanager
def _working_on(folder: Path) -> Iterator[None]:
    """Lock a registry against other processes, and remove what a killed one left half-written."""
    try:
        with locked(folder / ".lock", f"the registry {folder}"):
            for leftover in (folder / "metadata").glob(".*.part"):
                leftover.unlink()
            yield
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}") from error


def _read(folder: Path, successors: Mapping[Role, Key] = MappingProxyType({})) -> _State:
    """The metadata that clients see, verified starting from the newest root.

    Args:
        folder: of the registry.
        successors: keys that vouch for a role like those that the root names: if a lost key is
            replaced, its successor alone signs before the root names it.
    """
    from tuf.api.exceptions import RepositoryError
    from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

    metadata = folder / "metadata"
    try:
        root = Metadata[Root].from_bytes(newest_root(folder).read_bytes())
        timestamp = Metadata[Timestamp].from_bytes((metadata / "timestamp.json").read_bytes())
        number = timestamp.signed.snapshot_meta.version
        path = metadata / f"{number}.snapshot.json"
        snapshot = Metadata[Snapshot].from_bytes(path.read_bytes())
        number = snapshot.signed.meta["targets.json"].version
        path = metadata / f"{number}.targets.json"
        targets = Metadata[Targets].from_bytes(path.read_bytes())
        trusted = copy.deepcopy(root.signed)
        for role, key in successors.items():
            trusted.add_key(key, role)
        for one in (root, timestamp, snapshot, targets):
            trusted.verify_delegate(one.signed.type, one.signed_bytes, one.signatures)
    except (RepositoryError, ValueError, KeyError) as error:
        raise SignatureError(
            f"the metadata of {folder} does not match what its keys signed: {error}; if "
            "'stylezoo registry rotate' was interrupted, run it again; otherwise restore it from a "
            "copy"
        ) from error
    except OSError as error:
        raise RegistryError(
            f"{metadata} is incomplete: {error}; if 'stylezoo registry init' was interrupted, "
            "run it again; otherwise restore it from a copy, or start over in another folder"
        ) from error
    return _State(root=root, targets=targets, snapshot=snapshot, timestamp=timestamp)


def _signers(
    state: _State, keys: KeyFolder, role: Role, *, but: Role | None = None
) -> dict[Role, list[CryptoSigner]]:
    """The signers of a role and of the roles that vouch for it, down to the timestamp."""
    chain = ROLES[ROLES.index(role) :]
    return {
        one: [keys.signer(one, state.root.signed.roles[one].keyids)] for one in chain if one != but
    }


def _publish(
    folder: Path,
    state: _State,
    signers: Mapping[Role, Sequence[CryptoSigner]],
    role: Role,
    days: int | None = None,
) -> None:
    """Write a new version of a role's metadata, and of what vouches for it; the timestamp last."""
    from tuf.api.metadata import MetaFile

    def write(one: Role, metadata: Metadata[Any], name: str) -> MetaFile:
        metadata.signed.expires = _expiry(one, days if one == role else None)
        content = _signed(metadata, signers[one])
        write_file(folder / "metadata" / name, content, overwrite=True)
        return MetaFile.from_data(metadata.signed.version, content, ["sha256"])

    if role == "targets":
        # An index that clients would refuse to read is not written at all.
        size = len(state.targets.to_bytes())
        if size > 0.95 * TARGETS_LIMIT:
            raise PublishError(
                f"the index would have {size} bytes, but clients read at most {TARGETS_LIMIT}; "
                "withdraw old versions, or start a second registry"
            )
        number = state.targets.signed.version = _next_number(folder, "targets")
        described = write("targets", state.targets, f"{number}.targets.json")
        state.snapshot.signed.meta["targets.json"] = described
    if role in ("targets", "snapshot"):
        number = state.snapshot.signed.version = _next_number(folder, "snapshot")
        described = write("snapshot", state.snapshot, f"{number}.snapshot.json")
        state.timestamp.signed.snapshot_meta = described
    if (folder / "metadata" / "timestamp.json").exists():
        state.timestamp.signed.version += 1
    write("timestamp", state.timestamp, "timestamp.json")


def _publish_root(
    folder: Path,
    root: Metadata[Root],
    signers: Sequence[CryptoSigner],
    days: int | None = None,
) -> None:
    if (folder / "metadata" / "timestamp.json").exists():
        root.signed.version += 1
    root.signed.expires = _expiry("root", days)
    path = folder / "metadata" / f"{root.signed.version}.root.json"
    write_file(path, _signed(root, signers), overwrite=True)


def _signed(metadata: Metadata[Any], signers: Sequence[CryptoSigner]) -> bytes:
    metadata.signatures.clear()
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata.to_bytes()


def _expiry(role: Role, days: int | None = None) -> datetime:
    length = timedelta(days=EXPIRY_DAYS[role] if days is None else days)
    return datetime.now(UTC).replace(microsecond=0) + length


def _first_expiry(state: _State) -> datetime:
    parts: list[Metadata[Any]] = [state.root, state.targets, state.snapshot, state.timestamp]
    first: datetime = min(part.signed.expires for part in parts)
    return first


def _numbered(folder: Path, role: Role) -> dict[int, Path]:
    found = (folder / "metadata").glob(f"*.{role}.json")
    numbers = ((path.name.split(".")[0], path) for path in found)
    return {int(number): path for number, path in numbers if number.isdecimal()}


def _next_number(folder: Path, role: Role) -> int:
    """A number that no file has had, whether or not a timestamp ever referred to it."""
    return max(_numbered(folder, role), default=0) + 1


def _target(entry: IndexEntry) -> TargetFile:
    from tuf.api.metadata import TargetFile

    return TargetFile(
        length=entry.size,
        hashes={"sha256": entry.sha256},
        path=target_path(entry.name, entry.version),
        unrecognized_fields={"custom": custom_of(entry)},
    )


def _label(path: str) -> str:
    _, name, version, _ = path.split("/")
    return f"{name} {version}"

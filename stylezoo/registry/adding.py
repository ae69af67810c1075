"""Adding registries to the user's list, after settling whose keys are trusted."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stylezoo.errors import (
    AuthError,
    OutputError,
    RegistryError,
    RegistryFormatError,
    SignatureError,
    UnavailableError,
)
from stylezoo.files import write_file
from stylezoo.registry.config import (
    RegistryConfig,
    check_registry_name,
    config_file,
    default_name,
    is_remote,
    parse_location,
    read_config_file,
    root_file,
    write_registries,
)
from stylezoo.registry.index import Index
from stylezoo.registry.locks import locked
from stylezoo.registry.offline import offline_variable, require_network
from stylezoo.registry.record import RECORD_FILE
from stylezoo.registry.sources import make_transport, state_folder
from stylezoo.registry.strict_json import parse_object
from stylezoo.registry.trust import ROOT_LIMIT, TrustedRegistry

if TYPE_CHECKING:
    from securesystemslib.signer import Key
    from tuf.api.metadata import Metadata, Root

FIRST_ROOT = "metadata/1.root.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrustedKeys:
    """The root keys that vouch for a registry.

    Attributes:
        ids: ids of the root's keys, each the sha256 of its key in hex.
        threshold: how many of them must sign.
    """

    ids: tuple[str, ...]
    threshold: int


def is_signed(location: str) -> bool:
    """Whether a registry needs a root: all remote ones do, and signed folders."""
    return is_remote(location) or (Path(location) / FIRST_ROOT).exists()


def read_root(path: Path) -> bytes:
    """Read a root file supplied by the user.

    Raises:
        RegistryError: it cannot be read.
        RegistryFormatError: it is too long.
    """
    try:
        with path.open("rb") as file:
            content = file.read(ROOT_LIMIT + 1)
    except OSError as error:
        raise RegistryError(f"the root {path} cannot be read: {error.strerror}") from error
    if len(content) > ROOT_LIMIT:
        raise RegistryFormatError(f"{path} is longer than {ROOT_LIMIT} bytes; it is not a root")
    return content


def fetch_root(location: str) -> bytes:
    """Fetch the newest root that a registry itself offers, to be shown before it is trusted.

    From the first, each root must vouch for the next: the one shown is where clients arrive that
    have known the registry from its start.

    Args:
        location: of the registry, as returned by ``parse_location``.

    Raises:
        RegistryError: it is not a signed registry.
        RegistryFormatError, SignatureError: a root is refused; see ``read_keys``.
        OfflineError, UnavailableError, AuthError: it cannot be reached, or refuses access.
    """
    from tuf.ngclient import UpdaterConfig

    transport = make_transport(location)
    if transport.remote:
        require_network(f"the root of {location}", f"stylezoo registries add {location} ...")
    newest = transport.read(FIRST_ROOT, ROOT_LIMIT)
    if newest is None:
        raise RegistryError(f"{location} is not a signed registry: it has no {FIRST_ROOT}")
    metadata = _parse_root(newest, f"the root of {location}")
    for _ in range(UpdaterConfig().max_root_rotations):
        path = f"metadata/{metadata.signed.version + 1}.root.json"
        try:
            content = transport.read(path, ROOT_LIMIT)
        except AuthError:  # as some servers answer for missing files; the first one could be read
            break
        if content is None:
            break
        metadata = _parse_successor(content, f"{location}, {path}", metadata)
        newest = content
    return newest


def read_keys(root: bytes, origin: str) -> TrustedKeys:
    """Check that a root is valid and signed by its own keys, and read those keys.

    Args:
        root: content of a ``root.json``.
        origin: what to call it in errors.

    Raises:
        RegistryFormatError: it is not a root.
        SignatureError: it is not signed by its own keys, or lists one under another's id.
    """
    role = _parse_root(root, origin).signed.roles["root"]
    return TrustedKeys(ids=tuple(sorted(role.keyids)), threshold=role.threshold)


def _parse_root(root: bytes, origin: str) -> Metadata[Root]:
    """A root, checked as ``read_keys`` says."""
    from tuf.api.exceptions import RepositoryError, UnsignedMetadataError
    from tuf.api.metadata import Metadata, Root

    parse_object(root, origin)
    try:
        metadata = Metadata[Root].from_bytes(root)
        if metadata.signed.type != "root":
            raise RegistryFormatError(f"{origin} is {metadata.signed.type} metadata, not the root")
        metadata.signed.verify_delegate("root", metadata.signed_bytes, metadata.signatures)
    except UnsignedMetadataError as error:
        raise SignatureError(f"{origin} is not signed by its own keys: {error}") from error
    except RepositoryError as error:
        reason = str(error.__cause__ or error)[:300]
        raise RegistryFormatError(f"{origin} is not a valid root: {reason!a}") from error
    for keyid in metadata.signed.roles["root"].keyids:
        # TUF accepts any text as an id, but people compare ids: each must be the key's own.
        if keyid != _id_of(metadata.signed.keys.get(keyid)):
            raise SignatureError(
                f"{origin} gives a key the id {keyid[:100]!a}, which is not the sha256 of that "
                "key, so it may be posing as another; do not trust it, and ask the maintainer"
            )
    return metadata


def _parse_successor(root: bytes, origin: str, known: Metadata[Root]) -> Metadata[Root]:
    """The next version of a known root, which must be signed by the keys of both."""
    from tuf.api.exceptions import UnsignedMetadataError

    metadata = _parse_root(root, origin)
    if metadata.signed.version != known.signed.version + 1:
        raise RegistryFormatError(
            f"{origin} is version {metadata.signed.version} of the root, not "
            f"{known.signed.version + 1}; ask the maintainer"
        )
    try:
        known.signed.verify_delegate("root", metadata.signed_bytes, metadata.signatures)
    except UnsignedMetadataError as error:
        raise SignatureError(
            f"{origin} is not signed by the keys of the root before it: {error}; do not trust it, "
            "and ask the maintainer"
        ) from error
    return metadata


def _id_of(key: Key | None) -> str | None:
    """The sha256 of a key, computed as securesystemslib computes key ids."""
    import hashlib

    from securesystemslib.formats import encode_canonical

    if key is None:
        return None
    parts = {"keytype": key.keytype, "scheme": key.scheme, "keyval": key.keyval}
    canonical = encode_canonical(parts)
    assert canonical is not None, "without an output function, it returns the text"
    return hashlib.sha256(canonical.encode()).hexdigest()


def add_registry(
    location: str, *, name: str | None, root: bytes | None, taken: Collection[str]
) -> tuple[str, Index | None]:
    """Append a registry to the user's list, if it works.

    Args:
        location: a folder, an address, or ``hub:owner/name``.
        name: its name; None to derive one from the location.
        root: content of the ``root.json`` to trust; None for a plain folder.
        taken: names of other sources.

    Returns:
        Its name and its index, which is None for a plain folder or if the network is forbidden.

    Raises:
        RegistryError: the location or name is invalid, the name is taken, or the index is
            refused; see ``TrustedRegistry.refresh``.
        UnavailableError, AuthError: it cannot be reached, or refuses access.
        OutputError: the list cannot be written.
    """
    location = parse_location(location)
    name = default_name(location) if name is None else name
    check_registry_name(name)
    registries = read_config_file()
    # Roots and state are stored under these names, and file systems may ignore case.
    if name.casefold() in {other.casefold() for other in (*registries, *taken)}:
        raise RegistryError(
            f"there is already a registry or source {name!r}; choose another with --name"
        )
    if root is None:
        if is_signed(location):
            raise RegistryError(
                f"{location} is a signed registry; pass the root that its maintainer published "
                "with --root FILE, or see --trust-on-first-use"
            )
        if not Path(location).is_dir():
            raise UnavailableError(f"{location} is not a folder, or is not currently mounted")
        if (Path(location) / RECORD_FILE).is_file():
            raise RegistryError(
                f"{location} is one style, not a folder of styles; it needs no registry: "
                f"stylezoo apply {location} PHOTO"
            )
        _put(name, location, None)
        return name, None
    read_keys(root, f"the root for {name!r}")
    index = _first_index(name, location, root)
    _put(name, location, root)
    return name, index


def remove_registry(name: str) -> None:
    """Remove a registry from the user's list, with its root; what was fetched from it stays.

    Raises:
        RegistryError: it is not in the list.
        OutputError: the list cannot be written.
    """
    with _changing() as registries:
        if name not in registries:
            known = ", ".join(registries) or "none"
            raise RegistryError(f"there is no registry {name!r} in the list; it has: {known}")
        config = registries.pop(name)
        write_registries(registries)
        if config is not None and config.root is not None:
            _drop_root(name, config.root)


def _first_index(name: str, location: str, root: bytes) -> Index | None:
    """Fetch the index of a registry not yet in the list; None if the network is forbidden."""
    transport = make_transport(location)
    if transport.remote and offline_variable() is not None:
        return None
    try:
        temporary = tempfile.TemporaryDirectory(prefix="stylezoo-")
    except OSError as error:
        raise OutputError(f"cannot create a temporary folder: {error.strerror or error}") from error
    with temporary as folder:
        path = Path(folder) / "root.json"
        write_file(path, root, overwrite=False)
        config = RegistryConfig(location=location, root=path)
        return TrustedRegistry(name, transport, config, state_folder(name, path)).refresh()


def _put(name: str, location: str, root: bytes | None) -> None:
    with _changing() as registries:
        if name in registries:  # added by another process meanwhile
            raise RegistryError(f"there is already a registry {name!r}; choose another with --name")
        if root is None:
            write_registries({**registries, name: RegistryConfig(location=location)})
            return
        path = root_file(name, root)
        with _keeping(root, path):
            write_registries({**registries, name: RegistryConfig(location=location, root=path)})


@contextmanager
def _keeping(root: bytes, path: Path) -> Iterator[None]:
    """Store a root unless the block fails; one stored before stays in any case."""
    try:
        present = path.read_bytes()
    except FileNotFoundError:
        present = None
    except OSError as error:
        raise OutputError(f"{path} cannot be read: {error.strerror}") from error
    if present not in (None, root):
        raise OutputError(f"{path} is not the root that was stored there; remove it and try again")
    if present is None:
        write_file(path, root, overwrite=False)
    try:
        yield
    except BaseException:  # a full disk, Ctrl-C
        if present is None:
            path.unlink(missing_ok=True)
        raise


def _drop_root(name: str, path: Path) -> None:
    """Remove a root stored by ``add_registry``, unless a list in the same folder names it."""
    with suppress(OSError):
        lists = [config_file(), *config_file().parent.glob("*.toml")]
        if path == root_file(name, path.read_bytes()) and not any(
            path.name.encode() in one.read_bytes() for one in lists
        ):
            path.unlink()


@contextmanager
def _changing() -> Iterator[dict[str, RegistryConfig | None]]:
    """Yield the list, keeping other processes from it and other lists in its folder."""
    folder = config_file().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be created: {error.strerror}") from error
    with locked(folder / "registries.lock", f"the lists in {folder}"):
        yield read_config_file()

"""The keys that sign a registry: a folder with a private key for each role."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from stylezoo.errors import MissingDependencyError, OutputError, RegistryError
from stylezoo.files import write_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from securesystemslib.signer import CryptoSigner, Key

PASSPHRASE_VARIABLE = "STYLEZOO_KEY_PASSPHRASE"

Role = Literal["root", "targets", "snapshot", "timestamp"]
ROLES: tuple[Role, ...] = get_args(Role)

_ENCRYPTED = b"ENCRYPTED"  # in the first line of the PEM

AskPassphrase = Callable[[Path], str]
"""Asks for the passphrase of an encrypted key file."""


class KeyFolder:
    """Private keys (Ed25519, PKCS #8 in PEM, readable only by their owner), one file per role.

    ``<role>.next.pem`` is the successor of a key that is being replaced; the registry's root says
    which of the two counts.

    Args:
        folder: need not exist.
        passphrase: to encrypt new keys with; None for that of the key that a new one replaces, if
            it has one. Keys that are here are opened with it too, if they have the same.
        ask: asks for the passphrase of an encrypted key that no other has opened.
    """

    def __init__(
        self, folder: Path, *, passphrase: str | None = None, ask: AskPassphrase | None = None
    ) -> None:
        require_signing()
        self.folder = folder
        self._passphrase = passphrase
        self._ask = ask
        self._opened: dict[Path, str] = {}  # the passphrases of old keys

    def make(self, role: Role) -> CryptoSigner:
        """Return the key of a role, creating it if there is none.

        Raises:
            OutputError: it cannot be written.
            RegistryError: the existing one cannot be read.
        """
        return self._make(self._path(role), self._passphrase)

    def make_next(self, role: Role) -> CryptoSigner:
        """Return the successor of a role's key, creating it if there is none; see ``make``."""
        return self._make(self._next(role), self._passphrase or self._opened.get(self._path(role)))

    def successor(self, role: Role) -> Key | None:
        """The public key of ``make_next``, if that was called and not yet followed by ``promote``.

        Raises:
            RegistryError: it cannot be read.
        """
        path = self._next(role)
        return self._read(path).public_key if path.exists() else None

    def promote(self, role: Role) -> None:
        """Replace the key of a role with its successor, discarding the old key.

        Raises:
            OutputError: it cannot be moved.
        """
        try:
            self._next(role).replace(self._path(role))
        except OSError as error:
            raise OutputError(f"{self._path(role)} cannot be replaced: {error.strerror}") from error

    def signer(self, role: Role, trusted: Collection[str]) -> CryptoSigner:
        """Return the key of a role that the root trusts.

        Args:
            role: of the key.
            trusted: ids of the keys that the root trusts for it.

        Raises:
            RegistryError: there is none here, it cannot be read, or the root trusts another.
        """
        found = self.find_signer(role, trusted)
        if found is None:
            here = "holds a different one" if self._path(role).exists() else "has none"
            raise RegistryError(
                f"the key for {role} ({', '.join(id[:12] for id in sorted(trusted))}...) is "
                f"needed, but {self.folder} {here}; pass the right folder with --keys, or, if the "
                f"key is lost, run: stylezoo registry rotate FOLDER {role}"
            )
        return found

    def find_signer(self, role: Role, trusted: Collection[str]) -> CryptoSigner | None:
        """Like ``signer``, but None if there is no key here that the root trusts."""
        if self._path(role).exists():
            signer = self._read(self._path(role))
            if signer.public_key.keyid in trusted:
                return signer
        if self._next(role).exists():
            signer = self._read(self._next(role))
            if signer.public_key.keyid in trusted:
                self.promote(role)  # rotation was interrupted after the root was written
                return signer
        return None

    def _path(self, role: Role) -> Path:
        return self.folder / f"{role}.pem"

    def _next(self, role: Role) -> Path:
        return self.folder / f"{role}.next.pem"

    def _make(self, path: Path, passphrase: str | None) -> CryptoSigner:
        from securesystemslib.signer import CryptoSigner

        if path.exists():
            return self._read(path)
        signer = CryptoSigner.generate_ed25519()
        self._write(path, _encoded(signer, passphrase))
        return signer

    def _write(self, path: Path, content: bytes) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for leftover in self.folder.glob(".*.part"):
                leftover.unlink()  # of a killed process; nobody else writes here now
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
        write_file(path, content, overwrite=True, private=True)

    def _read(self, path: Path) -> CryptoSigner:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from securesystemslib.signer import CryptoSigner

        try:
            content = path.read_bytes()
        except OSError as error:
            raise RegistryError(f"the key {path} cannot be read: {error.strerror}") from error
        if _ENCRYPTED in content[:64]:
            key = self._decrypt(path, content)
            reason = "the passphrase may be wrong"
        else:
            key = _load(content, None)
            reason = "it is not a private key in PEM format"
        if key is None:
            raise RegistryError(f"the key {path} cannot be read: {reason}")
        if not isinstance(key, Ed25519PrivateKey):
            raise RegistryError(f"the key {path} is not an Ed25519 key")
        return CryptoSigner(key)

    def _decrypt(self, path: Path, content: bytes) -> PrivateKeyTypes | None:
        """The key by a passphrase that is known, or else asked for; None if it is wrong."""
        known = [self._passphrase] if self._passphrase is not None else []
        for passphrase in [*known, *self._opened.values()]:
            key = _load(content, passphrase)
            if key is not None:
                self._opened[path] = passphrase
                return key
        if self._ask is None:
            if not known:
                raise RegistryError(f"the key {path} is encrypted; set {PASSPHRASE_VARIABLE}")
            return None
        answer = self._ask(path)
        key = _load(content, answer)
        if key is not None:
            self._opened[path] = answer
        return key


def _encoded(signer: CryptoSigner, passphrase: str | None) -> bytes:
    """A private key in PEM format, encrypted if there is a passphrase."""
    if passphrase is None:
        return signer.private_bytes
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    return load_pem_private_key(signer.private_bytes, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode())
    )


def _load(content: bytes, passphrase: str | None) -> PrivateKeyTypes | None:
    """The private key in a PEM file; None if there is none, or the passphrase is wrong."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(content, None if passphrase is None else passphrase.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def require_signing() -> None:
    """Check that keys can be used.

    Raises:
        MissingDependencyError: the optional package for it is not installed.
    """
    try:
        import cryptography  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            'signing needs the cryptography package; run: pip install "stylezoo[signing]"'
        ) from error

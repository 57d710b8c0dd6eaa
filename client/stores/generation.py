"""One key of a seat and its certificate, or the attempt to get one, as a folder.

key.pem            the private key, 0600, made before anything is asked for; or key.json, which tells who holds it
chain.pem          the issuers' certificates
cert.pem           the certificate, written last: a generation without it is one under way
order.json         the order under way
revocation.json    when and why the certificate was revoked from here
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from client.stores.custody import Custody
from client.stores.disk import make_folder, read
from client.stores.key_slot import KeySlot, dispose
from keys.algorithms import PrivateKey
from keys.keystore import write_private
from protocol.members import Members
from protocol.strict_json import strict_json

_KEY: Final = "key"
CERTIFICATE: Final = "cert.pem"
CHAIN: Final = "chain.pem"
_ORDER: Final = "order.json"
_REVOCATION: Final = "revocation.json"


@dataclass(frozen=True, slots=True)
class Generation:
    """The folder; its name is its place in the line, 0001 the first."""

    path: Path

    @property
    def complete(self) -> bool:
        """Tell whether the certificate is here."""
        return (self.path / CERTIFICATE).exists()

    @property
    def slot(self) -> KeySlot:
        """Return where the private key is kept or remembered."""
        return KeySlot(self.path, _KEY)

    def key(self) -> PrivateKey:
        """Return the private key, or one that its holder signs for. Raises KeystoreError or ClientError."""
        return self.slot.key()

    def certificate(self) -> x509.Certificate:
        """Return the certificate of a complete generation. Raises ClientError when it is damaged."""
        return read(self.path / CERTIFICATE, x509.load_pem_x509_certificate)

    def chain(self) -> list[x509.Certificate]:
        """Return the issuers' certificates. Raises ClientError when they are damaged."""
        return read(self.path / CHAIN, lambda content: x509.load_pem_x509_certificates(content) if content else [])

    def install(self, certificates: Sequence[x509.Certificate]) -> None:
        """Store a certificate and its issuers, here and where the key is held; the generation is then complete."""
        leaf, *issuers = (each.public_bytes(Encoding.PEM) for each in certificates)
        write_private(self.path / CHAIN, b"".join(issuers), replace=True)
        self.slot.install(certificates)
        write_private(self.path / CERTIFICATE, leaf, replace=True)
        self.remember_order(None)

    def order(self) -> str | None:
        """Return the URL of the order under way, if one was remembered."""
        return self._note(_ORDER, lambda members: members.text("url"))

    def remember_order(self, url: str | None) -> None:
        """Write the URL of the order down, so that another process can go on with it; None drops it."""
        if url is None:
            (self.path / _ORDER).unlink(missing_ok=True)
        else:
            self._write_note(_ORDER, {"url": url})

    def revoked_at(self) -> str | None:
        """Return when the certificate was revoked from here (RFC 3339), None when it was not."""
        return self._note(_REVOCATION, lambda members: members.text("revoked_at"))

    def remember_revocation(self, revoked_at: str, reason: str) -> None:
        """Write down that the certificate was revoked."""
        self._write_note(_REVOCATION, {"revoked_at": revoked_at, "reason": reason})

    def _note(self, name: str, pick: Callable[[Members], str]) -> str | None:
        path = self.path / name
        return read(path, lambda content: pick(Members(strict_json(content)))) if path.exists() else None

    def _write_note(self, name: str, members: Mapping[str, str]) -> None:
        write_private(self.path / name, json.dumps(members).encode("ascii"), replace=True)


def begin_generation(path: Path, custody: Custody) -> Generation:
    """Make the folder and a new private key, on disk or in its token when this returns."""
    make_folder(path)
    generation = Generation(path)
    generation.slot.make(custody)
    return generation


def give_up_generation(generation: Generation) -> None:
    """Delete a generation, be it an attempt that came to nothing or one whose time is over: its key, its certificate.

    At one stroke for whoever looks; what a kill leaves is deleted by whoever locks next. Raises ClientError when the
    key cannot be deleted now.
    """
    hidden = generation.path.with_name(f".{generation.path.name}")
    generation.path.rename(hidden)
    dispose(hidden)

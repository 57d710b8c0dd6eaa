"""One certificate database of NSS (`cert9.db`, `key4.db` in a folder), through the programs certutil and pk12util.

No secret is ever an argument: passwords are in files of mode 0600 beside the key, deleted at once. NSS gives all
certificates of one subject the same nickname at import, so an imported one is renamed afterwards.
"""

import hashlib
import os
import re
import secrets
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, pkcs12

from client.errors import ClientError, NeedsPerson
from client.language import sentence
from client.stores.disk import make_folder
from client.stores.holder import Installed, friendly_name, missing_program
from client.stores.program import run
from keys.algorithms import PrivateKey
from keys.keystore import write_private

_OURS: Final = re.compile(r"^(F\d{6}-\d{3} \(\d{4}-\d\d-\d\d\)(?: [0-9a-f]{8})?) +(\S*),\S*,\S*\s*$", re.MULTILINE)
_CLOSED: Final = "SEC_ERROR_BAD_PASSWORD"
_NO_KEYS: Final = "no keys found"
_NO_KEY_THERE: Final = "no user certs from given nickname"
_NO_SUCH_KEY: Final = "is not a key-id"


@dataclass(frozen=True, slots=True)
class NssDatabase:
    """The database in a folder."""

    folder: Path

    def prepare(self) -> None:
        """Make the database if there is none, and see that it opens.

        Raises NeedsPerson when it has a password of its own, ClientError when NSS's programs are not installed.
        """
        if not (self.folder / "cert9.db").exists():
            make_folder(self.folder)
            self._certutil("-N", "--empty-password", password=False)
        self._certutil("-K", nothing=_NO_KEYS)

    def opens(self) -> bool:
        """Tell whether the database opens without a password; one that is still to be made does."""
        try:
            if (self.folder / "cert9.db").exists():
                self._certutil("-K", nothing=_NO_KEYS)
        except NeedsPerson:
            return False
        return True

    def certificates(self) -> list[Installed]:
        """Return the certificates under names of ours, each with its key's identifier as reference."""
        found: dict[str, Installed] = {}
        for name, _ in self._rows():
            for each in self._named(name):
                if each.reference not in found and name.startswith(friendly_name(each.certificate)):
                    found[each.reference] = each
                    break
        return list(found.values())

    def put(self, packed: bytes, passphrase: str, scratch: Path) -> None:
        """Import a PKCS#12 structure: key, certificate and issuers."""
        with _files(scratch, packed, passphrase) as (file, password):
            self._run("pk12util", "-i", str(file), "-w", str(password), "-k", os.devnull)

    def take(self, reference: str, scratch: Path) -> PrivateKey | None:
        """Return a key, None when it is not there."""
        found = self.certificates()
        if not found or reference not in self._certutil("-K", nothing=_NO_KEYS):
            return None
        names = [each.name for each in sorted(found, key=lambda each: each.reference != reference)]
        keys = (self._exported(name, scratch) for name in dict.fromkeys(names))  # one of ours may bear a sibling's name
        return next((key for key in keys if key is not None and identifier(key.public_key()) == reference), None)

    def _exported(self, name: str, scratch: Path) -> PrivateKey | None:
        passphrase = secrets.token_urlsafe()
        with _files(scratch, b"", passphrase) as (file, password):
            said = self._run(
                "pk12util", "-o", str(file), "-n", name, "-w", str(password), "-k", os.devnull, nothing=_NO_KEY_THERE
            )
            if _NO_KEY_THERE in said:
                return None
            with warnings.catch_warnings(action="ignore", category=UserWarning):  # pk12util writes BER
                key = pkcs12.load_pkcs12(file.read_bytes(), passphrase.encode()).key
        assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101  only such were put in
        return key

    def rename(self, reference: str, name: str) -> None:
        """Give the certificate of a key its own nickname; NSS takes the newest under the one that it has."""
        names = [each for each, _ in self._rows()]
        if name not in names:
            former = next(each for each in names if any(one.reference == reference for one in self._named(each)))
            self._certutil("--rename", "-n", former, "--new-n", name)
        elif names.count(name) > 1:  # two that end on one day
            self._certutil("--rename", "-n", name, "--new-n", f"{name} {reference[:8]}")

    def remove(self, reference: str) -> None:
        """Delete a key and its certificate; nothing there is no error."""
        newest = (self._named(name)[0] for name, _ in self._rows())
        mine = next((each for each in newest if each.reference == reference), None)
        if mine is not None:  # a kill after its import may have left it under a sibling's name
            self.rename(reference, friendly_name(mine.certificate))
        if (self.folder / "cert9.db").exists():
            self._certutil("-F", "-k", reference, nothing=_NO_SUCH_KEY)
        keyless = (name for name, trust in self._rows() if "u" not in trust)  # NSS took the key and left it
        own = [
            name
            for name in keyless
            if any(_is_named(each) for each in self._named(name) if each.reference == reference)
        ]
        if own:
            self._certutil("-D", "-n", max(own, key=len))  # the longest tells most

    def _rows(self) -> list[tuple[str, str]]:
        """Return the nickname of each certificate under a name of ours, and its trust, which has a u for a key."""
        if not (self.folder / "cert9.db").exists():
            return []
        return _OURS.findall(self._certutil("-L", password=False))

    def _named(self, name: str) -> list[Installed]:
        """Return what NSS shows for a nickname: all certificates of the same subject, the newest first."""
        pem = self._certutil("-L", "-n", name, "-a", password=False).encode("ascii")
        return [Installed(name, each, identifier(each.public_key())) for each in x509.load_pem_x509_certificates(pem)]

    def _certutil(self, *arguments: str, nothing: str | None = None, password: bool = True) -> str:
        return self._run("certutil", *arguments, *(("-f", os.devnull) if password else ()), nothing=nothing)

    def _run(self, program: str, *arguments: str, nothing: str | None = None) -> str:
        """Run a program on the database and return what it wrote; `nothing` is how it says that nothing was there."""
        if shutil.which(program) is None:
            raise missing_program("nss", program, "libnss3-tools")
        ended = run(program, [*arguments, "-d", f"sql:{self.folder}"])
        closed = ended.code != 0 and _CLOSED in ended.text  # certutil then says, too, that there is no such key
        if ended.code == 0 or (nothing is not None and nothing in ended.text and not closed):
            return ended.text if nothing is not None else ended.output
        facts = {"folder": self.folder, "reason": ended.text}
        if closed:
            raise NeedsPerson(
                "databaseClosed",
                sentence("The certificate database {folder} has a password of its own."),
                sentence("Take the browser's primary password off, or name other databases with --nss-database."),
                facts=facts,
            )
        raise ClientError("databaseFailed", sentence("The certificate database {folder} failed: {reason}"), facts=facts)


def _is_named(installed: Installed) -> bool:
    """Tell whether a certificate is meant by the nickname: NSS shows all of one subject for each nickname."""
    name = friendly_name(installed.certificate)
    return installed.name in (name, f"{name} {installed.reference[:8]}")


def identifier(public_key: object) -> str:
    """Return the CKA_ID that NSS gives a key: the SHA-1 of its public point, in hex."""
    assert isinstance(public_key, ec.EllipticCurvePublicKey)  # noqa: S101  certificates of ours have no others
    point = public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return hashlib.sha1(point, usedforsecurity=False).hexdigest()


@contextmanager
def _files(scratch: Path, packed: bytes, passphrase: str) -> Iterator[tuple[Path, Path]]:
    """Keep a PKCS#12 structure and its passphrase in two files, hidden: whoever locks after a kill sweeps them away."""
    file, password = scratch / ".nss.p12", scratch / ".nss.password"
    try:
        write_private(file, packed, replace=True)
        write_private(password, passphrase.encode(), replace=True)
        yield file, password
    finally:
        file.unlink(missing_ok=True)
        password.unlink(missing_ok=True)

"""The signer on disk: the new one is used once both its files are there, and until then the one in use goes on."""

import dataclasses
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from ca_server import keyring
from ca_server.authority.signer import Signer
from ca_server.responder.signers import SignerOnDisk
from keys.errors import KeysError
from keys.keystore import save_key, write_private
from tests.ca_server.responder.stand import fresh_signer, the_house

_PASSPHRASE = "a passphrase"


@dataclasses.dataclass
class Files:
    """Key, certificate and passphrase as a rotation writes them."""

    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "ocsp.pem"

    def load(self) -> Signer:
        return keyring.load_signer(self.certificate, self.folder / "ocsp-key.pem", self.folder / "passphrase")

    def write_key(self, signer: Signer) -> None:
        save_key(self.folder / "ocsp-key.pem", signer.private_key, _PASSPHRASE, replace=True)

    def write_certificate(self, signer: Signer) -> None:
        write_private(self.certificate, signer.certificate.public_bytes(Encoding.PEM), replace=True)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    (tmp_path / "passphrase").write_text(_PASSPHRASE, "utf-8")
    made = Files(tmp_path)
    made.write_key(the_house().ocsp)
    made.write_certificate(the_house().ocsp)
    return made


@pytest.fixture
def on_disk(files: Files) -> SignerOnDisk:
    return SignerOnDisk(files.certificate, files.load)


@pytest.mark.parametrize("order", [("write_key", "write_certificate"), ("write_certificate", "write_key")])
def test_the_new_signer_is_used_once_both_its_files_are_there(
    files: Files, on_disk: SignerOnDisk, order: tuple[str, str]
) -> None:
    fresh = fresh_signer(the_house().now)
    getattr(files, order[0])(fresh)
    on_disk.look()
    assert on_disk.current().certificate == the_house().ocsp.certificate
    getattr(files, order[1])(fresh)
    on_disk.look()
    assert on_disk.current().certificate == fresh.certificate
    assert on_disk.current().private_key.public_key() == fresh.public_key


def test_while_nothing_changes_the_signer_is_the_same_object(on_disk: SignerOnDisk) -> None:
    """By that it is told whether there is a new one."""
    before = on_disk.current()
    on_disk.look()
    assert on_disk.current() is before


@pytest.mark.parametrize("content", [None, b"", b"torn", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_a_certificate_that_is_gone_or_torn_leaves_the_signer_in_use(
    files: Files, on_disk: SignerOnDisk, content: bytes | None
) -> None:
    files.certificate.unlink()
    if content is not None:
        files.certificate.write_bytes(content)
    for _ in range(3):
        on_disk.look()
    assert on_disk.current().certificate == the_house().ocsp.certificate
    fresh = fresh_signer(the_house().now)
    files.write_key(fresh)
    files.write_certificate(fresh)
    on_disk.look()
    assert on_disk.current().certificate == fresh.certificate


def test_without_a_signer_there_is_nothing_to_begin_with(files: Files) -> None:
    files.certificate.unlink()
    with pytest.raises(KeysError):
        SignerOnDisk(files.certificate, files.load)

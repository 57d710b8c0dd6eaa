"""Key files: whole or absent, for their owner only, never overwritten by accident, and readable by OpenSSL."""

import datetime
import os
import shutil
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, pkcs12

from keys.algorithms import PrivateKey
from keys.errors import KeystoreError, UnsupportedKey, WrongPassphrase
from keys.generate import generate
from keys.keystore import export_pkcs12, load_key, save_key, write_private

KEY = generate("P-256")
OTHER = generate("P-256")

posix = pytest.mark.skipif(os.name == "nt", reason="file modes are a matter of POSIX")


def openssl(*arguments: str, given: bytes = b"") -> str:
    """Runs OpenSSL, which tells what it found partly on one stream and partly on the other."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the Debian package openssl")
    done = subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=True)
    return (done.stdout + done.stderr).decode()


def assert_is(key: PrivateKey, expected: PrivateKey) -> None:
    assert key.public_key() == expected.public_key()


def self_signed(key: PrivateKey, name: str) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, start, start + datetime.timedelta(days=1))
    return builder.sign(key, hashes.SHA256())


@posix
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_a_private_file_is_its_owners_alone_under_any_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_private(tmp_path / "key.pem", b"secret")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600


def test_a_file_that_exists_is_not_overwritten_unless_told_to(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    write_private(path, b"first")
    with pytest.raises(KeystoreError, match="exists already"):
        write_private(path, b"second")
    assert path.read_bytes() == b"first"
    write_private(path, b"second", replace=True)
    assert path.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [path]


def test_where_links_are_unknown_a_file_is_still_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    path = tmp_path / "key.pem"
    write_private(path, b"first")
    with pytest.raises(KeystoreError, match="exists already"):
        write_private(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_fails_leaves_the_old_file_and_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key.pem"
    write_private(path, b"old")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(KeystoreError, match="No space left"):
        write_private(path, b"new", replace=True)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_of_many_writers_at_once_exactly_one_gets_the_name(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"

    def write(number: int) -> int | None:
        try:
            write_private(path, bytes([number]) * 4096)
        except KeystoreError:
            return None
        return number

    with ThreadPoolExecutor(8) as threads:
        winners = [number for number in threads.map(write, range(8)) if number is not None]
    assert len(winners) == 1
    assert path.read_bytes() == bytes(winners) * 4096


def test_a_file_in_a_missing_folder_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(KeystoreError, match=r"absent.key\.pem cannot be written"):
        write_private(tmp_path / "absent" / "key.pem", b"secret")


@pytest.mark.parametrize("kind", ["P-256", "P-384", "RSA-2048", "Ed25519"])
@pytest.mark.parametrize("passphrase", [None, "合い言葉", b"\x00\xff"])
def test_a_saved_key_is_loaded_again(tmp_path: Path, kind: str, passphrase: str | bytes | None) -> None:
    key = generate(kind)
    save_key(tmp_path / "key.pem", key, passphrase)
    assert_is(load_key(tmp_path / "key.pem", passphrase), key)


def test_an_encrypted_key_opens_with_its_passphrase_only(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    save_key(path, KEY, "right")
    for wrong in ("Right", b"right "):
        with pytest.raises(WrongPassphrase, match="does not open"):
            load_key(path, wrong)
    with pytest.raises(WrongPassphrase, match="needs its passphrase"):
        load_key(path, None)


def test_a_damaged_encrypted_key_does_not_open(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    save_key(path, KEY, "right")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(WrongPassphrase, match="damaged"):
        load_key(path, "right")


def test_a_key_expected_to_be_encrypted_is_refused_when_it_is_not(tmp_path: Path) -> None:
    save_key(tmp_path / "key.pem", KEY, None)
    with pytest.raises(KeystoreError, match="not encrypted"):
        load_key(tmp_path / "key.pem", "secret")


@pytest.mark.parametrize("passphrase", ["", b""])
def test_an_empty_passphrase_is_refused_instead_of_hiding_nothing(tmp_path: Path, passphrase: str | bytes) -> None:
    with pytest.raises(KeystoreError, match="empty"):
        save_key(tmp_path / "key.pem", KEY, passphrase)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", b"\xff" * 99]
)
def test_a_file_without_a_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key.pem").write_bytes(content)
    with pytest.raises(KeystoreError, match="no private key"):
        load_key(tmp_path / "key.pem", None)


def test_a_missing_file_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(KeystoreError, match=r"key\.pem cannot be read"):
        load_key(tmp_path / "key.pem", None)


def test_a_key_of_a_kind_that_we_do_not_know_is_not_loaded(tmp_path: Path) -> None:
    small = rsa.generate_private_key(65537, 1024)
    save_key(tmp_path / "key.pem", small, None)
    with pytest.raises(UnsupportedKey, match="1024"):
        load_key(tmp_path / "key.pem", None)


def test_openssl_reads_an_encrypted_key_and_finds_200000_rounds(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    save_key(path, KEY, "right")
    assert "ASN1 OID: prime256v1" in openssl("pkey", "-in", str(path), "-passin", "pass:right", "-noout", "-text")
    structure = openssl("asn1parse", "-in", str(path))
    assert f"INTEGER           :{200_000:06X}" in structure
    assert "hmacWithSHA256" in structure
    assert "aes-256-cbc" in structure


def test_a_key_that_openssl_would_write_is_loaded(tmp_path: Path) -> None:
    encryption = BestAvailableEncryption(b"right")
    (tmp_path / "key.pem").write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, encryption))
    assert_is(load_key(tmp_path / "key.pem", "right"), KEY)
    with pytest.raises(WrongPassphrase):
        load_key(tmp_path / "key.pem", "wrong")


def test_a_pkcs12_file_holds_the_key_its_certificate_and_the_chain() -> None:
    leaf, authority = self_signed(KEY, "F123456-001"), self_signed(OTHER, "Authority")
    packed = export_pkcs12("F123456-001", KEY, leaf, [authority], "right")
    opened = pkcs12.load_pkcs12(packed, b"right")
    assert opened.key is not None
    assert opened.key.public_key() == KEY.public_key()
    assert opened.cert is not None
    assert (opened.cert.certificate, opened.cert.friendly_name) == (leaf, b"F123456-001")
    assert [entry.certificate for entry in opened.additional_certs] == [authority]
    with pytest.raises(ValueError, match="password"):
        pkcs12.load_pkcs12(packed, b"wrong")


def test_openssl_finds_aes_256_and_sha_256_in_a_pkcs12_file() -> None:
    packed = export_pkcs12("F123456-001", KEY, self_signed(KEY, "F123456-001"), [], "right")
    told = openssl("pkcs12", "-info", "-noout", "-passin", "pass:right", given=packed)
    assert "MAC: sha256" in told
    assert told.count("PBES2, PBKDF2, AES-256-CBC, Iteration 200000, PRF hmacWithSHA256") == 2


def test_a_pkcs12_file_without_a_passphrase_is_refused() -> None:
    with pytest.raises(KeystoreError, match="empty"):
        export_pkcs12("F123456-001", KEY, self_signed(KEY, "F123456-001"), [], "")

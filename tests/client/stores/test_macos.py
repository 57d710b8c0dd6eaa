"""Keys in the login keychain of macOS: what `security` is told, word for word, and what comes of it with a stand-in."""

import os
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12

from client.errors import ClientError
from client.stores import macos
from client.stores.custody import Custody
from client.stores.holder import Holder, holder_of
from keys.algorithms import sign, verify
from keys.errors import KeystoreError
from keys.generate import generate
from tests.client.small_authority import Issuer
from tests.client.stand_ins import put_on_path, remembered
from tests.client.stand_ins.security import entries, split_line
from tests.client.stores.chains import chain_of

NAME = "F123456-001 (2027-12-25)"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return what the stand-in for `security` remembers."""
    folder = put_on_path(tmp_path / "みどり 銀行", "security")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder.parent / "state"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / '"引用" と \\ 空白'
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def mac(state: Path, folder: Path) -> Holder:
    return holder_of(Custody("macos"), folder)


def test_a_key_is_imported_so_that_it_does_not_come_out_again() -> None:
    words = macos.import_arguments(Path("/山 田/k.p12"), "secret", Path("/login"), ["/Applications/Google Chrome.app"])
    assert words == [
        "import", "/山 田/k.p12", "-f", "pkcs12", "-x", "-k", "/login", "-P", "secret",
        "-T", "/Applications/Google Chrome.app",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("a b", '"a b"'),
        ("it's ’", '"it\'s ’"'),
        ('say "no"', r'"say \"no\""'),
        (r"back\slash", r'"back\\slash"'),
        ("山田　太郎", '"山田　太郎"'),
        ("-i; rm", '"-i; rm"'),
        ("", '""'),
    ],
)
def test_a_word_is_quoted_as_security_reads_it(word: str, written: str) -> None:
    line = macos.command_line(["import", word, "x"])
    assert line == f'"import" {written} "x"\n'
    assert split_line(line) == ["import", word, "x"]


@pytest.mark.parametrize("word", ["a\nexport", "a\r", "a\0", "x" * 4090])
def test_what_security_cannot_read_as_one_line_is_not_sent(word: str) -> None:
    with pytest.raises(ValueError, match=r"line|longer"):
        macos.command_line(["import", word])


@pytest.mark.parametrize(("version", "modern"), [("14.7.1", False), ("15.0", True), ("26.1", True), ("", True)])
def test_the_file_has_the_algorithms_that_the_version_reads(tmp_path: Path, version: str, modern: bool) -> None:
    key, issuer = generate("P-256"), Issuer.root("CA")
    certificate = issuer.client("F123456-001", key.public_key(), 32)  # type: ignore[arg-type]
    content = macos.packed(NAME, key, certificate, "secret", version)
    path = tmp_path / "x.p12"
    path.write_bytes(content)
    options = ["-in", str(path), "-info", "-noout", "-passin", "pass:secret", *([] if modern else ["-legacy"])]
    told = subprocess.run(["openssl", "pkcs12", *options], capture_output=True, text=True, check=True).stderr
    assert ("AES-256-CBC" in told, "pbeWithSHA1And3-KeyTripleDES-CBC" in told) == (modern, not modern)
    assert ("MAC: sha256" in told, "MAC: sha1" in told) == (modern, not modern)
    loaded = pkcs12.load_pkcs12(content, b"secret")
    assert loaded.cert is not None
    assert loaded.cert.friendly_name == NAME.encode()


def test_a_key_signs_from_its_file_until_its_certificate_has_come(mac: Holder) -> None:
    reference = mac.create("warifu-1")
    key = mac.key(reference)
    verify(key.public_key(), sign(key, b"message"), b"message")
    holding = mac.holding(reference)
    assert holding.copyable is True
    assert Path(str(holding.address)).stat().st_mode & 0o777 == 0o600


def test_key_and_certificate_move_into_the_keychain(mac: Holder, state: Path, folder: Path) -> None:
    reference = mac.create("warifu-1")
    chain = chain_of(mac, reference)
    mac.install(reference, chain, NAME)
    entry = entries(state)[macos.fingerprint(chain[0])]
    assert entry["key"]
    assert (entry["extractable"], entry["label"]) == (False, NAME)
    assert macos.fingerprint(chain[1]) in entries(state)
    assert macos.fingerprint(chain[2]) not in entries(state)
    assert list(folder.iterdir()) == []
    assert mac.holding(reference).copyable is None


def test_the_key_is_not_exported_then(mac: Holder, state: Path) -> None:
    reference = mac.create("warifu-1")
    mac.install(reference, chain_of(mac, reference), NAME)
    done = subprocess.run(["security", "export", "-t", "identities"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "cannot be retrieved" in done.stderr
    with pytest.raises(KeystoreError, match="keychain"):
        sign(mac.key(reference), b"message")


def test_the_passphrase_is_not_among_the_arguments(mac: Holder, state: Path) -> None:
    reference = mac.create("warifu-1")
    mac.install(reference, chain_of(mac, reference), NAME)
    words = remembered(state)
    assert ["security", "-i"] in words
    assert not any("-P" in each or "import" in each for each in words)


def test_installing_twice_is_installing_once(mac: Holder, state: Path) -> None:
    reference = mac.create("warifu-1")
    chain = chain_of(mac, reference)
    mac.install(reference, chain, NAME)
    mac.install(reference, chain, NAME)
    assert mac.key(reference).public_key() == chain[0].public_key()
    assert len(mac.found()) == 1


def test_a_kill_between_import_and_deletion_costs_nothing(mac: Holder, folder: Path) -> None:
    reference = mac.create("warifu-1")
    chain = chain_of(mac, reference)
    (path,) = folder.iterdir()
    content = path.read_bytes()
    mac.install(reference, chain, NAME)
    path.write_bytes(content)
    mac.install(reference, chain, NAME)
    assert list(folder.iterdir()) == []


def test_an_old_macos_reads_the_file(mac: Holder, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (state / "version").write_text("13")
    monkeypatch.setattr("platform.mac_ver", lambda: ("13.6", ("", "", ""), "arm64"))
    reference = mac.create("warifu-1")
    mac.install(reference, chain_of(mac, reference), NAME)
    assert len(mac.found()) == 1


def test_a_refusal_of_the_keychain_leaves_the_key_and_no_other_file(mac: Holder, state: Path, folder: Path) -> None:
    (state / "version").write_text("13")
    reference = mac.create("warifu-1")
    with pytest.raises(ClientError) as failed:
        mac.install(reference, chain_of(mac, reference), NAME)
    assert failed.value.type == "keychainFailed"
    assert "MAC verification failed" in str(failed.value)
    assert [path.suffix for path in folder.iterdir()] == [".pem"]


def test_a_key_that_is_nowhere_is_lost(mac: Holder, folder: Path) -> None:
    reference = mac.create("warifu-1")
    chain = chain_of(mac, reference)
    (path,) = folder.iterdir()
    path.unlink()
    with pytest.raises(ClientError) as failed:
        mac.install(reference, chain, NAME)
    assert failed.value.type == "lostKey"


def test_what_is_found_can_be_deleted(mac: Holder, state: Path) -> None:
    reference = mac.create("warifu-1")
    mac.install(reference, chain_of(mac, reference), NAME)
    (found,) = mac.found()
    assert found.name.startswith("F123456-001 (")
    mac.delete(found.reference)
    mac.delete(reference)
    assert mac.found() == []


def test_a_key_without_a_certificate_is_deleted_by_its_label(mac: Holder, folder: Path) -> None:
    mac.create("warifu-1")
    mac.delete("warifu-1")
    assert list(folder.iterdir()) == []


def test_accounts_keep_their_keys_in_files(mac: Holder) -> None:
    assert not mac.holds_account_keys

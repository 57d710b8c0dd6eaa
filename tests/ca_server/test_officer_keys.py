"""The operator's list of officers' keys, and the commands that write it."""

import base64
import json
import os
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ca_server.cli import cli
from ca_server.cli.output import FAILURE, REFUSED, run
from ca_server.config import load
from ca_server.domain.approvals import OfficerKey
from ca_server.errors import Invalid
from ca_server.officer_keys import OfficerKeys, demanded_trust, read_public, trust_of
from ca_server.store import SynchronousDatabase, audit, officers
from keys.algorithms import PublicKey
from keys.errors import KeystoreError, WeakKey
from keys.generate import generate
from keys.keystore import load_key
from tests.ca_server.databases import raw

SATO, SUZUKI = "佐藤 \"はな\"", "鈴木"  # fmt: skip
NOW = 1_795_435_200


def spki_of(key: PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def fresh(officer: str, since: int) -> OfficerKey:
    return OfficerKey(officer, SATO, spki_of(generate("Ed25519").public_key()), since)


@pytest.fixture
def keys(tmp_path: Path) -> OfficerKeys:
    return OfficerKeys(tmp_path / "officer-keys.toml")


def test_there_is_no_key_before_the_first_is_registered(keys: OfficerKeys) -> None:
    assert keys.all() == ()
    assert keys.in_use("a") is None


def test_the_list_is_read_as_it_was_written_and_seen_by_others_at_once(keys: OfficerKeys, tmp_path: Path) -> None:
    other = OfficerKeys(tmp_path / "officer-keys.toml")
    assert other.all() == ()
    first, second = fresh("a", NOW), fresh("b", NOW + 1)
    keys.register(first)
    assert list(other.all()) == [first]
    keys.register(second)
    assert list(other.all()) == list(keys.all()) == [first, second]


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_list_that_others_may_write_is_not_believed(keys: OfficerKeys, tmp_path: Path, mode: int) -> None:
    keys.register(fresh("a", NOW))
    (tmp_path / "officer-keys.toml").chmod(mode)
    with pytest.raises(KeystoreError, match="others may write it; chmod go-w"):
        keys.all()
    (tmp_path / "officer-keys.toml").chmod(0o644)
    assert len(keys.all()) == 1


def test_a_list_is_written_for_its_owner_alone_whatever_the_umask(keys: OfficerKeys) -> None:
    before = os.umask(0)
    try:
        keys.register(fresh("a", NOW))
    finally:
        os.umask(before)
    assert len(keys.all()) == 1


def test_a_new_key_takes_the_place_of_the_former_one_which_stays_on_the_list(keys: OfficerKeys) -> None:
    former, later = fresh("a", NOW), fresh("a", NOW + 9)
    keys.register(former)
    keys.register(later)
    assert [(key.sha256, key.until) for key in keys.all()] == [(former.sha256, NOW + 9), (later.sha256, None)]
    assert former.counts_at(NOW + 8)
    assert not keys.all()[0].counts_at(NOW + 9)
    keys.withdraw("a", NOW + 20)
    assert keys.in_use("a") is None
    keys.withdraw("a", NOW + 30)
    assert [key.until for key in keys.all()] == [NOW + 9, NOW + 20]


def test_a_key_is_registered_once_whoever_brings_it(keys: OfficerKeys) -> None:
    key = fresh("a", NOW)
    keys.register(key)
    again = OfficerKey("b", SUZUKI, key.spki, NOW + 1)
    for refused in (keys.require_free, keys.register):
        with pytest.raises(Invalid):
            refused(again)


def test_a_withdrawal_while_another_key_is_registered_is_not_undone(
    keys: OfficerKeys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.register(fresh("a", NOW))
    write, threads = OfficerKeys._write, []

    def meanwhile(self: OfficerKeys, listed: Sequence[OfficerKey]) -> None:
        monkeypatch.undo()
        threads.append(Thread(target=OfficerKeys(tmp_path / "officer-keys.toml").withdraw, args=("a", NOW + 2)))
        threads[0].start()
        threads[0].join(0.2)  # it would be done by then
        write(self, listed)

    monkeypatch.setattr(OfficerKeys, "_write", meanwhile)
    keys.register(fresh("b", NOW + 1))
    threads[0].join()
    assert keys.in_use("a") is None
    assert keys.in_use("b") is not None


DAMAGED = [
    "no toml",
    "keys = []",
    "key = 7",
    "[[key]]\nofficer = 7",
    '[[key]]\nofficer = "a"\nname = "a"\nsince = 2026-11-26T00:00:00Z',
    '[[key]]\nofficer = "a"\nname = "a"\npublic = "????"\nsince = 2026-11-26T00:00:00Z',
    '[[key]]\nofficer = "a"\nname = "a"\npublic = "AAAA"\nsince = 2026-11-26T00:00:00Z',
    "[[key]]\nstrange = 1",
    "TWICE",
    "WEAK",
    "LOCAL",
]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_list_lets_no_signature_count(keys: OfficerKeys, tmp_path: Path, text: str) -> None:
    good = "[[key]]\nofficer = 'a'\nname = 'a'\nsince = 2026-11-26T00:00:00Z\npublic = '{}'\n"
    public = base64.b64encode(fresh("a", NOW).spki).decode()
    weak = base64.b64encode(spki_of(rsa.generate_private_key(3, 2048).public_key())).decode()
    texts = {
        "TWICE": good.format(public) * 2,
        "WEAK": good.format(weak),
        "LOCAL": good.format(public).replace("00Z", "00"),
    }
    path = tmp_path / "officer-keys.toml"
    path.write_text(texts.get(text, text))
    with pytest.raises(KeystoreError, match=r"officer-keys\.toml"):
        keys.all()
    path.write_text(good.format(public))
    assert [key.officer for key in keys.all()] == ["a"]


def test_only_a_strong_public_key_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    weak = rsa.generate_private_key(3, 2048).public_key()
    path.write_bytes(weak.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(WeakKey):
        read_public(path)
    path.write_text("nothing")
    with pytest.raises(KeystoreError, match="no public key"):
        read_public(path)
    with pytest.raises(KeystoreError, match="cannot be read: there is no such file"):
        read_public(tmp_path / "none.pem")


@pytest.fixture
def ca(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A CA with two registration officers and an auditor."""
    monkeypatch.setenv("WARIFU_CONFIG", str(tmp_path / "ca" / "warifu.toml"))
    monkeypatch.setenv("LC_ALL", "C")
    urls = ("--public-url", "https://ca.example:8443", "--http-url", "http://ca.example:8080")
    assert run(cli, ["init", "--directory", str(tmp_path / "ca"), *urls, "--non-interactive"]) == 0
    for name, role in ((SATO, "ra"), (SUZUKI, "ra"), ("監査", "auditor")):
        assert run(cli, ["officer", "add", name, "--role", role]) == 0
    (tmp_path / "passphrase").write_text("a passphrase\n")
    return tmp_path


def new_key(ca: Path, name: str) -> Path:
    """Make a key as its officer does, and return the file of its public half."""
    secret = ("--passphrase-file", str(ca / "passphrase"))
    assert run(cli, ["officer", "new-key", str(ca / name), "--public", str(ca / f"{name}.pub"), *secret]) == 0
    return ca / f"{name}.pub"


def listing(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert run(cli, ["officer", "list", "--json"]) == 0
    return {each["name"]: each["key_sha256"] for each in json.loads(capsys.readouterr().out)}


def test_a_key_is_made_registered_replaced_and_withdrawn_each_with_an_entry(
    ca: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = new_key(ca, "first"), new_key(ca, "second")
    assert load_key(ca / "first", "a passphrase").public_key() is not None
    assert (ca / "first").stat().st_mode & 0o777 == 0o600
    shown = []
    for options in (("--public", str(first)), ("--public", str(second)), ("--withdraw",)):
        assert run(cli, ["officer", "key", SATO, *options]) == 0
        shown.append(listing(capsys)[SATO])
    assert len({*shown}) == 3
    assert shown[2] is None
    records = SynchronousDatabase(load(ca / "ca" / "warifu.toml").server.database)
    officer = records.read(officers.by_name, SATO)
    entries = [each[2:] for each in records.read(audit.of_subject, f"officer:{officer.id}") if "key" in each[2]]
    records.close()
    assert [(action, detail["key"]) for action, detail in entries] == [
        ("officer key registered", shown[0]),
        ("officer key registered", shown[1]),
        ("officer key withdrawn", shown[1]),
    ]


def test_who_is_disabled_has_no_key_that_counts(ca: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(cli, ["officer", "key", SUZUKI, "--public", str(new_key(ca, "key"))]) == 0
    assert run(cli, ["officer", "disable", SUZUKI]) == 0
    assert listing(capsys)[SUZUKI] is None
    (key,) = OfficerKeys(ca / "ca" / "officer-keys.toml").all()
    assert key.until is not None
    assert run(cli, ["officer", "key", SUZUKI, "--public", str(new_key(ca, "another"))]) == REFUSED


def test_an_officer_is_disabled_though_the_list_of_keys_is_damaged(
    ca: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = load(ca / "ca" / "warifu.toml")
    config.applications.officer_keys.write_text("damaged", "utf-8")
    assert run(cli, ["officer", "disable", SATO]) == FAILURE
    assert "officer-keys.toml" in capsys.readouterr().err
    assert SynchronousDatabase(config.server.database).read(officers.by_name, SATO).disabled_at is not None
    config.applications.officer_keys.unlink()
    assert run(cli, ["officer", "disable", SATO]) == REFUSED
    assert "disabled already" in capsys.readouterr().err


def test_a_key_is_refused_that_is_another_officers_or_of_somebody_who_decides_nothing(ca: Path) -> None:
    public = new_key(ca, "key")
    assert run(cli, ["officer", "key", SATO, "--public", str(public)]) == 0
    assert run(cli, ["officer", "key", SUZUKI, "--public", str(public)]) == REFUSED
    assert run(cli, ["officer", "key", "監査", "--public", str(new_key(ca, "other"))]) == REFUSED
    assert run(cli, ["officer", "key", SUZUKI]) == REFUSED
    assert run(cli, ["officer", "key", SUZUKI, "--withdraw"]) == REFUSED
    assert run(cli, ["officer", "key", SUZUKI, "--public", str(ca / "key")]) == FAILURE


def test_signatures_are_demanded_where_the_configuration_says_so(ca: Path) -> None:
    path = ca / "ca" / "warifu.toml"
    assert demanded_trust(load(path)) is None
    path.write_text(path.read_text("utf-8") + '\n[applications]\napprovals = "signed"\n', "utf-8")
    demanded = demanded_trust(load(path))
    assert demanded is not None
    assert demanded.installation == trust_of(load(path)).installation


def test_what_an_officer_signs_is_shown_first(ca: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(cli, ["officer", "key", SATO, "--public", str(new_key(ca, "key"))]) == 0
    names = ("--administrator-family-name", "山田", "--administrator-given-name", "太郎", "--furigana", "やまだ たろう")
    form = ("--institution-name", "みどり銀行", *names, "--email", "yamada@midori.example", "--count", "2")
    assert run(cli, ["application", "issue", "F123456", *form, "--officer", SATO]) == 0
    capsys.readouterr()
    signing = ("--key", str(ca / "key"), "--passphrase-file", str(ca / "passphrase"))
    assert run(cli, ["application", "examine", "1", "--officer", SATO, *signing, "--json"]) == 0
    output = capsys.readouterr()
    assert "yamada@midori.example" in output.err
    assert json.loads(output.out)["status"] == "examined"
    assert run(cli, ["application", "show", "1"]) == 0
    assert "examined: signed on" in capsys.readouterr().out


def test_what_is_shown_before_it_is_signed_moves_no_cursor(ca: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("--administrator-family-name", "山田", "--administrator-given-name", "太郎", "--furigana", "やまだ たろう")
    form = ("--institution-name", "みどり銀行", *names, "--email", "yamada@midori.example", "--count", "2")
    assert run(cli, ["application", "issue", "F123456", *form, "--officer", SATO]) == 0
    records = raw(load(ca / "ca" / "warifu.toml").server.database)
    records.execute("UPDATE application SET institution_name = :name", {"name": "\rF777777\x1b[8m\u202e"})
    records.commit()
    records.close()
    capsys.readouterr()
    assert run(cli, ["application", "show", "1"]) == 0
    assert "F123456 \\rF777777\\x1b[8m\\u202e" in capsys.readouterr().out

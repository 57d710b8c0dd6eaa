"""Certificates in the databases of Chromium and Firefox, judged by certutil."""

import re
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from client.errors import ClientError, NeedsPerson
from client.stores.holder import friendly_name
from client.stores.nss import Nss
from tests.client.small_authority import Issuer
from tests.tokens import program

ISSUER = Issuer.root("Client authority")


@pytest.fixture
def person(quick: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the home folder of a person who has used Firefox."""
    home = quick / "山田 home"
    monkeypatch.setenv("HOME", str(home))
    make_database(home / ".mozilla/firefox/abc.default")
    return home


@pytest.fixture
def nss(person: Path, tmp_path: Path) -> Nss:
    return holder(tmp_path, "generation")


def holder(folder: Path, name: str) -> Nss:
    (folder / name).mkdir()
    return Nss("", folder / name)


def make_database(folder: Path, *password: str) -> None:
    folder.mkdir(parents=True)
    certutil(folder, "-N", *(password or ("--empty-password",)))


def certutil(folder: Path, *arguments: str) -> str:
    words = [program("certutil", "libnss3-tools"), *arguments, "-d", f"sql:{folder}"]
    return subprocess.run(words, capture_output=True, text=True, timeout=30, check=False).stdout


def keys(folder: Path) -> list[str]:
    return re.findall(r"^<.*> +ec +([0-9a-f]{40})", certutil(folder, "-K", "-f", "/dev/null"), re.MULTILINE)


def listed(folder: Path) -> list[str]:
    return re.findall(r"^(.+?) +u,u,u", certutil(folder, "-L"), re.MULTILINE)


def databases(person: Path) -> list[Path]:
    return [person / ".pki/nssdb", person / ".mozilla/firefox/abc.default"]


def installed(nss: Nss, days: int) -> tuple[str, x509.Certificate]:
    reference = nss.create("warifu-1")
    public_key = nss.key(reference).public_key()
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    leaf = ISSUER.client("F123456-001", public_key, days)
    nss.install(reference, [leaf, ISSUER.certificate], friendly_name(leaf))
    return reference, leaf


def test_both_browsers_get_certificate_key_and_issuer(nss: Nss, person: Path) -> None:
    reference, leaf = installed(nss, 30)
    for database in databases(person):
        assert keys(database) == [reference]
        assert listed(database) == [friendly_name(leaf)]
        assert "Client authority" in certutil(database, "-L")


def test_after_installing_no_file_holds_the_key(nss: Nss, tmp_path: Path) -> None:
    reference = nss.create("warifu-1")
    assert [each.name for each in (tmp_path / "generation").iterdir()] == ["nss.pem"]
    public_key = nss.key(reference).public_key()
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    leaf = ISSUER.client("F123456-001", public_key, 30)
    nss.install(reference, [leaf], friendly_name(leaf))
    assert list((tmp_path / "generation").iterdir()) == []
    assert nss.key(reference).public_key() == public_key
    assert list((tmp_path / "generation").iterdir()) == []


def test_installing_again_is_installing_once(nss: Nss, person: Path) -> None:
    reference, leaf = installed(nss, 30)
    nss.install(reference, [leaf, ISSUER.certificate], friendly_name(leaf))
    assert [listed(each) for each in databases(person)] == [[friendly_name(leaf)]] * 2


def test_old_and_renewed_stay_side_by_side_told_apart_by_their_dates(nss: Nss, person: Path, tmp_path: Path) -> None:
    pairs = [installed(nss, 30)] + [installed(holder(tmp_path, str(days)), days) for days in (395, 760)]
    for database in databases(person):
        assert sorted(listed(database)) == [friendly_name(each) for _, each in pairs]
    assert {(each.name, each.reference) for each in nss.found()} == {(friendly_name(each), key) for key, each in pairs}


@pytest.mark.parametrize("which", [0, 1])
def test_deleting_one_leaves_the_other(nss: Nss, person: Path, tmp_path: Path, which: int) -> None:
    both = [installed(nss, 30), installed(holder(tmp_path, "next"), 395)]
    reference, _ = both.pop(which)
    nss.delete(reference)
    nss.delete(reference)
    ((left, certificate),) = both
    for database in databases(person):
        assert keys(database) == [left]
        assert certutil(database, "-L").count("F123456-001 ") == 1
        assert listed(database) == [friendly_name(certificate)]


def test_only_the_databases_named_are_touched(person: Path, tmp_path: Path) -> None:
    (tmp_path / "generation").mkdir()
    reference, _ = installed(Nss(str(tmp_path / "own"), tmp_path / "generation"), 30)
    assert keys(tmp_path / "own") == [reference]
    assert keys(databases(person)[1]) == []
    assert not databases(person)[0].exists()


def test_two_that_end_on_one_day_are_not_mixed_up(nss: Nss, tmp_path: Path) -> None:
    first, second = (nss, installed(nss, 30)), (other := holder(tmp_path, "next"), installed(other, 30))
    for holding, (reference, leaf) in (first, second):
        assert holding.key(reference).public_key() == leaf.public_key()
    first[0].delete(first[1][0])
    assert second[0].key(second[1][0]).public_key() == second[1][1].public_key()


def test_a_database_with_a_password_is_refused_before_a_key_is_made(nss: Nss, person: Path, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("primary password\n")
    make_database(person / ".mozilla/firefox/xyz.closed", "-f", str(tmp_path / "password"))
    with pytest.raises(NeedsPerson, match=r"xyz\.closed has a password"):
        nss.create("warifu-1")
    assert list((tmp_path / "generation").iterdir()) == []


def test_a_key_that_was_deleted_in_the_browser_is_missed(nss: Nss, person: Path) -> None:
    reference, _ = installed(nss, 30)
    for database in databases(person):
        certutil(database, "-F", "-k", reference, "-f", "/dev/null")
        assert keys(database) == []
    with pytest.raises(ClientError, match="no longer in the browsers"):
        nss.key(reference)


def test_without_the_programs_the_package_is_named(nss: Nss, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ClientError) as caught:
        nss.create("warifu-1")
    assert caught.value.facts["package"] == "libnss3-tools"


def test_a_key_in_a_browser_could_be_copied(nss: Nss) -> None:
    assert nss.holding(installed(nss, 30)[0]).copyable is True

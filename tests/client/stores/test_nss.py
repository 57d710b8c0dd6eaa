"""Certificates in the databases of Chromium and Firefox, judged by certutil."""

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from client.console import Console
from client.errors import ClientError, NeedsPerson
from client.language import choose
from client.stores.holder import friendly_name
from client.stores.nss import Nss
from client.stores.nss_database import NssDatabase
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


def installed(nss: Nss, days: int, common_name: str = "F123456-001") -> tuple[str, x509.Certificate]:
    reference = nss.create("warifu-1")
    public_key = nss.key(reference).public_key()
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    leaf = ISSUER.client(common_name, public_key, days)
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


def test_a_certificate_that_a_kill_left_under_the_others_name_is_deleted(
    nss: Nss, person: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, leaf = installed(nss, 30)
    with monkeypatch.context() as killed:
        killed.setattr(NssDatabase, "rename", lambda *_: None)
        later = holder(tmp_path, "next")
        reference, _ = installed(later, 395)
    later.delete(reference)
    for database in databases(person):
        assert keys(database) == [kept]
        assert certutil(database, "-L").count("F123456-001 ") == 1
        assert listed(database) == [friendly_name(leaf)]


@pytest.mark.parametrize(("common_name", "days"), [("F123456-002", 30), ("F123456-001", 30), ("F123456-001", 395)])
def test_deleting_leaves_the_certificate_of_another_whose_key_is_elsewhere(
    nss: Nss, person: Path, tmp_path: Path, common_name: str, days: int
) -> None:
    mine, _ = installed(nss, 30)
    others, leaf = installed(holder(tmp_path, "next"), days, common_name)
    for database in databases(person):
        certutil(database, "-F", "-k", others, "-f", "/dev/null")
    nss.delete(mine)
    for database in databases(person):
        assert re.findall(r"^(F123456-\d{3} \S+)", certutil(database, "-L"), re.MULTILINE) == [friendly_name(leaf)]
        assert leaf in x509.load_pem_x509_certificates(certutil(database, "-L", "-a", "-n", name_of(database)).encode())


def name_of(database: Path) -> str:
    found = re.search(r"^(F123456-.*?) +,,", certutil(database, "-L"), re.MULTILINE)
    assert found is not None
    return found[1]


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


def closed(folder: Path, password: Path) -> Path:
    password.write_text("primary password\n")
    make_database(folder, "-f", str(password))
    return folder


def test_a_named_database_with_a_password_is_refused_before_a_key_is_made(quick: Path, tmp_path: Path) -> None:
    named = closed(quick / "xyz.closed", tmp_path / "password")
    (tmp_path / "generation").mkdir()
    with pytest.raises(NeedsPerson, match=r"xyz\.closed has a password"):
        Nss(f"{tmp_path / 'own'}\n{named}", tmp_path / "generation").create("warifu-1")
    assert list((tmp_path / "generation").iterdir()) == []


def test_a_profile_with_a_password_is_told_of_once_and_left_out(
    person: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    profile = closed(person / ".mozilla/firefox/xyz.closed", tmp_path / "password")
    with click.Context(click.Command("test"), obj=Console(choose("en", {}), json=False)):
        nss = holder(tmp_path, "generation")
        reference, leaf = installed(nss, 30)
    assert nss.key(reference).public_key() == leaf.public_key()
    assert [keys(each) for each in databases(person)] == [[reference]] * 2
    assert "F123456" not in certutil(profile, "-L")
    told = " ".join(capsys.readouterr().err.split())
    assert told.count("has a password of its own") == 1
    assert "xyz.closed" in told
    nss.delete(reference)
    assert [keys(each) for each in databases(person)] == [[], []]


def test_where_each_database_has_a_password_a_person_is_needed(person: Path, tmp_path: Path) -> None:
    for each in databases(person):
        shutil.rmtree(each, ignore_errors=True)
        closed(each, tmp_path / "password")
    with pytest.raises(NeedsPerson, match="has a password"):
        holder(tmp_path, "generation").create("warifu-1")


def test_a_key_behind_a_new_password_is_not_taken_for_deleted(person: Path, tmp_path: Path) -> None:
    nss = holder(tmp_path, "generation")
    reference, _ = installed(nss, 30)
    (tmp_path / "none").write_text("\n")
    (tmp_path / "new").write_text("primary password\n")
    certutil(databases(person)[1], "-W", "-f", str(tmp_path / "none"), "-@", str(tmp_path / "new"))
    with pytest.raises(NeedsPerson, match=r"abc\.default has a password"):
        nss.delete(reference)


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

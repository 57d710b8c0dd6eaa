"""Both files become a CA again in an empty folder, after everything in them was tried, or nothing does."""

import io
import random
import shutil
import sqlite3
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from cryptography import x509

from ca_server import keyring
from ca_server.authority import crl
from ca_server.authority.signer import Signer
from ca_server.backup.unpacking import unpack
from ca_server.backup.writing import write_records
from ca_server.cli.output import FAILURE, REFUSED
from ca_server.clock import DAY, SystemClock
from ca_server.config import load
from ca_server.store import SynchronousDatabase, credentials, migrations
from keys.coffer import CofferWriter
from keys.errors import SealBroken
from protocol.names import CommonName
from tests.ca_server.backup.conftest import WORDS, Vault

THE_SEAT = CommonName.parse("F123456-001")


def signer_of(vault: Vault) -> Signer:
    authority = vault.config.authority
    return keyring.load_signer(authority.issuing_certificate, authority.issuing_key, authority.issuing_passphrase_file)


def publish(vault: Vault, number: int, *serials: int, path: Path | None = None, scope: str | None = None) -> Path:
    """Put a list where `serve` would, or elsewhere."""
    now = SystemClock().now()
    entries = [crl.entry_of_records(f"{serial:x}", now, 4) for serial in serials]
    place = path or vault.ca / "public" / "issuing-1.crl"
    place.write_bytes(crl.build(signer_of(vault), entries, number, now, now + DAY, scope))
    return place


def test_the_ca_is_whole_again_in_another_folder(vault: Vault) -> None:
    publish(vault, 7)
    vault.back_up()
    before = keyring.load_authorities(vault.config, SystemClock().now())[0].signer.certificate
    shutil.rmtree(vault.ca)
    vault.restore()
    config = load(vault.restored / "warifu.toml")
    assert keyring.load_authorities(config, SystemClock().now())[0].signer.certificate == before
    keyring.load_tls(config)
    records = SynchronousDatabase(config.server.database)
    records.read(migrations.require_current)
    (pair,) = records.read(credentials.live_of_seat, THE_SEAT)
    found = records.read(credentials.by_id, pair.id)
    records.close()
    assert found is not None
    assert found[1].opened(keyring.load_sealer(config), pair.id)


def test_secrets_are_their_owners_alone_and_what_is_public_is_everybodys(vault: Vault) -> None:
    vault.back_up()
    vault.restore()
    open_to_all = {path for path in vault.restored.rglob("*") if path.stat().st_mode & 0o077}
    public = vault.restored / "public"
    assert open_to_all == {public, *public.rglob("*")}
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in open_to_all)


def test_nothing_is_restored_over_something_else(vault: Vault) -> None:
    vault.back_up()
    vault.restored.mkdir()
    vault.restore()
    before = sorted(vault.restored.rglob("*"))
    told = vault.restore(code=REFUSED)
    assert "not empty" in told["error"]["detail"]
    assert sorted(vault.restored.rglob("*")) == before


@pytest.mark.parametrize("which", ["records", "keys"])
@pytest.mark.parametrize("harm", ["altered", "cut"])
def test_a_file_that_was_harmed_restores_nothing(vault: Vault, which: str, harm: str) -> None:
    vault.back_up()
    path = vault.records if which == "records" else vault.keys
    content = bytearray(path.read_bytes())
    if harm == "altered":
        content[random.Random(3).randrange(60, len(content))] ^= 1
    else:
        del content[-1:]
    path.write_bytes(content)
    vault.restore(code=FAILURE)
    assert not vault.restored.exists()


def test_one_person_alone_restores_no_keys(vault: Vault) -> None:
    vault.back_up()
    for words in (["one", "records"], ["records", "other"]):
        given = ["--keys", str(vault.keys), "--directory", str(vault.restored)]
        secrets = vault.passphrases(keys=tuple(words))
        vault.run("restore", str(vault.records), *given, *secrets, code=FAILURE)
    assert not vault.restored.exists()


def test_the_files_cannot_be_taken_for_each_other(vault: Vault) -> None:
    vault.back_up()
    with pytest.raises(Exception, match="holds the records, not the keys"):
        unpack(vault.records, "keys", [WORDS["records"]], vault.folder / "ca", lambda done, total: None)


def test_a_secret_that_does_not_open_the_records_restores_nothing(vault: Vault) -> None:
    """The keys' file is older than a change of the secret that was not rolled."""
    secret = vault.ca / "secrets" / "server.secret"
    before = secret.read_text("ascii")
    secret.write_text("ab" * 32 + "\n", "ascii")
    vault.back_up()
    told = vault.restore(code=FAILURE)
    assert "secret" in told["error"]["detail"]
    assert not vault.restored.exists()
    secret.write_text(before, "ascii")


@pytest.mark.parametrize("published", [True, False], ids=["published", "never-served"])
def test_keys_of_another_ca_restore_nothing(vault: Vault, published: bool) -> None:
    if published:
        publish(vault, 3)
    records = SynchronousDatabase(vault.config.server.database)
    records.write(credentials.replace_live, str(THE_SEAT), SystemClock().now(), "login:test")  # nothing sealed is left
    records.close()
    vault.back_up()
    vault.keys.unlink()
    other = Vault(vault.folder / "another", vault.output)
    other.folder.mkdir()
    urls = ("--public-url", "https://ca.example:8443", "--http-url", "http://ca.example:8080")
    vault.run("init", "--directory", str(other.ca), *urls, "--non-interactive")
    for name, words in WORDS.items():
        (other.folder / name).write_text(words, "utf-8")
    other.back_up()
    shutil.copy(other.keys, vault.keys)
    told = vault.restore(code=REFUSED if published else FAILURE)
    assert ("signed it" if published else "another CA's") in str(told["error"])
    assert not vault.restored.exists()


def test_a_database_that_was_damaged_before_its_backup_restores_nothing(vault: Vault) -> None:
    raw = sqlite3.connect(vault.ca / "warifu.db")
    raw.execute("PRAGMA foreign_keys=OFF")
    raw.execute("UPDATE seat SET institution = 'F999999'")
    raw.commit()
    raw.close()
    vault.back_up()
    told = vault.restore(code=FAILURE)
    assert "damaged" in told["error"]["detail"]
    assert not vault.restored.exists()


def test_records_of_a_newer_program_restore_nothing(vault: Vault) -> None:
    vault.back_up()
    vault.records.unlink()
    with sqlite3.connect(vault.ca / "warifu.db") as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    write_records(vault.config, vault.records, WORDS["records"], 1, lambda done, total: None)
    told = vault.restore(code=FAILURE)
    assert "newer" in told["error"]["detail"]
    assert not vault.restored.exists()


def test_a_clock_before_the_backup_restores_nothing(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.back_up()
    monkeypatch.setattr(SystemClock, "now", lambda self: 1_700_000_000)
    told = vault.restore(code=REFUSED)
    assert "clock" in told["error"]["detail"]


def test_the_newest_list_that_somebody_has_takes_its_place_and_keeps_what_it_revokes(vault: Vault) -> None:
    publish(vault, 7)
    vault.back_up()
    newest = publish(vault, 9, 0x5EED, path=vault.folder / "newest.crl")
    told = vault.restore("--newest-crl", str(newest))
    assert told["lost"] == ["5eed"]
    assert told["crl_number"] >= 9
    assert (vault.restored / "public" / "issuing-1.crl").read_bytes() == newest.read_bytes()


def test_who_gives_no_list_is_told_what_that_means(vault: Vault) -> None:
    published = publish(vault, 7, path=vault.folder / "newest.crl")
    vault.back_up()
    vault.restore("--newest-crl", str(published))
    assert "good again" not in vault.said
    shutil.rmtree(vault.restored)
    vault.restore()
    assert "good again" in vault.said


def test_a_list_in_the_backup_counts_where_the_records_are_older(vault: Vault) -> None:
    """It may be published between the copy of the records and that of what is published."""
    publish(vault, 7, 0x5EED)
    vault.back_up()
    assert vault.restore()["lost"] == ["5eed"]


def partitions(vault: Vault) -> Path:
    return publish(vault, 9, path=vault.folder / "part.crl", scope="http://ca.example:8080/crl/issuing-1-1.crl")


def older(vault: Vault) -> Path:
    return publish(vault, 6, path=vault.folder / "old.crl")


def anothers(vault: Vault) -> Path:
    return vault.ca / "public" / "root.crl"


def nobodys(vault: Vault) -> Path:
    return vault.ca / "public" / "root.pem"


@pytest.mark.parametrize("made_by", [partitions, older, anothers, nobodys])
def test_a_list_that_is_not_the_newest_of_all_is_refused(vault: Vault, made_by: Callable[[Vault], Path]) -> None:
    publish(vault, 7)
    vault.back_up()
    told = vault.restore("--newest-crl", str(made_by(vault)), code=REFUSED)
    assert "newest-crl" in told["error"]["fields"]
    assert not vault.restored.exists()


def test_what_lay_elsewhere_is_told_and_lies_below_outside(vault: Vault) -> None:
    far = vault.folder / "far.pem"
    (vault.ca / "tls" / "server.pem").rename(far)
    text = (vault.ca / "warifu.toml").read_text("utf-8").replace('"tls/server.pem"', f'"{far}"')
    (vault.ca / "warifu.toml").write_text(text, "utf-8")
    vault.back_up()
    told = vault.restore()
    assert told["elsewhere"] == {str(far): f"{vault.restored}/outside{far}"}
    assert Path(told["elsewhere"][str(far)]).read_bytes() == far.read_bytes()


def test_what_a_relative_path_names_outside_is_told_from_where_the_configuration_lies_now(vault: Vault) -> None:
    (vault.ca / "documents").rename(vault.folder / "papers")
    text = vault.config.path.read_text("utf-8")
    vault.config.path.write_text(text.replace("[server]", '[server]\ndocuments_folder = "../papers"'), "utf-8")
    vault.back_up()
    (lies,) = vault.restore()["elsewhere"].items()
    assert Path(lies[0]) == vault.folder / "papers"
    assert Path(lies[1]).is_relative_to(vault.restored)
    assert (Path(lies[1]) / "cps.en.md").exists()


@pytest.mark.parametrize("reached", ["of another's", "by a link"])
def test_a_folder_that_is_there_stays_itself_and_gets_the_content(vault: Vault, reached: str) -> None:
    """A disk of its own, or a folder in one that its owner may not write, as systemd makes it."""
    vault.back_up()
    own = vault.folder / "own"
    own.mkdir(mode=0o700)
    before = own.stat()
    if reached == "by a link":
        vault.restored.symlink_to(own)
    else:
        own.rename(vault.restored)
    vault.restore()
    after = vault.restored.stat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    load(vault.restored / "warifu.toml")


def test_a_certificate_stays_with_its_key_where_the_keys_file_is_the_older_one(vault: Vault) -> None:
    """The OCSP signer and TLS certificates change more often than anybody makes a keys' file."""
    vault.back_up()
    vault.records.unlink()
    before = (vault.ca / "tls" / "server.pem").read_bytes()
    shutil.copy(vault.ca / "tls" / "ca.pem", vault.ca / "tls" / "server.pem")
    vault.run("backup", str(vault.records), *vault.passphrases()[:2])
    vault.restore()
    assert (vault.restored / "tls" / "server.pem").read_bytes() == before
    assert x509.load_pem_x509_certificate(before)


def archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """Return a coffer with these files behind a sheet that is right."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        sheet = b'{"kind": "keys", "made_at": 1, "folder": "/ca", "config": "warifu.toml", "program": "1", "format": 1}'
        for member, content in ((tarfile.TarInfo("backup.json"), sheet), *members):
            if member.isreg():
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    file = io.BytesIO()
    coffer = CofferWriter(file, list(WORDS.values())[1:])
    coffer.write(packed.getvalue())
    coffer.finish()
    return file.getvalue()


def link(name: str, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


@pytest.mark.parametrize(
    "members",
    [
        [(tarfile.TarInfo("../harm"), b"x")],
        [(tarfile.TarInfo("secrets/../../harm"), b"x")],
        [(tarfile.TarInfo("/tmp/warifu-harm"), b"x")],
        [(link("secrets", ".."), b"")],
    ],
    ids=["up", "up inside", "absolute", "link"],
)
def test_nothing_leads_out_of_the_folder(tmp_path: Path, members: Sequence[tuple[tarfile.TarInfo, bytes]]) -> None:
    """Only who knows the passphrases makes such a file; it is refused all the same."""
    backup, folder = tmp_path / "backup", tmp_path / "folder"
    backup.write_bytes(archive(*members))
    folder.mkdir()
    with pytest.raises(SealBroken):
        unpack(backup, "keys", list(WORDS.values())[1:], folder, lambda done, total: None)
    assert sorted(tmp_path.rglob("*")) == [backup, folder]


def test_what_opens_and_is_no_archive_is_told_so(tmp_path: Path) -> None:
    file = io.BytesIO()
    coffer = CofferWriter(file, [WORDS["records"]])
    coffer.write(b"no archive " * 100)
    coffer.finish()
    (tmp_path / "backup").write_bytes(file.getvalue())
    with pytest.raises(SealBroken, match="no backup"):
        unpack(tmp_path / "backup", "records", [WORDS["records"]], tmp_path, lambda done, total: None)


def test_what_a_list_holds_is_suspended_by_the_officer_who_is_named_and_by_nobody_else(vault: Vault) -> None:
    """Here the list holds nothing of ours: only who is named is looked at."""
    vault.back_up()
    told = vault.restore("--officer", "nobody", code=REFUSED)
    assert "nobody" in told["error"]["detail"]
    assert not vault.restored.exists()
    vault.restore("--officer", "alice")

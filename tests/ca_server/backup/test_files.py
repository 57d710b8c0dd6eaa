"""What goes into which of the two files, how they are written, and that secrets are where they belong."""

import dataclasses
import fcntl
import json
import sqlite3
import tempfile
import threading
import typing
from pathlib import Path

import pytest

from ca_server.backup import contents
from ca_server.cli.options import login
from ca_server.cli.output import FAILURE, REFUSED
from ca_server.config.sections import Config
from ca_server.store import SynchronousDatabase, audit, snapshot
from ca_server.whereabouts import Cluster
from tests.ca_server.backup.conftest import WORDS, Vault

NOWHERE = {"path", "database", "maildir", "ready_folder"}


def files_named_by(kind: type) -> set[str]:
    """Return the fields of the configuration that hold paths."""
    found: set[str] = set()
    for name, hint in typing.get_type_hints(kind).items():
        for part in (hint, *typing.get_args(hint)):
            if part is Path:
                found.add(name)
            elif dataclasses.is_dataclass(part) and isinstance(part, type):
                found |= files_named_by(part)
    return found


def test_every_file_that_a_configuration_can_name_goes_where_this_says() -> None:
    """Whoever adds a field decides here whether the world may see it."""
    assert files_named_by(Config) - NOWHERE == {
        *("tls_certificate", "issuing_certificate", "ocsp_certificate", "root_certificate"),
        *("smtp_ca_file", "source_ca_file", "officer_keys", "public_folder", "documents_folder"),
        *("tls_key", "tls_passphrase_file", "issuing_key", "issuing_passphrase_file", "ocsp_key"),
        *("ocsp_passphrase_file", "secret_files", "smtp_password_file", "feed_token_file"),
        *("key", "passphrase_file", "database_password_file", "password_file"),
    }


def test_the_records_hold_no_secret_and_the_keys_hold_them_all(vault: Vault) -> None:
    vault.back_up()
    secrets = [path for path in vault.ca.rglob("*") if path.parent.name == "secrets" or path.name.endswith(".key.pem")]
    online = [path for path in secrets if not path.name.startswith(("root.", "tls-ca.", "ca."))]
    records, keys = vault.unpacked("records"), vault.unpacked("keys")
    assert len(online) >= 9
    certificates = {name for name in keys if name.endswith((".pem", ".cer")) and not name.endswith(".key.pem")}
    assert keys.keys() - certificates == {str(path.relative_to(vault.ca)) for path in online}
    everything = b"".join(records.values())
    assert b"PRIVATE KEY" not in everything
    for path in secrets:
        assert path.read_bytes().strip() not in everything, path


def test_the_records_hold_what_is_published_the_documents_and_the_configuration(vault: Vault) -> None:
    vault.back_up()
    published = [path for folder in ("public", "documents") for path in (vault.ca / folder).rglob("*")]
    expected = {str(path.relative_to(vault.ca)) for path in published if path.is_file()}
    assert set(vault.unpacked("records")) >= expected | {"warifu.toml", "warifu.db", "authority/issuing-1.pem"}


def test_the_roots_key_and_mails_are_in_neither(vault: Vault) -> None:
    (vault.ca / "mailbox" / "letter").write_text("a password")
    vault.back_up()
    names = {*vault.unpacked("records"), *vault.unpacked("keys")}
    assert not [name for name in names if name.startswith(("mailbox", "root/root.key", "secrets/root", "ready"))]


def test_both_files_are_their_owners_alone_and_are_never_overwritten(vault: Vault) -> None:
    vault.back_up()
    assert [path.stat().st_mode & 0o777 for path in (vault.records, vault.keys)] == [0o600, 0o600]
    before = vault.records.read_bytes(), vault.keys.read_bytes()
    vault.back_up(code=REFUSED)
    assert (vault.records.read_bytes(), vault.keys.read_bytes()) == before


def test_the_log_says_who_made_a_backup_and_the_backup_says_so_too(vault: Vault) -> None:
    vault.back_up()
    vault.unpacked("records")
    for path in (vault.ca / "warifu.db", vault.folder / "unpacked-records" / "warifu.db"):
        records = SynchronousDatabase(path)
        ((_, actor, action, detail),) = records.read(audit.of_subject, "records")
        records.close()
        assert (actor, action, detail) == (f"login:{login()}", "backup made", {"to": "records.backup keys.backup"})


def test_one_person_alone_makes_no_backup_of_the_keys(vault: Vault) -> None:
    told = vault.run(
        *("backup", str(vault.records), "--keys", str(vault.keys), *vault.passphrases(keys=("one",))), code=REFUSED
    )
    assert "each person" in json.dumps(told)
    assert not vault.keys.exists()


def test_a_file_that_is_named_and_missing_is_told_of(vault: Vault) -> None:
    (vault.ca / "secrets" / "ocsp.passphrase").unlink()
    assert vault.back_up()["missing"] == [str(vault.ca / "secrets" / "ocsp.passphrase")]


def test_a_file_elsewhere_has_a_name_that_leads_nowhere_else(vault: Vault) -> None:
    far = vault.folder / "far.pem"
    (vault.ca / "tls" / "server.pem").rename(far)
    text = (vault.ca / "warifu.toml").read_text("utf-8").replace('"tls/server.pem"', f'"{far}"')
    (vault.ca / "warifu.toml").write_text(text, "utf-8")
    names = {each.name for each in contents.of_records(vault.config)}
    assert f"outside{far}" in names


def test_a_copy_has_what_is_committed_and_makes_no_writer_wait(vault: Vault, tmp_path: Path) -> None:
    """A transaction is open before, during and after the copy, and ends well."""
    database = vault.ca / "warifu.db"
    writing = sqlite3.connect(database, isolation_level=None)
    writing.execute("BEGIN IMMEDIATE")
    writing.execute("UPDATE institution SET name = 'not yet'")
    into = tmp_path / "copy.db"
    into.touch()
    snapshot.copy(database, into)
    writing.execute("COMMIT")
    writing.close()
    copied = sqlite3.connect(into)
    assert copied.execute("SELECT name FROM institution").fetchall() == [("みどり銀行",)]
    copied.close()


def test_what_was_erased_is_not_in_the_copy(vault: Vault, tmp_path: Path) -> None:
    database, word = vault.ca / "warifu.db", "a name that must be forgotten " * 200
    raw = sqlite3.connect(database)
    raw.execute("PRAGMA secure_delete=OFF")
    raw.execute("INSERT INTO blocked_key VALUES (?, 1)", (word,))
    raw.commit()
    raw.execute("DELETE FROM blocked_key")
    raw.commit()
    raw.close()
    into = tmp_path / "copy.db"
    into.touch()
    snapshot.copy(database, into)
    assert word.encode()[:100] in database.read_bytes()
    assert word.encode()[:100] not in into.read_bytes()


def test_a_copy_under_load_is_whole(vault: Vault, tmp_path: Path) -> None:
    """Each transaction moves one from here to there; their sum never changes."""
    database = vault.ca / "warifu.db"
    raw = sqlite3.connect(database)
    raw.execute("CREATE TABLE sum (here INTEGER, there INTEGER)")
    raw.execute("INSERT INTO sum VALUES (1000000, 0)")
    raw.commit()
    raw.close()
    done = threading.Event()

    def move() -> None:
        moving = sqlite3.connect(database, isolation_level=None)
        while not done.is_set():
            moving.execute("BEGIN IMMEDIATE")
            moving.execute("UPDATE sum SET here = here - 1")
            moving.execute("UPDATE sum SET there = there + 1")
            moving.execute("COMMIT")
        moving.close()

    mover = threading.Thread(target=move)
    mover.start()
    try:
        for place in range(5):
            into = tmp_path / f"copy-{place}.db"
            into.touch()
            snapshot.copy(database, into)
            copied = sqlite3.connect(into)
            assert copied.execute("SELECT here + there FROM sum").fetchone() == (1_000_000,)
            copied.close()
    finally:
        done.set()
        mover.join()


def test_without_a_terminal_a_passphrase_is_not_waited_for(vault: Vault) -> None:
    told = vault.run("backup", str(vault.records), code=REFUSED)
    assert told["error"]["fields"].keys() == {"passphrase-file"}
    assert not vault.records.exists()


@pytest.mark.parametrize("given", [("records", ("one", "one")), ("one", ("one", "other"))], ids=["keys", "both"])
def test_no_two_passphrases_are_the_same(vault: Vault, given: tuple[str, tuple[str, str]]) -> None:
    options = vault.passphrases(records=given[0], keys=given[1])
    told = vault.run("backup", str(vault.records), "--keys", str(vault.keys), *options, code=REFUSED)
    assert told["error"]["fields"].keys() == {"keys-passphrase-file"}
    assert not vault.records.exists()
    assert not vault.keys.exists()


@pytest.mark.parametrize("missing", ["records", "one"])
def test_a_passphrase_file_that_is_missing_leaves_nothing_behind(vault: Vault, missing: str) -> None:
    (vault.folder / missing).unlink()
    vault.back_up(code=FAILURE)
    assert not vault.records.exists()
    assert not vault.keys.exists()


def test_records_on_postgresql_are_copied_into_a_file_below_the_configuration(vault: Vault) -> None:
    cluster, password = Cluster("postgresql://ca@db.example/ca"), vault.ca / "secrets" / "database.password"
    server = dataclasses.replace(vault.config.server, database=cluster, database_password_file=password)
    config = dataclasses.replace(vault.config, server=server)
    assert contents.database(config) == "warifu.db"
    assert "secrets/database.password" in {each.name for each in contents.of_keys(config)}
    assert "secrets/database.password" not in {each.name for each in contents.of_records(config)}
    assert contents.moved(config, vault.ca).server.database == vault.ca / "warifu.db"


def test_what_a_killed_backup_left_goes_with_the_next_and_another_that_runs_is_left_alone(vault: Vault) -> None:
    left, running = (vault.ca / f".warifu.db.backup-{name}" for name in ("leftover", "running_"))
    logs = [path.with_name(f"{path.name}-wal") for path in (left, running)]
    for path in (left, *logs):
        path.touch()
    with running.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        vault.back_up()
        assert [path.exists() for path in (left, running, *logs)] == [False, True, False, True]
    running.unlink()
    logs[1].unlink()


def test_each_file_is_its_own_and_none_is_overwritten(vault: Vault) -> None:
    same = ["backup", str(vault.records), "--keys", str(vault.records), *vault.passphrases()]
    assert list(vault.run(*same, code=REFUSED)["error"]["fields"]) == ["--keys"]
    assert not vault.records.exists()
    vault.back_up()
    assert list(vault.back_up(REFUSED)["error"]["fields"]) == ["FILE"]


def test_a_passphrase_file_that_others_may_read_is_warned_of(vault: Vault) -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders let nobody in
        folder = Path(name)
        folder.chmod(0o711)
        options = []
        for option, word, mode in (
            ("--passphrase-file", "records", 0o644),
            ("--keys-passphrase-file", "one", 0o600),
            ("--keys-passphrase-file", "other", 0o640),
        ):
            (folder / word).write_text(WORDS[word])
            (folder / word).chmod(mode)
            options += [option, str(folder / word)]
        vault.run("backup", str(vault.records), "--keys", str(vault.keys), *options)
        assert vault.said.splitlines() == [f"WARNING: others may read {folder / 'records'}; chmod 600 it."]

"""`warifu-ca audit` as auditors and operators use it."""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from ca_server import store
from ca_server.checkpoint_key import load_notary
from ca_server.cli import cli
from ca_server.cli.output import DONE, PERSON, REFUSED, USAGE, run
from ca_server.clock import SystemClock
from ca_server.config import load
from ca_server.notices.messages import _plain
from ca_server.operations import audit_log
from ca_server.store import audit
from tests.ca_server.operations.auditing import Awaited

Run = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA as `init` makes it."""
    folder = tmp_path_factory.mktemp("audit") / "ca"
    urls = ("--public-url", "https://ca.example:8443", "--http-url", "http://ca.example:8080")
    assert run(cli, ["init", "--directory", str(folder), *urls, "--non-interactive"]) == DONE
    return folder


@pytest.fixture
def ca(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it with some entries and a checkpoint."""
    import shutil

    folder = tmp_path / "ca"
    shutil.copytree(made, folder)
    monkeypatch.setenv("WARIFU_CONFIG", str(folder / "warifu.toml"))
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    records = store.SynchronousDatabase(load(folder / "warifu.toml").server.database)
    for number in range(3):
        records.write(lambda connection, n=number: audit.record(connection, 1, "schedule", "tested", f"F00000{n}-001"))
    records.close()
    keep(folder)
    return folder


def keep(folder: Path) -> None:
    """Give entries their places, and sign a checkpoint."""
    config = load(folder / "warifu.toml")
    records, notary = store.SynchronousDatabase(config.server.database), load_notary(config)
    assert notary is not None
    awaited, now = Awaited(records), SystemClock().now()
    asyncio.run(audit_log.sequence(awaited, "test", now))  # type: ignore[arg-type]
    asyncio.run(audit_log.publish(awaited, notary, "test", SystemClock()))  # type: ignore[arg-type]
    records.close()


@pytest.fixture
def command(ca: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `warifu-ca audit …` and returns the exit code and what stands on stdout."""

    def call(*arguments: str | Path) -> tuple[int, str]:
        capsys.readouterr()
        code = run(cli, ["audit", *map(str, arguments)])
        return code, capsys.readouterr().out

    return call


def keys(ca: Path) -> Path:
    return ca / "public" / "audit" / "keys"


def change(ca: Path, statement: str) -> None:
    connection = sqlite3.connect(ca / "warifu.db")
    connection.execute(statement)
    connection.commit()
    connection.close()


def copy_records(source: Path, target: Path) -> None:
    """Copy a database over another."""
    with contextlib.closing(sqlite3.connect(source)) as one, contextlib.closing(sqlite3.connect(target)) as other:
        one.backup(other)


def test_the_records_are_verified_and_a_changed_entry_is_named(ca: Path, command: Run) -> None:
    code, text = command("verify", "--json")
    assert (code, json.loads(text)["whole"]) == (DONE, True)
    change(ca, "UPDATE audit SET subject = 'F000009-001' WHERE place = 1")
    code, text = command("verify")
    assert code == PERSON
    assert text == "Entry 1 was changed: it does not have the hash that is kept for it.\n"


def test_an_export_is_verified_without_a_database_or_a_configuration(
    ca: Path, command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("export", tmp_path / "log.jsonl")[0] == DONE
    public = tmp_path / "keys"
    public.write_bytes(keys(ca).read_bytes())
    monkeypatch.setenv("WARIFU_CONFIG", str(tmp_path / "none.toml"))
    (ca / "warifu.db").unlink()
    code, text = command("verify", "--export", tmp_path / "log.jsonl", "--key", public, "--json")
    assert (code, json.loads(text)["entries"]) == (DONE, 3)
    lines = (tmp_path / "log.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "cut.jsonl").write_text("".join(lines[:-2]))
    code, text = command("verify", "--export", tmp_path / "cut.jsonl", "--key", public)
    assert code == PERSON
    assert "not whole" in text


def test_a_kept_checkpoint_finds_what_was_rolled_back_also_out_of_a_saved_mail(
    ca: Path, command: Run, tmp_path: Path
) -> None:
    assert command("export", tmp_path / "before.jsonl")[0] == DONE
    keep(ca)  # with the entry of the export's reading
    assert command("checkpoint", "--output", tmp_path / "kept")[0] == DONE
    mail = tmp_path / "mail.eml"
    mail.write_text("Subject: x\r\n\r\n" + (tmp_path / "kept").read_text().replace("\n", "\r\n") + "\r\nbye\r\n")
    before = ("verify", "--export", tmp_path / "before.jsonl", "--key", keys(ca))
    assert command(*before)[0] == DONE
    encoded = tmp_path / "as-it-came.eml"
    letter = _plain("Dear auditor,\n\n" + (tmp_path / "kept").read_text())
    letter["Subject"] = "x"
    encoded.write_bytes(letter.as_bytes())
    for kept in (tmp_path / "kept", mail, encoded):
        code, text = command(*before, "--since", kept)
        assert code == PERSON
        assert "cut off or rolled back" in text
        assert command("verify", "--since", kept)[0] == DONE


def test_every_checkpoint_of_a_box_of_mails_is_looked_at(ca: Path, command: Run, tmp_path: Path) -> None:
    command("checkpoint", "--output", tmp_path / "first")
    command("export", tmp_path / "before.jsonl")
    keep(ca)
    command("checkpoint", "--output", tmp_path / "second")
    box = tmp_path / "box"
    for name in ("first", "second"):
        letter = _plain("Dear auditor,\n\n" + (tmp_path / name).read_text())
        letter["Subject"] = name
        with box.open("ab") as file:
            file.write(b"From ca@ca.example Thu Nov 26 00:00:00 2026\n" + letter.as_bytes() + b"\n")
    code, text = command("verify", "--export", tmp_path / "before.jsonl", "--key", keys(ca), "--since", box)
    assert code == PERSON
    assert "cut off or rolled back" in text
    assert command("verify", "--since", box)[0] == DONE


def test_records_that_were_rolled_back_are_found_by_what_was_published(ca: Path, command: Run) -> None:
    copy_records(ca / "warifu.db", ca / "before.db")
    command("list")
    keep(ca)
    assert command("verify")[0] == DONE
    copy_records(ca / "before.db", ca / "warifu.db")
    code, text = command("verify")
    assert code == PERSON
    assert "cut off or rolled back" in text


def test_it_is_told_that_nothing_proves_entries_without_a_place_or_without_a_checkpoint(ca: Path, command: Run) -> None:
    assert "no place yet" not in command("verify")[1]  # its own entry is not worth a word
    code, text = command("verify")
    assert code == DONE
    assert "1 entries have no place yet" in text  # of the first verification
    change(ca, "DELETE FROM checkpoint")
    (ca / "public" / "audit" / "checkpoint").unlink()
    code, text = command("verify")
    assert code == PERSON
    assert text.startswith("No checkpoint stands for any of 3 entries")
    assert json.loads(command("verify", "--json")[1])["whole"] is None


def test_records_rewritten_without_any_checkpoint_are_found_by_what_was_published(
    ca: Path, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    change(ca, "UPDATE audit SET subject = 'F000009-001', place = NULL, salt = NULL")
    for table in ("audit_tile", "institution_log", "checkpoint"):
        change(ca, f"DELETE FROM {table}")
    records = store.SynchronousDatabase(ca / "warifu.db")
    asyncio.run(audit_log.sequence(Awaited(records), "test", SystemClock().now()))  # type: ignore[arg-type]
    records.close()
    assert "does not begin with the checkpoint of 3 entries" in command("verify")[1]
    assert run(cli, ["reconcile", "--json"]) == PERSON
    books = {book["name"]: book["findings"] for book in json.loads(capsys.readouterr().out)["books"]}
    assert len(books["audit tree"]) == 1


def test_a_proof_is_written_once_and_verified_by_anybody(ca: Path, command: Run, tmp_path: Path) -> None:
    assert command("prove", "F000001-001", "--output", tmp_path / "proof")[0] == DONE
    assert command("prove", "F000001-001", "--output", tmp_path / "proof")[0] == REFUSED
    code, text = command("verify", "--export", tmp_path / "proof", "--key", keys(ca), "--json")
    assert code == DONE
    assert json.loads(text)["entries"][0]["entry"][4] == "F000001-001"
    assert "F000001-001" in command("verify", "--export", tmp_path / "proof", "--key", keys(ca))[1]
    changed = (tmp_path / "proof").read_text().replace("F000001", "F000002")
    (tmp_path / "changed").write_text(changed)
    assert command("verify", "--export", tmp_path / "changed", "--key", keys(ca))[0] == PERSON


def test_an_institution_without_a_certificate_has_no_log(command: Run, tmp_path: Path) -> None:
    assert command("institution", "F000001", "--output", tmp_path / "log")[0] == REFUSED


@pytest.mark.parametrize("content", ["", "[]", "{}", "no json", '{"format":"warifu-audit-proof-1"}', "\0\1"])
def test_a_file_of_anything_else_is_told_so(ca: Path, command: Run, tmp_path: Path, content: str) -> None:
    (tmp_path / "file").write_text(content)
    assert command("verify", "--export", tmp_path / "file", "--key", keys(ca))[0] == PERSON


def test_entries_are_listed_by_what_is_asked_for_and_escaped(ca: Path, command: Run) -> None:
    change(ca, "UPDATE audit SET subject = 'F' || char(27) || '[2J' WHERE place = 2")
    code, text = command("list", "--action", "tested", "--json")
    assert code == DONE
    assert [row["place"] for row in json.loads(text)] == [0, 1, 2]
    code, text = command("list", "--subject", "F000001-001", "--json")
    assert [row["place"] for row in json.loads(text)] == [1]
    assert json.loads(command("list", "--action", "tested", "--until", "1970-01-01", "--json")[1]) == []
    text = command("list")[1]
    assert "\\x1b[2J" in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_listing_of_an_actor_finds_an_officer_whatever_the_login(ca: Path, command: Run) -> None:
    change(ca, "UPDATE audit SET actor = 'officer:abc@sato' WHERE place = 0")
    change(ca, "UPDATE audit SET actor = 'officer:abcd@sato' WHERE place = 1")
    rows = json.loads(command("list", "--actor", "officer:abc", "--json")[1])
    assert [row["place"] for row in rows] == [0]


def test_reading_the_log_is_an_entry_of_it(command: Run) -> None:
    command("list")
    rows = json.loads(command("list", "--action", "read", "--json")[1])
    assert [row["subject"] for row in rows] == ["command:audit list"] * 2


def test_a_new_key_verifies_beside_the_one_before(ca: Path, command: Run, tmp_path: Path) -> None:
    old = keys(ca).read_text()
    assert command("new-key")[0] == DONE
    assert keys(ca).read_text().startswith(old)
    assert len(keys(ca).read_text().splitlines()) == 2
    keep(ca)
    assert command("verify")[0] == DONE
    assert len(list((ca / "authority").glob("checkpoint.key.pem.until-*"))) == 1


def test_without_a_key_it_is_said_how_to_make_one(ca: Path, command: Run, capsys: pytest.CaptureFixture[str]) -> None:
    keys(ca).unlink()
    assert command("verify")[0] != DONE
    run(cli, ["audit", "verify"])
    assert "audit new-key" in capsys.readouterr().err


def test_two_earlier_files_of_a_proof_are_a_wrong_command_line(ca: Path, command: Run, tmp_path: Path) -> None:
    command("prove", "0", "--output", tmp_path / "proof")
    twice = ("--since", tmp_path / "proof", "--since", tmp_path / "proof")
    assert command("verify", "--export", tmp_path / "proof", "--key", keys(ca), *twice)[0] == USAGE


def test_a_file_alone_wants_its_public_keys_where_there_is_no_ca(
    ca: Path, command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("export", tmp_path / "log.jsonl")[0] == DONE
    monkeypatch.setenv("WARIFU_CONFIG", str(tmp_path / "none.toml"))
    code, text = command("verify", "--export", tmp_path / "log.jsonl", "--json")
    assert (code, set(json.loads(text)["error"]["fields"])) == (REFUSED, {"key"})


def test_an_export_is_verified_though_the_agency_got_another_address_meanwhile(
    ca: Path, command: Run, tmp_path: Path
) -> None:
    path = ca / "warifu.toml"
    path.write_text(path.read_text("utf-8").replace("https://ca.example:8443", "https://new.example:8443"), "utf-8")
    assert command("list")[0] == DONE  # an entry for the checkpoint under the new name
    keep(ca)
    assert command("export", tmp_path / "log.jsonl")[0] == DONE
    text = (tmp_path / "log.jsonl").read_text()
    assert "ca.example:8443/audit" in text
    assert '"origin":"new.example:8443/audit"' in text
    assert command("verify", "--export", tmp_path / "log.jsonl", "--key", keys(ca))[0] == DONE
    renamed = text.replace('"origin":"new.example:8443/audit"', '"origin":"ca.example:8443/audit"', 1)
    (tmp_path / "other.jsonl").write_text(renamed)
    code, told = command("verify", "--export", tmp_path / "other.jsonl", "--key", keys(ca))
    assert code == PERSON
    assert "of another log" in told

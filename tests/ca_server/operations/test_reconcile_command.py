"""`warifu-ca reconcile` answers with its exit code, in words or as a document; a server glances at its books."""

import json
import logging

import pytest

from ca_server import store
from ca_server.cli import cli
from ca_server.cli.output import DONE, FAILURE, PERSON, run
from ca_server.clock import DAY, SystemClock
from ca_server.operations import reconcile
from tests.ca_server.databases import contents, remove
from tests.ca_server.operations.conftest import Records


def command(records: Records, *options: str) -> int:
    return run(cli, ["--config", str(records.folder / "warifu.toml"), "reconcile", *options])


def test_balanced_books_exit_0_and_are_listed_with_their_counts(
    records: Records, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(records) == DONE
    said = capsys.readouterr().out
    assert "The books balance." in said
    assert "certificates               4 checked" in said


def test_books_that_do_not_balance_exit_5_and_are_named(records: Records, capsys: pytest.CaptureFixture[str]) -> None:
    records.plant("UPDATE certificate SET der = NULL WHERE serial = :third")
    assert command(records) == PERSON
    said = capsys.readouterr().out
    assert "The books do not balance" in said
    assert f"The certificate {records.names['third']} of F123456-003 is issued, but it is not stored." in said


def test_the_document_names_every_book_with_its_findings(records: Records, capsys: pytest.CaptureFixture[str]) -> None:
    records.plant("UPDATE outbox SET status = 'dead', failure = '550' WHERE kind = 'returned'")
    assert command(records, "--json") == PERSON
    document = json.loads(capsys.readouterr().out)
    assert document["balanced"] is False
    assert document["warnings"] == []
    mails = next(book for book in document["books"] if book["name"] == "mails")
    assert mails["checked"] == 21
    assert len(mails["findings"]) == 1
    assert "is dead: 550" in mails["findings"][0]


def test_nothing_is_written_and_the_ca_key_is_not_opened(records: Records) -> None:
    records.config.authority.issuing_key.unlink()
    before = contents(records.config.server.database)
    assert command(records) == DONE
    assert contents(records.config.server.database) == before


def test_a_database_that_is_not_there_is_a_failure(records: Records) -> None:
    remove(records.config.server.database)
    assert command(records) == FAILURE


def test_a_half_that_could_not_be_carried_out_and_a_mail_that_waits_are_warnings(records: Records) -> None:
    records.plant(
        "UPDATE application_item SET revocation = 'failed', failure = 'no key' WHERE application = 3",
        "UPDATE application SET status = 'approved' WHERE number = 3",
        "UPDATE outbox SET status = 'pending', created_at = created_at - 90000 WHERE kind = 'returned'",
    )
    found = records.balance()
    assert "Item 1 of application 3 could not be carried out yet: no key" in found.warnings
    assert any("The returned mail" in warning for warning in found.warnings)
    assert found.balanced


def test_records_too_broken_to_be_read_are_a_finding(records: Records) -> None:
    records.plant("UPDATE certificate SET serial = 'no number' WHERE serial = :aborted")
    assert "cannot be read any further" in records.findings("CRL")


def glance(records: Records, caplog: pytest.LogCaptureFixture, *, later: int = 0) -> list[str]:
    """Return what a server would log when it starts."""
    config = records.config
    database = store.SynchronousDatabase(config.server.database)
    caplog.set_level(logging.INFO, "ca_server")
    now = SystemClock().now() + later
    seen = database.read(reconcile.glance, [config.authority.issuer], config.server.public_folder, now)
    database.close()
    reconcile.report(seen)
    return [record.getMessage() for record in caplog.records]


def test_a_glance_at_balanced_books_is_one_line(records: Records, caplog: pytest.LogCaptureFixture) -> None:
    (line,) = glance(records, caplog)
    assert line.startswith("books: 0 open plans, 0 mails pending, 0 dead, the newest CRL is ")


@pytest.mark.parametrize(
    ("statement", "alarm"),
    [
        (
            "UPDATE certificate SET status = 'planned', lease_until = 0 WHERE serial = :third",
            "ALARM: 1 plans are older than their lease; they are finished now.",
        ),
        (
            "UPDATE outbox SET status = 'dead' WHERE kind = 'returned'",
            "ALARM: 1 mails are dead; `warifu-ca reconcile` names them.",
        ),
        ("UPDATE crl SET next_update = 0", "ALARM: CRL "),
    ],
    ids=["plan", "mail", "CRL"],
)
def test_a_glance_raises_the_alarm(
    records: Records, caplog: pytest.LogCaptureFixture, statement: str, alarm: str
) -> None:
    records.plant(statement)
    assert any(line.startswith(alarm) for line in glance(records, caplog))


def test_a_glance_warns_before_the_roots_crl_ends(records: Records, caplog: pytest.LogCaptureFixture) -> None:
    assert any(line.startswith("ALARM: The root's CRL ends") for line in glance(records, caplog, later=310 * DAY))

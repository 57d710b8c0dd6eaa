"""Changes are told in an order in which nothing appears later, and at once, whatever else runs on the same database."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from ca_server.operations.revocation import Decision, revoke_seat
from ca_server.store import certificates, standings
from ca_server.store.standings import Stretch
from ca_server.whereabouts import Cluster
from protocol.names import CommonName
from protocol.vocabulary import RevocationReason
from tests.ca_server.databases import located
from tests.ca_server.operations.bureau import Bureau


@pytest.fixture
def bureau(tmp_path: Path) -> Iterator[Bureau]:
    opened = Bureau.open(tmp_path)
    yield opened
    opened.records.close()


@contextlib.contextmanager
def older(bureau: Bureau) -> Iterator[None]:
    """Have a transaction run on that began before; in a file there is none beside another."""
    where = located(bureau.folder)
    if not isinstance(where, Cluster):
        yield
        return
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(where.url))
        runner.run(connection.execute("BEGIN; SELECT pg_current_xact_id()"))
        yield
        runner.run(connection.close())


def since(bureau: Bureau, after: int, most: int = 100) -> Stretch:
    return bureau.records.read(standings.since, after, most)


def revoked(bureau: Bureau, number: int) -> str:
    """Revoke the certificate of a seat and return its serial number."""
    cn = CommonName.parse(f"F123456-{number:03d}")
    decision = Decision(RevocationReason.superseded, "officer:test", bureau.now)
    bureau.records.write(revoke_seat, cn, decision, bureau.entry)
    (certificate,) = bureau.records.read(certificates.of_seat, str(cn))
    return certificate.serial


def test_a_revocation_is_told_while_an_older_transaction_runs_on_and_again_when_it_has_ended(bureau: Bureau) -> None:
    before = since(bureau, 0)
    with older(bureau):
        serial = revoked(bureau, 1)
        meanwhile = since(bureau, before.until)
        assert [each.serial for each in meanwhile.changes if each.revoked_at is not None] == [serial]
        assert meanwhile.until == meanwhile.last
    after = since(bureau, before.until)
    assert [each.serial for each in after.changes] == [serial]
    assert after.until == after.last > before.until
    assert since(bureau, after.until).changes == []


def test_reading_on_from_what_was_told_meanwhile_misses_nothing(bureau: Bureau) -> None:
    place = since(bureau, 0).until
    with older(bureau):
        first = revoked(bureau, 1)
        place = since(bureau, place).until
    second = revoked(bureau, 2)
    told = {first} | {each.serial for each in since(bureau, place).changes}
    assert told == {first, second}


def test_of_more_than_can_be_told_again_and_again_revocations_come_first_and_there_is_no_end(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standings, "_MOST_BEYOND", 2)
    place = since(bureau, 0).until
    with older(bureau):
        bureau.fetch("F123456-003")
        serials = [revoked(bureau, 1), revoked(bureau, 2)]
        stretch = since(bureau, place)
    if isinstance(located(bureau.folder), Cluster):
        assert stretch.until < stretch.last
        assert [each.serial for each in stretch.changes] == serials
    else:
        assert stretch.until == stretch.last
        assert len(stretch.changes) == 3

"""In PostgreSQL changes get places from many writers at once, and whoever follows them misses none."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from ca_server.store import Connection, audit, places, standings
from ca_server.store.lines import connect
from ca_server.whereabouts import Cluster
from tests.ca_server import databases
from tests.ca_server.databases import Raw
from tests.ca_server.operations.bureau import Bureau
from tests.ca_server.paper import INSTITUTION

FIRST, SECOND = f"{INSTITUTION}-001", f"{INSTITUTION}-002"


@pytest.fixture
def bureau(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bureau:
    """Records in PostgreSQL with three certificates."""
    monkeypatch.setenv(databases.KIND, "postgresql")
    return Bureau.open(tmp_path)


@pytest.fixture
def where(bureau: Bureau) -> Cluster:
    found = databases.located(bureau.folder)
    assert isinstance(found, Cluster)
    return found


@pytest.fixture
async def slow(where: Cluster) -> AsyncIterator[asyncpg.Connection]:
    """A writer that has begun and takes its time."""
    connection = await connect(where)
    await connection.execute("BEGIN")
    yield connection
    await connection.close()


def touch(connection: Connection, cn: str) -> None:
    """Move the CN's certificates, as far as whoever follows is concerned."""
    place = "pg_current_xact_id()::text::bigint + coalesce((SELECT ahead FROM place_offset), 0)"
    connection.exec_driver_sql(f"UPDATE certificate SET place = {place} WHERE cn = '{cn}'").close()


def moved(stretch: standings.Stretch, serials: dict[str, str]) -> set[str]:
    return {serials[change.serial] for change in stretch.changes}


async def test_what_a_slow_writer_changed_is_not_passed_over(
    bureau: Bureau, where: Cluster, slow: asyncpg.Connection
) -> None:
    serials = {row[1]: row[0] for row in Raw(where).execute("SELECT cn, serial FROM certificate")}
    begun = databases.in_order(bureau.records, Raw(where).execute("SELECT max(place) FROM certificate")[0][0])
    await slow.execute(f"UPDATE certificate SET place = pg_current_xact_id()::text::bigint WHERE cn = '{FIRST}'")
    bureau.records.write(touch, SECOND)
    while_it_runs = bureau.records.read(standings.since, begun.until, 1000)
    await slow.execute("COMMIT")
    afterwards = bureau.records.read(standings.since, while_it_runs.until, 1000)
    assert moved(while_it_runs, serials) == {SECOND}, "told, though not in its order yet"
    assert while_it_runs.until == begun.until
    assert moved(afterwards, serials) == {FIRST, SECOND}
    assert afterwards.until == afterwards.last


def test_a_part_ends_where_no_place_is_torn(bureau: Bureau, where: Cluster) -> None:
    """Certificates that one transaction moves share a place: whoever read one of them would never see the other."""
    Raw(where).execute("UPDATE certificate SET place = 7")
    parts = bureau.records.read(standings.since, 0, 1)
    assert (len(parts.changes), parts.until, parts.last) == (3, 7, 7)


def test_the_witness_is_the_entry_that_arrived_last_whatever_its_clock_said(bureau: Bureau) -> None:
    ahead, now = bureau.now + 1_000_000, bureau.now
    bureau.records.write(audit.record, ahead, "test", "of a clock that runs ahead", "x")
    first = bureau.records.read(standings.since, 0, 1000).witness
    bureau.records.write(audit.record, now, "test", "of the time", "x")
    second = bureau.records.read(standings.since, 0, 1000, first)
    assert second.witness not in ("", first)
    assert bureau.records.read(standings.since, 0, 1000, "lost").last == 0


def test_places_from_elsewhere_are_passed_before_the_first_change(bureau: Bureau, where: Cluster) -> None:
    """A cluster that counts from the beginning would give places below those that followers have read already."""
    Raw(where).execute("UPDATE certificate SET place = 9000000000")
    assert bureau.records.write(places.settle) > 0
    assert bureau.records.write(places.settle) == 0
    bureau.records.write(touch, FIRST)
    databases.in_order(bureau.records, 9_000_000_001)
    told: Any = bureau.records.read(standings.since, 9_000_000_000, 1000)
    assert len(told.changes) == 1
    assert told.until == told.last > 9_000_000_000


def test_the_life_of_a_certificate_is_the_same_in_postgresql(bureau: Bureau) -> None:
    """From the form to the CRL, and the books balance; `make test-postgresql` runs all the rest."""
    from ca_server.domain.reasons import Reason
    from ca_server.operations import suspension
    from protocol.names import CommonName
    from tests.ca_server.paper import ALICE, a_revocation, an_issuance

    bureau.done(an_issuance(1))
    bureau.fetch(f"{INSTITUTION}-004")
    call = suspension.Request(Reason.LOST, "みどり銀行 山田様", ALICE)
    bureau.records.write(suspension.suspend, CommonName.parse(SECOND), call, bureau.entry, bureau.now)
    bureau.done(a_revocation(FIRST, reason="lost", now=bureau.now))
    bureau.publish()
    assert len(bureau.shown()) == 2
    assert bureau.findings() == []

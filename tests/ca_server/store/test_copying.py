"""A copy of the records holds every row as it was, in either kind of database, or nothing at all."""

import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from ca_server.store import (
    Connection,
    Locked,
    SynchronousDatabase,
    applications,
    audit,
    copying,
    lines,
    migrations,
    places,
    standings,
)
from ca_server.store.copying import NotEmpty, NotTheSame
from ca_server.whereabouts import Cluster, Whereabouts
from tests.ca_server import databases
from tests.ca_server.databases import Raw
from tests.ca_server.operations.bureau import Bureau
from tests.ca_server.paper import an_issuance


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with records in many tables."""
    folder = tmp_path_factory.mktemp("source")
    bureau = Bureau.open(folder)
    bureau.file(an_issuance(1))
    bureau.publish()
    bureau.records.close()
    found = databases.located(folder)
    assert isinstance(found, Path), "this module begins with a file"
    return found


@pytest.fixture
def target(tmp_path: Path) -> Cluster:
    where = databases.empty(tmp_path)
    migrations.upgrade(where)
    return where


def hold(where: Whereabouts) -> dict[str, Any]:
    records = SynchronousDatabase(where)
    try:
        return {table.name: records.read(copying.digest, table) for table in copying.copied_tables()}
    finally:
        records.close()


def next_place(connection: Connection) -> int:
    return int(connection.execute(select(places.NextPlace())).scalar_one())


def test_there_and_back_again_every_row_is_the_same(source: Path, target: Cluster, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    rows = copying.copy(source, target, lambda done, total: told.append((done, total)))
    assert hold(target) == hold(source)
    assert rows == {name: count for name, (count, _) in hold(source).items()}
    assert told[-1] == (sum(rows.values()), sum(rows.values()))
    assert min(rows[name] for name in ("audit", "outbox", "certificate", "application_item", "crl")) > 0
    migrations.create(tmp_path / "back.db")
    copying.copy(target, tmp_path / "back.db")
    assert hold(tmp_path / "back.db") == hold(source)


def test_numbers_and_places_go_on_where_they_were(source: Path, target: Cluster) -> None:
    file = SynchronousDatabase(source)
    numbers, last = file.read(applications.numbers), file.read(standings.since, 0, 1000).last
    file.write(lambda c: c.exec_driver_sql("UPDATE certificate SET place = place + 5000000000").close())
    file.close()
    copying.copy(source, target)
    records = SynchronousDatabase(target)
    assert Raw(target).execute("SELECT nextval('application_number_seq')")[0][0] == max(numbers) + 1
    assert databases.in_order(records, 5_000_000_000 + last).last == 5_000_000_000 + last
    assert records.write(places.settle) == 0
    assert records.write(next_place) > 5_000_000_000 + last
    records.close()


def test_a_target_that_holds_records_is_refused(source: Path, target: Cluster) -> None:
    copying.copy(source, target)
    before = hold(target)
    with pytest.raises(NotEmpty):
        copying.copy(source, target)
    assert hold(target) == before


@pytest.mark.parametrize(
    "harm",
    ["NEW.recipient := NEW.recipient || '.'; RETURN NEW", "RETURN NULL"],
    ids=["a value altered", "a row lost"],
)
def test_a_copy_that_is_not_the_same_is_not_kept(source: Path, target: Cluster, harm: str) -> None:
    raw = Raw(target)
    raw.execute(f"CREATE FUNCTION harm() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {harm}; END $$")
    raw.execute("CREATE TRIGGER harm BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION harm()")
    raw.execute("ALTER TABLE outbox ENABLE TRIGGER harm")
    with pytest.raises(NotTheSame, match="outbox"):
        copying.copy(source, target)
    assert {count for count, _ in hold(target).values()} == {0}


def test_a_copy_that_is_interrupted_leaves_nothing(source: Path, target: Cluster) -> None:
    def interrupt(done: int, total: int) -> None:
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copying.copy(source, target, interrupt)
    assert {count for count, _ in hold(target).values()} == {0}


def test_a_side_that_pauses_ends_nothing(source: Path, target: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(lines._SETTINGS, "idle_in_transaction_session_timeout", "100ms")
    paused = []

    def pause(done: int, total: int) -> None:
        if not paused:
            paused.append(done)
            time.sleep(0.5)

    copying.copy(source, target, pause)
    assert hold(target) == hold(source)


@pytest.mark.parametrize("of", ["file", "cluster"])
def test_nothing_is_decided_in_records_that_move(
    of: str, source: Path, target: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ca_server.store.sqlite._SECONDS_FOR_A_LOCK", 0.1)
    monkeypatch.setitem(lines._SETTINGS, "lock_timeout", "100ms")
    moved: tuple[Whereabouts, Whereabouts] = (source, target)
    if of == "cluster":
        copying.copy(source, target)
        migrations.create(tmp_path / "moved.db")
        moved = target, tmp_path / "moved.db"
    before, tried = hold(moved[0]), []

    def decide(done: int, total: int) -> None:
        if not tried:
            tried.append(done)
            records = SynchronousDatabase(moved[0])
            with pytest.raises(Locked):
                records.write(audit.record, 1, "officer:1", "application approved", "application:1")
            records.close()

    copying.copy(*moved, decide, still=True)
    assert tried
    assert hold(moved[0]) == before == hold(moved[1])

"""Inserts: one INSERT fails, that into one table, while an operation runs; then that into the next.

A trigger of ours raises ABORT, as Boulder's drill does. First the operation is watched: triggers note into which tables
it inserts. While one of them takes nothing, nothing is half done; the next try succeeds, and what was made then can be
revoked.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from tests.drills import acts, ground
from tests.drills.acts import Act, Revoke, Stage
from tests.drills.enrolling import Refused
from tests.drills.figures import Figure, none_of
from tests.end_to_end.agency import Agency

_MARK = "planted by the drill"
_SECONDS_IN_VAIN = 1.5
_SECONDS_TO_SETTLE = 90


def drill(
    folder: Path, names: tuple[str, ...] = ("enrol", "renew", "revoke", "approve"), defect: str | None = None
) -> list[Figure]:
    """Fail each INSERT of the operations named."""
    with ground.standing(folder, defect, hurry=True) as agency:
        return asyncio.run(_failed(agency, names))


async def _failed(agency: Agency, names: tuple[str, ...]) -> list[Figure]:
    figures, revoked = [], []
    async with acts.staged(agency, 45) as stage:
        for kind in acts.ACTS:
            if kind.name not in names:
                continue
            tables, found = await _watched(stage, kind), []
            for table in tables:
                act = kind(stage)
                found += [f"{table}: {each}" for each in await _in_vain(stage, act, table)]
                if kind.name in ("enrol", "renew"):
                    revoked.append(act)
            figures += [
                Figure(f"inserts: {kind.name}, failed in turn", "1 or more", ", ".join(tables), met=bool(tables)),
                none_of(f"inserts: {kind.name}, faults", found),
            ]
        unrevoked = [each for act in revoked for each in await _revoked(stage, act)]
    return [
        *figures,
        none_of(f"inserts: {len(revoked)} made then, not revocable", unrevoked),
        none_of("inserts: signatures unknown to the records", ground.signed_unseen(agency)),
        none_of("inserts: faults in the books", ground.faults(agency)),
    ]


async def _watched(stage: Stage, kind: type[Act]) -> list[str]:
    """Perform the act once and return the tables into which it inserted."""
    act = kind(stage)
    await act.prepare()
    await asyncio.to_thread(acts.settled, stage.agency, _SECONDS_TO_SETTLE)
    with _changed(stage.agency) as connection:
        connection.execute("CREATE TABLE drill_seen (name TEXT PRIMARY KEY)")
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        tables = [name for name in tables if not name.startswith(("sqlite_", "drill_", "alembic"))]
        for name in tables:
            note = f"INSERT OR IGNORE INTO drill_seen VALUES ('{name}')"
            connection.execute(f'CREATE TRIGGER drill_{name} AFTER INSERT ON "{name}" BEGIN {note}; END')
    await act.perform()
    await asyncio.to_thread(acts.settled, stage.agency, _SECONDS_TO_SETTLE)
    with _changed(stage.agency) as connection:
        seen = [row[0] for row in connection.execute("SELECT name FROM drill_seen ORDER BY name")]
        for name in tables:
            connection.execute(f"DROP TRIGGER drill_{name}")
        connection.execute("DROP TABLE drill_seen")
    return seen


async def _in_vain(stage: Stage, act: Act, table: str) -> list[str]:
    """Try the act while a table takes nothing, then again when it does; return what is wrong afterwards."""
    await act.prepare()
    await asyncio.to_thread(acts.settled, stage.agency, _SECONDS_TO_SETTLE)
    try:
        with _refusing(stage.agency, table):
            with contextlib.suppress(Refused, TimeoutError):
                await asyncio.wait_for(act.perform(), _SECONDS_IN_VAIN)
            await asyncio.sleep(_SECONDS_IN_VAIN)
        await act.perform()
        await asyncio.to_thread(acts.settled, stage.agency, _SECONDS_TO_SETTLE)
        return [*act.wrong(), *await asyncio.to_thread(ground.faults, stage.agency)]
    except (Refused, AssertionError, TimeoutError) as error:
        return [str(error)]


async def _revoked(stage: Stage, act: Act) -> list[str]:
    """Revoke what an act made, and return what is wrong then."""
    revoking = Revoke(stage)
    stage.held.insert(0, act.candidate)  # type: ignore[attr-defined]
    try:
        await revoking.prepare()
        await revoking.perform()
        await asyncio.to_thread(acts.settled, stage.agency, _SECONDS_TO_SETTLE)
        return list(revoking.wrong())
    except (Refused, AssertionError, TimeoutError) as error:
        return [str(error)]


@contextlib.contextmanager
def _refusing(agency: Agency, table: str) -> Iterator[None]:
    with _changed(agency) as connection:
        raising = f"SELECT RAISE(ABORT, '{_MARK}')"
        connection.execute(f'CREATE TRIGGER drill_refusal BEFORE INSERT ON "{table}" BEGIN {raising}; END')
    try:
        yield
    finally:
        with _changed(agency) as connection:
            connection.execute("DROP TRIGGER drill_refusal")


@contextlib.contextmanager
def _changed(agency: Agency) -> Iterator[sqlite3.Connection]:
    """Change the database beside the running service, in one transaction."""
    path = next(iter(agency.folder.rglob("warifu.db")))
    with contextlib.closing(sqlite3.connect(path, timeout=10)) as connection, connection:
        yield connection

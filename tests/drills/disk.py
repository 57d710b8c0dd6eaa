"""Disk: no room for the database for a while, then a stranger who holds it for some seconds.

The folder of the database is a small file system of its own (tmpfs) where this runs as root; elsewhere the service may
not let a file grow (RLIMIT_FSIZE), which SQLite meets as an I/O error. While it lasts, whoever wants to write is told
503 and when to come back; reading goes on; afterwards everything continues and nothing was lost.
"""

import asyncio
import collections
import contextlib
import dataclasses
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp

from tests.drills import canaries, ground
from tests.drills.enrolling import Caller, Candidate, Refused, enrol
from tests.drills.figures import Figure, counted, none_of
from tests.end_to_end.agency import Agency

_ROOM = 16 * 1024 * 1024
_CLIENTS = 8
_LONGEST_WAIT = 0.5
_LOCKED = 12  # twice as long as one batch waits for the lock and more: the service's own may be the first
Obstacle = Callable[[Agency], contextlib.AbstractContextManager[None]]


@dataclasses.dataclass
class Outage:
    """What was answered while something was in the way: statuses, 503 without Retry-After, readings that failed."""

    tally: collections.Counter[tuple[int, str]] = dataclasses.field(default_factory=collections.Counter)
    reads_failed: list[str] = dataclasses.field(default_factory=list)
    enrolled: int = 0


def drill(
    folder: Path, enrolments: int = 60, seed: int = 1, full: float = 8, locked: float = _LOCKED, *, as_root: bool = True
) -> list[Figure]:
    """Take the room away for `full` seconds, then the lock for `locked`, each during `enrolments` enrolments."""
    del seed  # nothing here is left to chance
    agency = Agency(folder)
    with _small_disk(agency) if as_root else contextlib.nullcontext() as mounted:
        agency.serve()
        try:
            candidates = [Candidate(invitation) for invitation in ground.invited(agency, 2 * enrolments)]
            obstacles: list[tuple[str, Obstacle, float]] = [
                ("disk full", _without_room, full) if mounted else ("disk stuck", _without_growth, full),
                ("disk locked", _locked, locked),
            ]
            figures = []
            for place, (what, obstacle, seconds) in enumerate(obstacles):
                share = candidates[place * enrolments : (place + 1) * enrolments]
                figures += _judged(what, asyncio.run(_outage(agency, share, obstacle, seconds)))
            ground.settled(agency, 100)
            return [
                *figures,
                counted("disk: PCs with exactly one certificate", 2 * enrolments, _whole(agency, candidates)),
                none_of("disk: faults in the books", ground.faults(agency)),
                *canaries.figures("disk", agency, candidates),
            ]
        finally:
            agency.stop()


def _whole(agency: Agency, candidates: list[Candidate]) -> int:
    return len(candidates) - len(ground.without_their_one(agency, candidates))


@contextlib.contextmanager
def _small_disk(agency: Agency) -> Iterator[bool]:
    """Put the database on a small file system of its own; tell whether that could be done."""
    place = agency.folder / "records"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_ROOM}", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        yield False
        return
    try:
        shutil.move(agency.folder / "warifu.db", place / "warifu.db")
        agency.configure('database = "warifu.db"', 'database = "records/warifu.db"')
        yield True
    finally:
        subprocess.run(["umount", str(place)], check=True)


@contextlib.contextmanager
def _without_room(agency: Agency) -> Iterator[None]:
    """Fill the disk to the last block."""
    ballast = agency.folder / "records" / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    try:
        yield
    finally:
        ballast.unlink()


@contextlib.contextmanager
def _without_growth(agency: Agency) -> Iterator[None]:
    """Forbid the running service to make a file larger than its write-ahead log is now, or its log."""
    assert agency.process is not None
    unlimited = resource.prlimit(agency.process.pid, resource.RLIMIT_FSIZE)
    size = (agency.folder / "warifu.db-wal").stat().st_size
    resource.prlimit(agency.process.pid, resource.RLIMIT_FSIZE, (min(size, 4096), unlimited[1]))
    try:
        yield
    finally:
        resource.prlimit(agency.process.pid, resource.RLIMIT_FSIZE, unlimited)


@contextlib.contextmanager
def _locked(agency: Agency) -> Iterator[None]:
    """Hold the right to write, as a backup gone wrong would."""
    stranger = sqlite3.connect(next(iter(agency.folder.rglob("warifu.db"))), isolation_level=None)
    stranger.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        stranger.rollback()
        stranger.close()


async def _outage(agency: Agency, candidates: list[Candidate], obstacle: Obstacle, seconds: float) -> Outage:
    outage = Outage()
    async with Caller(agency.public_url, agency.trust(), longest_wait=_LONGEST_WAIT) as caller:
        gate = asyncio.Semaphore(_CLIENTS)

        async def one(candidate: Candidate) -> None:
            async with gate:
                with contextlib.suppress(Refused):
                    await enrol(caller, candidate, 60 + seconds)
                    outage.enrolled += 1

        before = len(candidates) // 4
        await asyncio.gather(*map(one, candidates[:before]))
        with obstacle(agency):
            running = [asyncio.create_task(one(candidate)) for candidate in candidates[before:]]
            await _read_meanwhile(agency, outage, seconds)
        await asyncio.gather(*running)
        outage.tally = caller.tally
    return outage


async def _read_meanwhile(agency: Agency, outage: Outage, seconds: float) -> None:
    """Go on asking for what needs no writing."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    async with Caller(agency.public_url, agency.trust()) as reader:
        while loop.time() < until:
            for url in (f"{agency.public_url}/directory", f"{agency.http_url}/ca/issuing-1.cer"):
                try:
                    answer = await reader.exchange("GET", url)
                except (aiohttp.ClientError, OSError, TimeoutError) as error:
                    outage.reads_failed.append(f"{url}: {error!r}")
                    continue
                if answer.status != 200:
                    outage.reads_failed.append(f"{url}: {answer.status}")
            await asyncio.sleep(0.2)


def _judged(what: str, outage: Outage) -> list[Figure]:
    told = sum(count for (status, _), count in outage.tally.items() if status == 503)
    return [
        Figure(f"{what}: told to come back (503)", "1 or more", str(told), met=told > 0),
        none_of(f"{what}: 5xx but 503", ground.errors_of_its_own(outage.tally)),
        none_of(f"{what}: reading failed", outage.reads_failed),
    ]

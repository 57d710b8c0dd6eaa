"""The agency that is measured: a real one, with one real enrolment, and a population written beside it."""

import asyncio
import contextlib
import shutil
import sqlite3
import time
from pathlib import Path

from bench import records
from bench.caller import Job, load
from bench.figures import written
from bench.population import Population
from tests.end_to_end.agency import Agency

_GIB = 1 << 30


class TooSmall(Exception):
    """The disk has no room for what was asked."""


def founded(folder: Path) -> Agency:
    """Make an agency, have it issue one certificate, and stop it."""
    agency = Agency(folder, validity_days=395)
    agency.serve()
    try:
        (invited,) = agency.approve(1)
        job = Job.make(invited.cn.lower(), (invited.kid, invited.password.replace("-", "")))
        asyncio.run(load(f"{agency.public_url}/directory", str(agency.root), [job], 1))
        _wait_for_mails(agency)
    finally:
        agency.stop()
    return agency


def _wait_for_mails(agency: Agency) -> None:
    """Wait until every mail is on record as sent: copies of what waits would be sent a million times."""
    deadline = time.monotonic() + 20
    with contextlib.closing(sqlite3.connect(agency.folder / "warifu.db")) as connection:
        waiting = (
            "SELECT count(*) FILTER (WHERE status = 'pending'), count(*) FILTER (WHERE kind = 'fetched') FROM outbox"
        )
        while connection.execute(waiting).fetchone() != (0, 1):
            if time.monotonic() > deadline:
                raise TimeoutError("the mails of the first enrolment did not come")
            time.sleep(0.1)


def populated(folder: Path, population: Population, *, certificates_alone: bool = True) -> Agency:
    """Make an agency with a population on record, and leave it stopped."""
    agency = founded(folder)
    records.fill(agency.folder / "warifu.db", population, certificates_alone=certificates_alone)
    return agency


def require_room(folder: Path, octets: int) -> None:
    """Do nothing when the disk has room. Raises TooSmall saying what is there and what is needed."""
    free = shutil.disk_usage(folder).free
    if free < octets:
        there, needed = written(free / _GIB), written(octets / _GIB)
        raise TooSmall(f"{folder} has {there} GiB free and {needed} are needed; set TMPDIR to a larger disk")

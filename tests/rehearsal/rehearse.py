"""Runs a rehearsal from beginning to end, in memory where the system has a folder for that: disks are waited for."""

import contextlib
import gc
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import uvloop
from cryptography import x509

from ca_server.clock import moment
from ca_server.store import Connection, renewals
from client import clock as pc_clock
from client import renewal
from client.renewal_memory import Memory
from protocol.renewal_info import RenewalTimes
from tests.drills.figures import Figure
from tests.rehearsal.cast import Cast
from tests.rehearsal.play import Play
from tests.rehearsal.stage import moment_of, opened
from tests.rehearsal.verdict import judge

_MEMORY = Path("/dev/shm")

Watch = Callable[[str], None]
Done = tuple[Play, list[Figure]]


def rehearse(cast: Cast, watch: Watch, *, processes: bool, defect: str | None = None) -> Done:
    """Play a cast from the first day to the last, with a defect planted if one is named, and judge it."""
    where = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="warifu-rehearsal-", dir=where) as folder, planted(defect):
        return uvloop.run(_rehearse(cast, Path(folder), watch, processes=processes))


async def _rehearse(cast: Cast, folder: Path, watch: Watch, *, processes: bool) -> Done:
    async with opened(folder, moment_of(cast.begins, 0)) as stage:
        with pc_clock.told_by(lambda: moment(stage.clock.now())):
            play = Play(cast, stage, folder, processes=processes)
            gc.freeze()
            month = 0
            for day in cast.days():
                if day.month != month:
                    month = day.month
                    watch(f"{day:%Y-%m}")
                await play.day(day)
            await play.curtain()
            return play, judge(play)


@contextlib.contextmanager
def planted(defect: str | None) -> Iterator[None]:
    """Plant a defect while the block runs."""
    if defect is None:
        yield
    else:
        with DEFECTS[defect]():
            yield


def ignore_the_window() -> "contextlib.AbstractContextManager[object]":
    """The agent renews on the last day, whatever window the server suggests."""

    def on_the_last_day(memory: Memory, certificate: x509.Certificate) -> object:
        return certificate.not_valid_after_utc - timedelta(days=1)

    assert callable(renewal._moment), "the defect must be planted anew"
    return patch.object(renewal, "_moment", on_the_last_day)


def remind_again() -> "contextlib.AbstractContextManager[object]":
    """The schedule forgets that it reminded."""
    remember = renewals.told

    def forgetful(connection: Connection, serial: str, days: int) -> None:
        if days not in RenewalTimes().reminders:
            remember(connection, serial, days)

    return patch.object(renewals, "told", forgetful)


DEFECTS = {"ignore-the-window": ignore_the_window, "remind-again": remind_again}

"""Sync points: the process is killed at the first sync of an operation, then at the second, up to the last.

What is killed is `serve` while it enrols, renews, carries an approval out, makes a CRL and mails, and the officer's
command itself. The kill comes before the sync (strace): what precedes it is all that there is. Each time the service is
started again, the person or PC tries again, and the books are balanced.
"""

import asyncio
import collections
import contextlib
import dataclasses
import signal
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.drills import acts, ground, strace
from tests.drills.acts import Act, Stage
from tests.drills.enrolling import Refused
from tests.drills.figures import Figure, none_of
from tests.drills.strace import Fault
from tests.end_to_end.agency import Agency

_COMMANDS = (acts.Revoke, acts.Approve)
_DATABASE, _FILES = "fdatasync", "fsync"
_SECONDS_TO_SETTLE = 60
_MOST = 60
_LAST_WRITES = 1.3  # the sequencer's, which numbers audit entries each second


@dataclasses.dataclass
class Walk:
    """What one walk met: how many points, which files were synced at them, what was wrong afterwards."""

    name: str
    points: int = 0
    found: list[str] = dataclasses.field(default_factory=list)
    files: "collections.Counter[str]" = dataclasses.field(default_factory=collections.Counter)
    threads: set[tuple[str, int]] = dataclasses.field(default_factory=set)
    ended: bool = False


def drill(
    folder: Path,
    every: int = 1,
    names: tuple[str, ...] = ("enrol", "renew", "revoke", "approve"),
    defect: str | None = None,
    *,
    commands: bool = True,
) -> list[Figure]:
    """Walk along every `every`-th sync of the operations named, of the service and of the officers' commands."""
    if strace.is_missing():
        return [Figure(f"syncs: {strace.MISSING}", "-", "skipped", met=True)]
    with ground.standing(folder, defect, hurry=True, orderly=True) as agency:
        walks = asyncio.run(_walked(agency, every, names, commands=commands))
        unseen = ground.signed_unseen(agency)
    return [*_figures(walks, every), none_of("syncs: signatures unknown to the records", unseen)]


def _figures(walks: list[Walk], every: int) -> Iterator[Figure]:
    for walk in walks:
        files = ", ".join(f"{count} × {name}" for name, count in walk.files.most_common())
        yield Figure(
            f"syncs: {walk.name}, killed at",
            "all" if every == 1 else f"one in {every}",
            f"{walk.points}: {files}",
            walk.points > 0 and walk.ended,
        )
        yield none_of(f"syncs: {walk.name}, faults", walk.found)
    several = [name for name, count in collections.Counter(name for name, _ in _threads(walks)).items() if count > 1]
    yield none_of("syncs: counted in several threads", several)


def _threads(walks: list[Walk]) -> set[tuple[str, int]]:
    return {(f"{walk.name}, {name}", thread) for walk in walks for name, thread in walk.threads}


async def _walked(agency: Agency, every: int, names: tuple[str, ...], *, commands: bool) -> list[Walk]:
    walks, places = [], range(1, _MOST, every)
    async with acts.staged(agency, 4 + 70 // every) as stage:
        for kind in acts.ACTS:
            if kind.name not in names:
                continue
            for calls in (_DATABASE, _FILES):
                fault = Fault(calls, strace.KILL, 0)
                walks.append(await walk_along(stage, kind, f"{kind.name}, {calls}", fault, places))
            if commands and kind in _COMMANDS:
                both = Fault(f"{_DATABASE},{_FILES}", strace.KILL, 0)
                walks.append(await walk_along(stage, kind, f"{kind.name}, command", both, places))
    return walks


async def walk_along(stage: Stage, kind: type[Act], name: str, fault: Fault, places: Iterable[int]) -> Walk:
    """Perform an act for each place at which the fault strikes the service, or the command if `name` ends with that."""
    walk = Walk(name)
    step = _step_of_command if name.endswith("command") else _step_of_service
    for when in places:
        act = kind(stage)
        await act.prepare()
        await asyncio.to_thread(acts.settled, stage.agency, _SECONDS_TO_SETTLE)
        log = stage.agency.scratch / "strace.log"
        met = await step(stage, act, dataclasses.replace(fault, when=when), log, walk)
        await _judge(stage, act, f"{name} {when}", walk)
        if not met:
            walk.ended = True
            walk.threads = {(call.name, call.thread) for call in strace.calls(log)}
            break
        walk.points += 1
        walk.files[_file(stage.agency, strace.calls(log)[-1].path)] += 1
    return walk


async def _step_of_service(stage: Stage, act: Act, fault: Fault, log: Path, walk: Walk) -> bool:
    """Perform the act while the fault waits for the service; tell whether it struck."""
    agency = stage.agency
    assert agency.process is not None
    with strace.struck(agency.process.pid, fault, log):
        performing = asyncio.create_task(_performed(act, walk))
        while not performing.done() and agency.process.poll() is None:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.02)
        await asyncio.to_thread(_settled_or_dead, agency)
    struck = agency.process.poll() is not None
    if struck:
        await asyncio.to_thread(agency.stop)
        stage.caller.forget_nonces()
        await asyncio.to_thread(agency.serve)
    await performing
    return struck


def _settled_or_dead(agency: Agency) -> None:
    """Wait until nothing is on its way and the last of it is written, or the service is dead."""
    for _ in range(_SECONDS_TO_SETTLE):
        if _is_dead(agency, _LAST_WRITES):
            return
        with contextlib.suppress(AssertionError):
            acts.settled(agency, 0.5)
            break
    _is_dead(agency, _LAST_WRITES)


def _is_dead(agency: Agency, within: float) -> bool:
    assert agency.process is not None
    with contextlib.suppress(subprocess.TimeoutExpired):
        agency.process.wait(within)
    return agency.process.poll() is not None


async def _step_of_command(stage: Stage, act: Act, fault: Fault, log: Path, walk: Walk) -> bool:
    """Perform the act with its command under the fault; tell whether it struck."""
    stage.prefix, stage.ended_with = tuple(fault.options(log)), []
    await _performed(act, walk)
    return stage.ended_with[0] == -signal.SIGKILL


async def _performed(act: Act, walk: Walk) -> None:
    try:
        await act.perform()
    except (Refused, TimeoutError) as error:
        walk.found.append(f"refused for good: {error}")


async def _judge(stage: Stage, act: Act, point: str, walk: Walk) -> None:
    try:
        await asyncio.to_thread(acts.settled, stage.agency, _SECONDS_TO_SETTLE)
        found = [*act.wrong(), *await asyncio.to_thread(ground.faults, stage.agency)]
    except AssertionError as error:
        found = [str(error)]
    walk.found += [f"{point}: {each}" for each in found]


def _file(agency: Agency, path: str) -> str:
    """Return what was synced in one word: the database, its log, a mail, a CRL or a folder."""
    place = Path(path)
    for word, is_so in {
        "WAL": place.name.endswith("-wal"),
        "database": place.name.endswith(".db"),
        "mail": place.parent.parent.name == "mailbox",
        "CRL": ".crl" in place.name,
        "folder": place.is_dir(),
    }.items():
        if is_so:
            return word
    return place.name

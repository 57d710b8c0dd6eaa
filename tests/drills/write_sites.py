"""Write sites: the first write of an operation fails, then the second, up to the last: EIO at syncs, ENOSPC at writes.

The service is not stopped. Who is answered meanwhile is told yes or 503, whoever was told yes is right for ever (the
service is killed afterwards and started again), and nobody has to lend a hand.
"""

import asyncio
import collections
import dataclasses
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.drills import acts, ground, strace
from tests.drills.acts import Act, Stage
from tests.drills.enrolling import Refused
from tests.drills.figures import Figure, none_of
from tests.drills.strace import Fault
from tests.end_to_end.agency import Agency

_SITES = (
    ("sync of the database fails", "fdatasync", strace.IO_ERROR),
    ("sync of a file fails", "fsync", strace.IO_ERROR),
    ("no room for a file", "fsync", strace.NO_SPACE),
    ("no room in the database", "pwrite64", strace.NO_SPACE),
)
_SECONDS_TO_SETTLE = 90
_MOST = 400


@dataclasses.dataclass
class Walk:
    """What one walk met: at how many sites it failed, what was wrong afterwards, what was answered."""

    name: str
    sites: int = 0
    found: list[str] = dataclasses.field(default_factory=list)
    ended: bool = False


def drill(
    folder: Path, every: int = 1, names: tuple[str, ...] = ("enrol", "renew", "revoke", "approve"),
    defect: str | None = None,
) -> list[Figure]:  # fmt: skip
    """Fail every `every`-th write of the operations named, each in turn."""
    if strace.is_missing():
        return [Figure(f"writes: {strace.MISSING}", "-", "skipped", met=True)]
    with ground.standing(folder, defect, hurry=True, orderly=True) as agency:
        return list(asyncio.run(_walked(agency, every, names)))


async def _walked(agency: Agency, every: int, names: tuple[str, ...]) -> list[Figure]:
    walks: list[Walk] = []
    lost: list[str] = []
    count = 0
    async with acts.staged(agency, 10 + 150 // every) as stage:
        for kind in acts.ACTS:
            performed: list[Act] = []
            for what, calls, fault in _SITES if kind.name in names else ():
                walks.append(Walk(f"{kind.name}, {what}"))
                performed += await _walk(stage, kind, Fault(calls, fault, 0), every, walks[-1])
            count += len(performed)
            lost += await _lost(stage, performed) if performed else []
        tally = stage.caller.tally
    told = sum(each for (status, _), each in tally.items() if status == 503)
    return [
        *_figures(walks, every),
        Figure("writes: told to come back (503)", "any number", str(told), met=True),
        none_of("writes: 5xx but 503", ground.errors_of_its_own(tally)),
        none_of(f"writes: {count} acts, wrong after a kill", lost),
        none_of("writes: faults in the books", ground.faults(agency)),
    ]


async def _lost(stage: Stage, performed: list[Act]) -> list[str]:
    """Kill the service, start it again, and return what is wrong with acts that were right."""
    await asyncio.to_thread(stage.agency.stop, signal.SIGKILL)
    stage.caller.forget_nonces()
    await asyncio.to_thread(stage.agency.serve)
    await asyncio.to_thread(acts.settled, stage.agency, _SECONDS_TO_SETTLE)
    return [each for act in performed for each in act.wrong()]


def _figures(walks: list[Walk], every: int) -> Iterator[Figure]:
    sites: collections.Counter[str] = collections.Counter()
    for walk in walks:
        sites[walk.name.partition(", ")[2]] += walk.sites
    for what, count in sites.items():
        demanded = "all" if every == 1 else f"one in {every}"
        yield Figure(f"writes: {what}, sites", demanded, str(count), count > 0 and all(walk.ended for walk in walks))
    yield none_of("writes: faults", [each for walk in walks for each in walk.found])


async def _walk(stage: Stage, kind: type[Act], fault: Fault, every: int, walk: Walk) -> list[Act]:
    """Walk along the sites of one kind; return the acts, for what they left is looked at once more."""
    performed = []
    for when in range(1, _MOST, every):
        act = kind(stage)
        await act.prepare()
        await asyncio.to_thread(acts.settled, stage.agency, _SECONDS_TO_SETTLE)
        met = await _struck(stage, act, dataclasses.replace(fault, when=when), walk)
        performed.append(act)
        if not met:
            walk.ended = True
            break
        walk.sites += 1
    return performed


async def _struck(stage: Stage, act: Act, fault: Fault, walk: Walk) -> bool:
    log = stage.agency.scratch / "strace.log"
    assert stage.agency.process is not None
    try:
        with strace.struck(stage.agency.process.pid, fault, log):
            await act.perform()
            await asyncio.to_thread(acts.settled, stage.agency, _SECONDS_TO_SETTLE)
        found = list(act.wrong())
    except (Refused, AssertionError, TimeoutError) as error:
        found = [str(error)]
    walk.found += [f"{walk.name} {fault.when}: {each}" for each in found]
    return any(call.injected for call in strace.calls(log))

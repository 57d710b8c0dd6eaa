"""Limits: the service runs out of file descriptors, then out of memory, while PCs enrol and strangers hold connections.

Whoever cannot be served is cut off, waits or is told 503; nothing that was acknowledged is lost; and when there is room
again the same processes go on, without a hand. The limits are set from outside on what runs already (prlimit).
"""

import asyncio
import contextlib
import dataclasses
import resource
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from tests.drills import ground
from tests.drills.enrolling import Caller, Candidate, Refused, enrol
from tests.drills.figures import Figure, counted, none_of
from tests.end_to_end.agency import Agency
from tests.end_to_end.relying import processes

_HELD = 100
_CLIENTS = 8
_DESCRIPTORS_LEFT = 24
_MEMORY_LEFT = 4 << 20
Limit = Callable[[int], tuple[int, int]]
"""From a process to a resource and what of it is left."""


@dataclasses.dataclass
class Narrow:
    """What happened while there was little room."""

    refused: list[str] = dataclasses.field(default_factory=list)
    opened: int = 0
    tally: dict[tuple[int, str], int] = dataclasses.field(default_factory=dict)


def drill(folder: Path, enrolments: int = 60, seconds: float = 8, defect: str | None = None) -> list[Figure]:
    """Hold connections for `seconds` under each limit, during `enrolments` enrolments."""
    figures = []
    with ground.standing(folder, defect, hurry=True) as agency:
        candidates = [Candidate(invitation) for invitation in ground.invited(agency, 2 * enrolments)]
        before = _family(agency)
        for place, (what, limit) in enumerate({"descriptors": _descriptors, "memory": _memory}.items()):
            share = candidates[place * enrolments : (place + 1) * enrolments]
            narrow = asyncio.run(_narrowed(agency, share, limit, seconds))
            whole = len(share) - len(ground.without_their_one(agency, share))
            figures += [
                Figure(f"limits, {what}: connections held", "any", f"{narrow.opened} of {_HELD}", met=True),
                none_of(f"limits, {what}: 5xx but 503", ground.errors_of_its_own(narrow.tally)),
                counted(f"limits, {what}: PCs with their one certificate", len(share), whole),
                none_of(f"limits, {what}: refused for good", narrow.refused),
            ]
        ground.settled(agency, 60)
        return [
            *figures,
            counted("limits: processes that live on", len(before), len(before & _family(agency))),
            none_of("limits: signatures unknown to the records", ground.signed_unseen(agency)),
            none_of("limits: faults in the books", ground.faults(agency)),
        ]


def _family(agency: Agency) -> set[int]:
    assert agency.process is not None
    return {agency.process.pid, *(pid for role in ("keeper", "worker") for pid in processes(agency.process.pid, role))}


def _descriptors(pid: int) -> tuple[int, int]:
    highest = max(int(each.name) for each in Path(f"/proc/{pid}/fd").iterdir())
    return resource.RLIMIT_NOFILE, highest + 1 + _DESCRIPTORS_LEFT


def _memory(pid: int) -> tuple[int, int]:
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[0])
    return resource.RLIMIT_AS, pages * resource.getpagesize() + _MEMORY_LEFT


@contextlib.contextmanager
def _limited(pids: set[int], limit: Limit) -> Iterator[None]:
    before = []
    for pid in pids:
        kind, most = limit(pid)
        unlimited = resource.prlimit(pid, kind)
        before.append((pid, kind, unlimited))
        resource.prlimit(pid, kind, (most, unlimited[1]))
    try:
        yield
    finally:
        for pid, kind, unlimited in before:
            with contextlib.suppress(ProcessLookupError):  # which is counted
                resource.prlimit(pid, kind, unlimited)


async def _narrowed(agency: Agency, candidates: list[Candidate], limit: Limit, seconds: float) -> Narrow:
    narrow = Narrow()
    async with Caller(agency.public_url, agency.trust(), longest_wait=0.5) as caller:
        gate = asyncio.Semaphore(_CLIENTS)

        async def one(candidate: Candidate) -> None:
            async with gate:
                try:
                    await enrol(caller, candidate, 60 + seconds)
                except (Refused, TimeoutError) as error:
                    narrow.refused.append(f"{candidate.invitation.cn}: {error}")

        with _limited(_family(agency), limit):
            running = [asyncio.create_task(one(candidate)) for candidate in candidates]
            async with _held(agency, narrow):
                await asyncio.sleep(seconds)
        await asyncio.gather(*running)
        narrow.tally = dict(caller.tally)
    return narrow


@contextlib.asynccontextmanager
async def _held(agency: Agency, narrow: Narrow) -> AsyncIterator[None]:
    """Hold connections to both addresses, as many as can be had."""
    lines = await asyncio.gather(
        *(_open(agency.public_port, agency.trust()) for _ in range(_HELD // 2)),
        *(_open(agency.http_port, None) for _ in range(_HELD // 2)),
    )
    narrow.opened = sum(line is not None for line in lines)
    try:
        yield
    finally:
        for line in lines:
            if line is not None:
                line.transport.abort()


async def _open(port: int, trust: ssl.SSLContext | None) -> asyncio.StreamWriter | None:
    name = None if trust is None else "localhost"
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(5):
            return (await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname=name))[1]
    return None

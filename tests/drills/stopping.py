"""Stopping: SIGTERM under load, again and again, as at every upgrade.

The service says nothing more within ten seconds, whatever was acknowledged is there afterwards, and who was cut off or
turned away succeeds with the next try.
"""

import asyncio
import collections
import contextlib
import time
from pathlib import Path

from tests.drills import canaries, ground
from tests.drills.enrolling import Caller, Candidate, Refused, enrol
from tests.drills.figures import Figure, counted, none_of
from tests.end_to_end.agency import Agency

_CLIENTS = 12
_MOST_SECONDS = 10


def drill(folder: Path, enrolments: int = 200, stops: int = 6, defect: str | None = None) -> list[Figure]:
    """Stop the service `stops` times during `enrolments` enrolments."""
    with ground.standing(folder, defect, hurry=True) as agency:
        candidates = [Candidate(invitation) for invitation in ground.invited(agency, enrolments)]
        load = Load(agency, candidates)
        asyncio.run(load.run(stops))
        with contextlib.suppress(AssertionError):  # what is still open then is a fault in the books
            ground.settled(agency, 60)
        lacking = ground.without_their_one(agency, candidates)
        slowest = max(load.seconds)
        return [
            Figure("stop: SIGTERM, slowest", f"≤ {_MOST_SECONDS} s", f"{slowest:.1f} s", slowest <= _MOST_SECONDS),
            counted("stop: ended with code 0", stops, load.codes[0]),
            Figure("stop: enrolments under way then", "1 or more", str(load.cut), load.cut > 0),
            counted("stop: PCs with exactly one certificate", enrolments, enrolments - len(lacking)),
            none_of("stop: PCs that were refused", load.refused + lacking),
            none_of("stop: 5xx but 503", ground.errors_of_its_own(load.tally)),
            none_of("stop: plans left for the next server", load.left),
            none_of("stop: faults in the books", ground.faults(agency)),
            *canaries.figures("stop", agency, candidates),
        ]


class Load:
    """PCs that enrol, and an operator who stops the service and starts it again."""

    def __init__(self, agency: Agency, candidates: list[Candidate]) -> None:
        self.agency = agency
        self.refused: list[str] = []
        self.seconds: list[float] = []
        self.codes: collections.Counter[int] = collections.Counter()
        self.left: list[str] = []
        self.cut = 0
        self.tally: collections.Counter[tuple[int, str]] = collections.Counter()
        self._candidates = candidates
        self._under_way = self._finished = 0

    async def run(self, stops: int) -> None:
        """Spread the enrolments over the stops, each when a third of its share is done."""
        async with Caller(self.agency.public_url, self.agency.trust(), longest_wait=1) as caller:
            share = -(-len(self._candidates) // stops)
            enrolling: list[asyncio.Task[None]] = []
            gate = asyncio.Semaphore(_CLIENTS)
            for place in range(stops):
                part = self._candidates[place * share : (place + 1) * share]
                enrolling += [asyncio.create_task(self._one(caller, gate, candidate)) for candidate in part]
                while self._finished < place * share + share // 3:  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.01)
                await self._stop()
                await asyncio.to_thread(self.agency.serve)
            await asyncio.gather(*enrolling)
            self.tally = caller.tally

    async def _one(self, caller: Caller, gate: asyncio.Semaphore, candidate: Candidate) -> None:
        async with gate:
            self._under_way += 1
            try:
                await enrol(caller, candidate)
            except (Refused, TimeoutError) as error:
                self.refused.append(f"{candidate.invitation.cn}: {error}")
            finally:
                self._under_way -= 1
                self._finished += 1

    async def _stop(self) -> None:
        self.cut += self._under_way
        started = time.monotonic()
        self.codes[await asyncio.to_thread(self.agency.stop)] += 1
        self.seconds.append(time.monotonic() - started)
        with ground.records(self.agency) as connection:
            query = "SELECT serial FROM certificate WHERE status = 'planned'"
            self.left += [row[0] for row in connection.execute(query)]

"""Primary: PostgreSQL's primary is killed while PCs enrol, and its synchronous standby promoted.

For a second before the kill the standby receives nothing, as when a network goes before a machine does: whoever were
answered meanwhile would be lost. Relying systems go on asking for OCSP and CRLs all the time.
"""

import asyncio
import collections
import contextlib
import time
import urllib.request
from pathlib import Path

from tests.drills import clusters, ground, twins
from tests.drills.enrolling import Caller, Candidate, Refused, enrol
from tests.drills.figures import Figure, counted, none_of
from tests.drills.letters import letters, missing, told_twice
from tests.drills.twins import Twins
from tests.end_to_end.questions import Crowd, judge
from tests.end_to_end.relying import serial_of

_CLIENTS = 8
_SECONDS_ALONE = 1.0
_MOST_SECONDS = 30
_WHAT = "primary"


def drill(folder: Path, enrolments: int = 200, away: float = 3, defect: str | None = None) -> list[Figure]:
    """Kill the primary when a third of the PCs have their certificates; promote the standby after `away` seconds."""
    if clusters.program("initdb") is None:
        return [Figure(f"{_WHAT}: {clusters.MISSING}", "-", "skipped", met=True)]
    with clusters.clusters(2) as made, twins.standing(folder, made, defect) as both:
        return run(both, enrolments, away)


def run(both: Twins, enrolments: int, away: float) -> list[Figure]:
    """Do so where two servers stand already, on a primary and its standby."""
    storm = Storm(both, [Candidate(each) for each in ground.invited(both, enrolments)], away)
    asyncio.run(storm.run())
    with contextlib.suppress(AssertionError):  # what is still open then is a fault in the books
        ground.settled(both, 60)
    return _judged(both, storm)


class Storm:
    """Clients that enrol, relying systems that ask, and one who kills."""

    def __init__(self, both: Twins, candidates: list[Candidate], away: float) -> None:
        self.both = both
        self.candidates = candidates
        self.away = away
        self.tally: collections.Counter[tuple[int, str]] = collections.Counter()
        self.acknowledged: list[Candidate] = []
        """Those who had been answered when the primary was killed."""
        self.promoted = 0.0
        self.back = 0.0
        """After how many seconds the first certificate was made that was not there at the kill."""
        self.crowd = Crowd(judge(both.chain), [])
        self.lists: collections.Counter[int] = collections.Counter()
        self._done: list[tuple[float, Candidate]] = []
        self._killed = asyncio.Event()
        """The last third of the PCs comes only then, for some must come afterwards."""

    async def run(self) -> None:
        """Run it."""
        trust, waiting, held = self.both.trust(), iter(enumerate(self.candidates)), 2 * len(self.candidates) // 3

        async def client() -> None:
            async with Caller(self.both.public_url, trust, longest_wait=0.5, connections=2) as caller:
                for place, candidate in waiting:
                    if place >= held:
                        await self._killed.wait()
                    with contextlib.suppress(Refused, TimeoutError):  # it is missed in the end
                        await enrol(caller, candidate, 120)
                        self._done.append((time.monotonic(), candidate))
                self.tally += caller.tally

        clients = asyncio.gather(*(client() for _ in range(_CLIENTS)))
        while len(self._done) < len(self.candidates) // 3:  # noqa: ASYNC110 - others finish
            await asyncio.sleep(0.02)
        self.crowd.serials = [serial_of(candidate) for _, candidate in self._done[:5]]
        await asyncio.sleep(1)  # the keepers have read them
        async with self.crowd.asking(self.both.http_port):
            lists = asyncio.create_task(self._fetch_lists())
            await asyncio.to_thread(self._kill, asyncio.get_running_loop())
            await clients
            lists.cancel()

    def _kill(self, loop: asyncio.AbstractEventLoop) -> None:
        primary, standby = self.both.clusters
        primary.cut_off()
        time.sleep(_SECONDS_ALONE)
        self.acknowledged = [candidate for _, candidate in list(self._done)]
        primary.kill()
        killed = time.monotonic()
        loop.call_soon_threadsafe(self._killed.set)
        time.sleep(self.away)
        self.promoted = standby.promote()
        self.both.primary = standby
        deadline = killed + 2 * _MOST_SECONDS
        while not any(at > killed for at, _ in list(self._done)) and time.monotonic() < deadline:
            time.sleep(0.02)
        self.back = time.monotonic() - killed

    async def _fetch_lists(self) -> None:
        while True:
            self.lists[await asyncio.to_thread(_status, f"{self.both.http_url}/crl/issuing-1.crl")] += 1
            await asyncio.sleep(0.1)


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return len(answer.read()) and int(answer.status)
    except OSError:
        return 0


def _judged(both: Twins, storm: Storm) -> list[Figure]:
    cns = [candidate.invitation.cn for candidate in storm.candidates]
    answered = sum(candidate.chain is not None for candidate in storm.candidates)
    lost = ground.without_their_one(both, storm.acknowledged)
    later = sum(count for (status, _), count in storm.tally.items() if status == 503)
    crowd, delivered = storm.crowd, letters(both.folder / "mailbox")
    otherwise = [f"{count} × {word}" for word, count in crowd.words.items() if word != "good"]
    lists = [f"{count} × {status}" for status, count in storm.lists.items() if status != 200]
    kinds = ("enrolment-url", "enrolment-password", "fetched")
    return [
        Figure(f"{_WHAT}: acknowledged when it was killed", "> 0", str(len(storm.acknowledged)),
               bool(storm.acknowledged)),
        none_of(f"{_WHAT}: acknowledged and lost", lost),
        Figure(f"{_WHAT}: standby promoted within", "-", f"{storm.promoted:.2f} s", met=True),
        Figure(f"{_WHAT}: certificates again after", f"≤ {_MOST_SECONDS} s",
               f"{storm.back:.1f} s, {storm.away:.0f} s of them before promotion", storm.back <= _MOST_SECONDS),
        counted(f"{_WHAT}: PCs with a certificate", len(cns), answered),
        none_of(f"{_WHAT}: PCs without their one", ground.without_their_one(both, storm.candidates)),
        none_of(f"{_WHAT}: 5xx but 503", ground.errors_of_its_own(storm.tally)),
        Figure(f"{_WHAT}: come-back answers (503)", "any number", str(later), met=True),
        none_of(f"{_WHAT}: OCSP of {len(crowd.seconds)} answers not good", otherwise),
        none_of(f"{_WHAT}: CRLs of {sum(storm.lists.values())} not got", lists),
        none_of(f"{_WHAT}: mails that never came", missing(delivered, kinds, cns)),
        none_of(f"{_WHAT}: mails told twice", told_twice(delivered, kinds)),
        none_of(f"{_WHAT}: signatures unknown to the records", ground.signed_unseen(both)),
        none_of(f"{_WHAT}: faults in the books", ground.faults(both)),
    ]  # fmt: skip

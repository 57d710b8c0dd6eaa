"""Crash: the server is killed again and again while PCs enrol and applications are carried out.

SIGKILL at a random moment 50 to 350 ms after the service answers, then a restart at once. Afterwards everything that
was promised is there, once: each PC's certificate, each mail; nothing was signed that the records do not know.
"""

import asyncio
import collections
import contextlib
import random
import signal
import time
from pathlib import Path

from tests.drills import canaries, ground
from tests.drills.enrolling import Caller, Candidate, Refused, enrol
from tests.drills.figures import Figure, counted, none_of
from tests.drills.letters import copies, letters, missing, told_twice
from tests.end_to_end.agency import Agency

_LATE_INSTITUTION, _MOST_LATE = "F900001", 100
"""Who applies while the server is being killed, in one form."""
_CLIENTS = 12
_SHORTEST, _LONGEST = 0.05, 0.35
_SECONDS_AFTERWARDS = 240
_SECONDS_TO_SIGN = 10


def drill(
    folder: Path,
    enrolments: int = 500,
    kills: int = 30,
    seed: int = 1,
    defect: str | None = None,
    *,
    hurry: bool = False,
) -> list[Figure]:
    """Kill the server `kills` times during `enrolments` enrolments and return the figures.

    In a `hurry`, with few kills, chance is not left to find the moment: each waits until the key has signed once more.
    """
    with ground.standing(folder, defect, hurry=hurry) as agency:
        late = min(_MOST_LATE, max(2, enrolments // 10))
        candidates = [Candidate(invitation) for invitation in ground.invited(agency, enrolments - late)]
        storm = Storm(agency, random.Random(seed), aimed=hurry)
        asyncio.run(storm.run(candidates, kills, late))
        with contextlib.suppress(AssertionError):  # what is still open then is a fault in the books
            ground.settled(agency, 20 if defect else _SECONDS_AFTERWARDS)
        return _judged(agency, storm)


class Storm:
    """Clients that enrol, one who kills, and officers who go on working."""

    def __init__(self, agency: Agency, chance: random.Random, *, aimed: bool) -> None:
        self.agency = agency
        self.aimed = aimed
        self.candidates: list[Candidate] = []
        self.refused: list[str] = []
        self.tally: collections.Counter[tuple[int, str]] = collections.Counter()
        self.kills = 0
        self.down: list[float] = []
        self._chance = chance
        self._waiting: asyncio.Queue[Candidate] = asyncio.Queue()

    async def run(self, candidates: list[Candidate], kills: int, late: int) -> None:
        """Spread the enrolments over the kills; those of the `late` applications follow at the end."""
        self.candidates = candidates
        async with Caller(self.agency.public_url, self.agency.trust(), longest_wait=1) as caller:
            clients = [asyncio.create_task(self._client(caller)) for _ in range(_CLIENTS)]
            officers = asyncio.create_task(asyncio.to_thread(ground.approved, self.agency, late, _LATE_INSTITUTION))
            for place in range(kills):
                share = slice(len(candidates) * place // kills, len(candidates) * (place + 1) // kills)
                for candidate in candidates[share]:
                    self._waiting.put_nowait(candidate)
                await (self._signed() if self.aimed else asyncio.sleep(self._chance.uniform(_SHORTEST, _LONGEST)))
                await self._kill()
            await officers
            await asyncio.to_thread(self._late_ones, len(candidates) + late)
            await self._waiting.join()
            for client in clients:
                client.cancel()
            self.tally = caller.tally

    def _late_ones(self, count: int) -> None:
        known = {candidate.invitation.cn for candidate in self.candidates}
        deadline = time.monotonic() + _SECONDS_AFTERWARDS
        while len(invitations := ground.delivered(self.agency)) < count and time.monotonic() < deadline:
            time.sleep(0.5)
        for invitation in invitations:
            if invitation.cn not in known:
                self.candidates.append(Candidate(invitation))
                self._waiting.put_nowait(self.candidates[-1])

    async def _client(self, caller: Caller) -> None:
        while True:
            candidate = await self._waiting.get()
            try:
                await enrol(caller, candidate)
            except (Refused, TimeoutError) as error:
                self.refused.append(f"{candidate.invitation.cn}: {error}")
            finally:
                self._waiting.task_done()

    async def _signed(self) -> None:
        """Wait until the key has signed once more; where nothing is left to sign, until the wait is over."""
        before, deadline = ground.signatures(self.agency), time.monotonic() + _SECONDS_TO_SIGN
        while ground.signatures(self.agency) == before and time.monotonic() < deadline:  # noqa: ASYNC110 - a file
            await asyncio.sleep(0.005)

    async def _kill(self) -> None:
        await asyncio.to_thread(self.agency.stop, signal.SIGKILL)
        started = time.monotonic()
        await asyncio.to_thread(self.agency.serve)
        self.down.append(time.monotonic() - started)
        self.kills += 1


def _judged(agency: Agency, storm: Storm) -> list[Figure]:
    candidates = storm.candidates
    cns = [candidate.invitation.cn for candidate in candidates]
    lacking = ground.without_their_one(agency, candidates)
    delivered = letters(agency.folder / "mailbox")
    kinds = ("enrolment-url", "enrolment-password", "fetched")
    finished, least = ground.finished_by_another(agency), min(1, storm.kills // 10)  # else they met nothing
    slowest = max(storm.down, default=0.0)
    return [
        Figure("crash: kills, and back after", "any number", f"{storm.kills}, ≤ {slowest:.1f} s", met=True),
        Figure("crash: plans finished after a restart", f"{least} or more", str(finished), met=finished >= least),
        counted("crash: PCs with exactly one certificate", len(cns), len(cns) - len(lacking)),
        none_of("crash: PCs that were refused", storm.refused + lacking),
        none_of("crash: signatures unknown to the records", ground.signed_unseen(agency)),
        none_of(f"crash: lost of {3 * len(cns)} mails", missing(delivered, kinds, cns)),
        none_of("crash: mails twice under two Message-IDs", told_twice(delivered, kinds)),
        Figure("crash: mails twice under one Message-ID", "any number", str(copies(delivered)), met=True),
        none_of("crash: 5xx but 503", ground.errors_of_its_own(storm.tally)),
        none_of("crash: faults in the books", ground.faults(agency)),
        *canaries.figures("crash", agency, candidates),
    ]

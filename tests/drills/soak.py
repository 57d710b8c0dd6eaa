"""Soak: OCSP, pages and enrolments at a steady pace, for long; memory stays, and nothing fails.

Memory is what all processes of the service together hold of their own (anonymous PSS: what they share is counted once;
pages of files are left out, for the kernel takes them back when it likes, and counts them by who else runs), looked at
each second, and its slope the straight line through all that was seen after the first third. Before it begins,
enrolments and questions at full speed fill what is kept up to a ceiling (SQLite's page cache, keys of accounts, what
was encoded lately): at the pace of the soak that would take an hour, and look like a leak all the while.
Answers live five minutes, so that all are signed anew a dozen times meanwhile, and not once.
"""

import asyncio
import collections
import contextlib
import dataclasses
import random
import re
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp

from tests.drills import ground
from tests.drills.enrolling import Caller, Candidate, Refused, enrol
from tests.drills.figures import Figure, none_of
from tests.end_to_end.agency import Agency
from tests.end_to_end.questions import Asker, judge

_REQUESTS_AN_ENROLMENT = 6  # nonce, newAccount, newOrder, finalize, download, the page of the URL
_SHARE_OF_OCSP = 0.7
_SECONDS_BETWEEN_ENROLMENTS = 2
_AT_ONCE = 16
_SECONDS_OF_QUESTIONS = 45
_MOST_AN_HOUR = 1_000_000
_PSS = re.compile(r"^Pss_Anon:\s+(\d+) kB$", re.MULTILINE)
_PAGES = ("/directory", "/", "/cps", "/e/", "/acme/new-nonce")


@dataclasses.dataclass
class Soaked:
    """What was seen: moments with octets, descriptors at both ends, answers, errors."""

    memory: list[tuple[float, int]] = dataclasses.field(default_factory=list)
    descriptors: list[int] = dataclasses.field(default_factory=list)
    answers: "collections.Counter[str]" = dataclasses.field(default_factory=collections.Counter)
    errors: list[str] = dataclasses.field(default_factory=list)
    seconds: float = 0


def drill(
    folder: Path, minutes: float = 20, rate: int = 50, warming: int = 4500, defect: str | None = None
) -> list[Figure]:
    """Ask `rate` times a second for so many minutes, after so many enrolments and six times the questions."""
    with ground.standing(folder, defect, authority="ocsp_answer_minutes = 5") as agency:
        count = warming + int(60 * minutes / _SECONDS_BETWEEN_ENROLMENTS) + 1
        candidates = [Candidate(invitation) for invitation in ground.invited(agency, count)]
        asyncio.run(_warmed(agency, candidates[:warming]))
        ground.settled(agency, 60 + warming / 10)
        soaked = asyncio.run(_soaked(agency, candidates[warming:], 60 * minutes, rate))
        ground.settled(agency, 60)
        lacking = ground.without_their_one(agency, [each for each in candidates if each.chain is not None])
        return [*judged(soaked, rate), none_of("soak: faults in the books", lacking + ground.faults(agency))]


def judged(soaked: Soaked, rate: int) -> list[Figure]:
    """Return the figures of what was seen."""
    warm = soaked.memory[len(soaked.memory) // 3 :]
    slope = statistics.linear_regression(*zip(*warm, strict=True)).slope * 3600
    first, last = soaked.descriptors[len(soaked.descriptors) // 3], soaked.descriptors[-1]
    a_second = soaked.answers.total() / soaked.seconds
    words = ", ".join(f"{count:,} {kind}" for kind, count in soaked.answers.most_common())
    return [
        Figure("soak: asked", "any", f"{words} in {soaked.seconds / 60:.1f} min", met=True),
        Figure("soak: answers a second", f"≥ {rate * 0.95:.0f}", f"{a_second:.0f}", a_second >= rate * 0.95),
        none_of("soak: errors", soaked.errors),
        Figure("soak: memory at the end", "any", f"{warm[-1][1] / 1e6:.0f} MB", met=True),
        Figure("soak: slope of memory", "≤ 1 MB an hour", f"{slope / 1e6:+.2f} MB an hour", slope <= _MOST_AN_HOUR),
        Figure("soak: descriptors", "≤ 10 more", f"{first}, then {last}", last <= first + 10),
    ]


async def _warmed(agency: Agency, candidates: list[Candidate]) -> None:
    waiting = iter(candidates)
    async with Caller(agency.public_url, agency.trust(), connections=_AT_ONCE) as caller:

        async def one_after_the_other() -> None:
            for candidate in waiting:
                await enrol(caller, candidate)

        await asyncio.gather(*(one_after_the_other() for _ in range(_AT_ONCE)))
    questions = asyncio.create_task(_questions(agency, Soaked(), len(candidates) / _SECONDS_OF_QUESTIONS * 6))
    await asyncio.sleep(_SECONDS_OF_QUESTIONS)
    questions.cancel()
    await asyncio.gather(questions, return_exceptions=True)


async def _soaked(agency: Agency, candidates: list[Candidate], seconds: float, rate: int) -> Soaked:
    soaked = Soaked()
    waiting = iter(candidates)
    async with Caller(agency.public_url, agency.trust(), connections=8) as caller:
        first = next(waiting)
        await enrol(caller, first)
        started = time.monotonic()
        others = rate - _REQUESTS_AN_ENROLMENT / _SECONDS_BETWEEN_ENROLMENTS
        tasks = [
            asyncio.create_task(_pages(agency, caller, soaked, others * (1 - _SHARE_OF_OCSP))),
            asyncio.create_task(_questions(agency, soaked, others * _SHARE_OF_OCSP)),
            asyncio.create_task(_enrolments(caller, waiting, soaked)),
            asyncio.create_task(_looks(agency, soaked)),
        ]
        await asyncio.sleep(seconds)
        soaked.seconds = time.monotonic() - started
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        soaked.errors += [repr(each) for each in ended if not isinstance(each, asyncio.CancelledError | None)]
    return soaked


async def _beats(rate: float) -> "collections.abc.AsyncIterator[int]":
    """Yield at a steady pace, and at once what is late."""
    started, place = time.monotonic(), 0
    while True:
        await asyncio.sleep(max(0.0, started + place / rate - time.monotonic()))
        yield place
        place += 1


async def _pages(agency: Agency, caller: Caller, soaked: Soaked, rate: float) -> None:
    async for place in _beats(rate):
        url = agency.public_url + _PAGES[place % len(_PAGES)]
        try:
            answer = await caller.exchange("GET", url)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            soaked.errors.append(f"{url}: {error!r}")
            continue
        if answer.status >= 400:
            soaked.errors.append(f"{url}: {answer.status}")
        soaked.answers["pages"] += 1


async def _questions(agency: Agency, soaked: Soaked, rate: float) -> None:
    asked, chance = judge(agency.chain), random.Random(1)
    serials = [int(one["serial"], 16) for one in await asyncio.to_thread(agency.certificates)]
    askers = [Asker(agency.http_port) for _ in range(4)]
    async for place in _beats(rate):
        serial = chance.choice(serials) if place % 3 else chance.getrandbits(120)
        nonce = chance.randbytes(16) if place % 5 == 0 else None
        try:
            told = asked.told(await askers[place % 4].ask(asked.question(serial, nonce)), serial, nonce)
        except (AssertionError, OSError, EOFError, ValueError) as error:
            soaked.errors.append(f"OCSP: {error!r}")
            continue
        if told.word != ("good" if serial in serials else "unknown"):
            soaked.errors.append(f"OCSP: {told.word}")
        soaked.answers["OCSP"] += 1


async def _enrolments(caller: Caller, waiting: Iterator[Candidate], soaked: Soaked) -> None:
    async for _ in _beats(1 / _SECONDS_BETWEEN_ENROLMENTS):
        candidate = next(waiting, None)
        if candidate is None:
            return
        try:
            answer = await caller.exchange("GET", candidate.invitation.url)
            await enrol(caller, candidate, 30)
        except (Refused, TimeoutError, aiohttp.ClientError, OSError) as error:
            soaked.errors.append(f"{candidate.invitation.cn}: {error!r}")
            continue
        if answer.status != 200:
            soaked.errors.append(f"the page of {candidate.invitation.cn}: {answer.status}")
        soaked.answers["of enrolments"] += _REQUESTS_AN_ENROLMENT


async def _looks(agency: Agency, soaked: Soaked) -> None:
    assert agency.process is not None
    while True:
        with contextlib.suppress(OSError):  # a process that has just ended
            family = list(_family(agency.process.pid))
            soaked.memory.append((time.monotonic(), sum(map(_memory, family))))
            soaked.descriptors.append(sum(map(_descriptors, family)))
        await asyncio.sleep(1)


def _memory(pid: int) -> int:
    """Return a process's own octets and its part of those that it shares with its kin."""
    found = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text("ascii"))
    return 0 if found is None else 1024 * int(found[1])


def _descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _family(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text("ascii").split():
            yield from _family(int(child))

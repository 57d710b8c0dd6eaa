"""Two servers on one PostgreSQL behind a balancer: they race, share nonces, and each does without the other.

First the race of `race`, spread over both. Then requests that were signed with a nonce of the one go to both at once.
Then, while PCs enrol, the server that leads is killed, later stopped for a while (it wakes up when another leads), and
at last told to end: the other goes on, with applications, mails and CRLs too.
"""

import asyncio
import collections
import contextlib
import functools
import signal
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from cryptography import x509

from ca_server.authority.crl import number_of
from protocol import jws
from tests.drills import canaries, clusters, ground, race, twins
from tests.drills.enrolling import JOSE, Caller, Candidate, Refused, enrol
from tests.drills.figures import Figure, counted, none_of
from tests.drills.letters import letters, missing, told_twice
from tests.drills.twins import Twins
from tests.end_to_end.agency import Agency
from tests.end_to_end.questions import Judge, judge
from tests.end_to_end.relying import revoke, serial_of, wait_until

_CLIENTS = 8
_MOST_SECONDS = 30
_SECONDS_STOPPED = 14
_REVOKED = 5
_WHAT = "two servers"


_LOSSES = (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM)


def drill(
    folder: Path,
    urls: int = 500,
    replays: int = 50,
    enrolments: int = 60,
    losses: Sequence[signal.Signals] = _LOSSES,
    defect: str | None = None,
) -> list[Figure]:
    """Race on `urls` URLs, then lose the leading server in some ways while `enrolments` PCs enrol each time."""
    if clusters.program("initdb") is None:
        return [Figure(f"{_WHAT}: {clusters.MISSING}", "-", "skipped", met=True)]
    with clusters.clusters() as made, twins.standing(folder, made, defect) as both:
        figures = together(both, urls, replays)
        with Watch(both) as watch:
            for how in losses:
                figures += _lost(both, how, enrolments)
        figures.append(none_of(f"{_WHAT}: CRL numbers that went back", watch.went_back))
        return figures + _judged(both)


def together(both: Twins, urls: int, replays: int) -> list[Figure]:
    """Race on `urls` URLs, replay requests, look for secrets, and revoke at one server what both must tell of."""
    first, figures = race.run(_WHAT, both, urls, 1)
    holders = asyncio.run(_holders(both, first))
    figures += asyncio.run(_replayed(both, holders[:replays]))
    figures.append(_searched(both, first))
    figures.append(asyncio.run(_seen(both, holders[:_REVOKED])))
    return figures


async def _holders(both: Twins, candidates: list[Candidate]) -> list[Candidate]:
    """Return those who won the race, with their certificates: from the others their URL was taken over."""
    found = []
    async with Caller(both.public_url, both.trust(), longest_wait=0.5) as caller:
        for candidate in candidates:
            with contextlib.suppress(Refused):
                await enrol(caller, candidate)
                found.append(candidate)
    return found


async def _replayed(both: Twins, candidates: list[Candidate]) -> list[Figure]:
    """Send each request to both servers at once; its nonce is of one of them."""
    ports = [each["public"] for each in both.behind]
    tally: collections.Counter[str] = collections.Counter()
    twice: list[str] = []
    connector = aiohttp.TCPConnector(ssl=both.trust())
    async with aiohttp.ClientSession(connector=connector) as session:
        for turn, candidate in enumerate(candidates):
            url = str(candidate.account_url)
            async with session.head(f"https://localhost:{ports[turn % 2]}/acme/new-nonce") as given:
                nonce = given.headers["Replay-Nonce"]
            body = jws.sign(candidate.account_key, b"", {"kid": url, "url": url, "nonce": nonce})
            targets = [f"https://localhost:{port}{urlsplit(url).path}" for port in ports for _ in range(2)]
            said = await asyncio.gather(*(_said(session, each, body) for each in targets))
            tally.update(said)
            if said.count("200") != 1:
                twice.append(f"{candidate.invitation.cn}: {said}")
    return [
        counted(f"{_WHAT}: nonces good at either server", len(candidates), tally["200"]),
        none_of(f"{_WHAT}: requests not taken just once", twice),
    ]


async def _seen(both: Twins, candidates: list[Candidate]) -> Figure:
    """Return the figure of how long it takes until OCSP at both servers tells of a revocation at one of them."""
    asked, seconds = judge(both.chain), []
    async with Caller(both.public_url, both.trust()) as caller:
        for candidate in candidates:
            serial = serial_of(candidate)
            await revoke(caller, candidate)
            for server in both.behind:
                told = functools.partial(_is_revoked, asked, server["http"], serial)
                seconds.append(await asyncio.to_thread(wait_until, told, _MOST_SECONDS))
    return Figure(
        f"{_WHAT}: OCSP at both tells a revocation", "≤ 5 s", f"slowest {max(seconds):.2f} s", max(seconds) <= 5
    )


def _is_revoked(asked: Judge, port: int, serial: int) -> bool:
    return asked.ask(port, serial).word == "revoked"


def _searched(both: Twins, candidates: list[Candidate]) -> Figure:
    """Return the figure of where secrets stand in what the servers logged, and in all that the database wrote."""
    keys = [(f"account key of {one.invitation.cn}", one.account_key) for one in candidates]
    secrets = canaries.secrets_of(both, ground.delivered(both), keys)
    search = canaries.Search(secrets)
    files = [*(each.log for each in both.both), *both.primary.written()]
    found = [f"{name} in {path.name}" for path in files for name in search.found_in(path.read_bytes())]
    return none_of(f"{_WHAT}: leaks of {len(secrets)} secrets, database's log", found)


async def _said(session: aiohttp.ClientSession, url: str, body: bytes) -> str:
    async with session.post(url, data=body, headers=JOSE) as answer:
        return "200" if answer.status == 200 else str((await answer.json(content_type=None))["type"])


class Watch:
    """Reads again and again which CRL each server has published."""

    def __init__(self, both: Twins) -> None:
        self.went_back: list[str] = []
        self._places = [each.folder / "public" / "issuing-1.crl" for each in both.both]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        newest = [0] * len(self._places)
        while not self._over.wait(0.02):
            for place, path in enumerate(self._places):
                number = number_of(path.read_bytes())
                if number < newest[place]:
                    self.went_back.append(f"server {place}: from {newest[place]} to {number}")
                newest[place] = number


def _lost(both: Twins, how: signal.Signals, enrolments: int) -> list[Figure]:
    """Lose the leading server while PCs enrol; everything goes on, and in the end it is there again."""
    candidates = [Candidate(each) for each in ground.invited(both, enrolments)]
    wait_until(lambda: both.leader() is not None, 30)
    lost = both.leader()
    assert lost is not None
    other = next(each for each in both.both if each is not lost)
    seconds = asyncio.run(_load(both, candidates, lost, other, how))
    name = f"{_WHAT}: {how.name}"
    figures = [
        Figure(f"{name}: {what} after", f"≤ {_MOST_SECONDS} s", f"{took:.1f} s", took <= _MOST_SECONDS)
        for what, took in seconds.items()
    ]
    if how is not signal.SIGSTOP:
        with contextlib.suppress(OSError):
            lost.stop()
        lost.process = None
        lost.serve(wait=False)
        twins.ready(lost, both.behind[both.both.index(lost)])
    return [*figures, none_of(f"{name}: PCs without their one", ground.without_their_one(both, candidates))]


async def _load(
    both: Twins, candidates: list[Candidate], lost: Agency, other: Agency, how: signal.Signals
) -> dict[str, float]:
    """Enrol all, lose the server a third on the way, and return after how many seconds what went on without it."""
    trust = both.trust()
    third = len(candidates) // 3
    await _enrolled(both.public_url, trust, candidates[:third])
    enrolling = asyncio.create_task(_enrolled(both.public_url, trust, candidates[third:]))
    await asyncio.sleep(0.2)
    assert lost.process is not None
    lost.process.send_signal(how)
    began = time.monotonic()

    async def until(is_so: Callable[[], bool]) -> float:
        with contextlib.suppress(AssertionError):  # the figure tells
            await asyncio.to_thread(wait_until, is_so, 2 * _MOST_SECONDS)
        return time.monotonic() - began

    delivered = both.delivered()
    seconds = {}
    approving = asyncio.create_task(asyncio.to_thread(ground.approved, both, 2))
    async with _revoked(both, trust, candidates[0]):
        seconds["another leads"] = await until(lambda: both.leader() is other)
        seconds["a revocation is on the CRL"] = await until(lambda: _lists(other, serial_of(candidates[0])))
    await approving
    seconds["mails leave"] = await until(lambda: both.delivered() >= delivered + 4)
    await enrolling
    if how is signal.SIGSTOP:
        await asyncio.sleep(max(0.0, began + _SECONDS_STOPPED - time.monotonic()))
        lost.process.send_signal(signal.SIGCONT)
        await asyncio.sleep(2)
    return seconds


@contextlib.asynccontextmanager
async def _revoked(both: Twins, trust: ssl.SSLContext, candidate: Candidate) -> AsyncIterator[None]:
    async with Caller(both.public_url, trust, longest_wait=0.5) as caller:
        for _ in range(20):
            try:
                await revoke(caller, candidate)
                break
            except (aiohttp.ClientError, OSError, AssertionError):
                caller.forget_nonces()
                await asyncio.sleep(0.2)
        yield


def _lists(server: Agency, serial: int) -> bool:
    crl = x509.load_der_x509_crl((server.folder / "public" / "issuing-1.crl").read_bytes())
    return crl.get_revoked_certificate_by_serial_number(serial) is not None


async def _enrolled(url: str, trust: ssl.SSLContext, candidates: list[Candidate]) -> None:
    waiting = iter(candidates)

    async def client() -> None:
        async with Caller(url, trust, longest_wait=0.5, connections=2) as caller:
            for candidate in waiting:
                with contextlib.suppress(Refused, TimeoutError):  # it is missed in the end
                    await enrol(caller, candidate, 60)

    await asyncio.gather(*(client() for _ in range(_CLIENTS)))


def _judged(both: Twins) -> list[Figure]:
    with contextlib.suppress(AssertionError):  # what is still open then is a fault in the books
        ground.settled(both, 60)
    delivered = letters(both.folder / "mailbox")
    kinds = ("enrolment-url", "enrolment-password", "fetched")
    with both.records() as records:
        issued = [row[0] for row in records.execute("SELECT cn FROM certificate WHERE der IS NOT NULL").fetchall()]
    return [
        *_books(both),
        none_of(f"{_WHAT}: mails that never came", missing(delivered, kinds, issued)),
        none_of(f"{_WHAT}: mails told twice", told_twice(delivered, kinds)),
        none_of(f"{_WHAT}: published otherwise by the two", _differing(both)),
    ]


def _books(both: Twins) -> Iterator[Figure]:
    yield none_of(f"{_WHAT}: unknown signatures after the losses", ground.signed_unseen(both))
    yield none_of(f"{_WHAT}: faults in the books after the losses", ground.faults(both))


def _differing(both: Twins) -> list[str]:
    """Return the lists that do not have the same bytes and the same time, which makes the ETag, at both servers."""
    folders = [each.folder / "public" for each in both.both]
    first, second = (
        {each.name: (each.read_bytes(), each.stat().st_mtime_ns) for each in folder.glob("issuing-*.crl")}
        for folder in folders
    )
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))

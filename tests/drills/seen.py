"""Seen: how long from the answer to a revocation until relying systems see it, while others ask and PCs enrol.

In OCSP a revocation counts as seen when every one of many connections, which the kernel spreads over all workers, has
heard of it; in the CRL when the published file names it.
"""

import asyncio
import base64
import contextlib
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from urllib.parse import quote

from cryptography import x509

from tests.drills import ground, load
from tests.drills.enrolling import Caller, Candidate, enrol
from tests.drills.figures import Figure, counted
from tests.end_to_end.agency import Agency
from tests.end_to_end.questions import Asker, Judge, judge
from tests.end_to_end.relying import revoke, serial_of, wait_until

_CONNECTIONS = 12
_LOADING = 4
_BETWEEN_LOOKS = 0.01
_GIVEN_UP = 20


def drill(
    folder: Path, count: int = 100, enrolling: int = 60, defect: str | None = None, *, at_ease: bool = True
) -> list[Figure]:
    """Revoke `count` certificates one after the other; a machine that does other things too gets more time."""
    with ground.standing(folder, defect) as agency:
        candidates = [Candidate(each) for each in ground.invited(agency, count + enrolling)]
        in_ocsp, in_crl, load_a_second = asyncio.run(_seen(agency, candidates[:count], candidates[count:]))
    return [
        counted("seen: revocations", count, len(in_ocsp)),
        Figure("seen: GETs a second meanwhile", "-", f"{load_a_second:.0f}", load_a_second > 0),
        *_figures("seen: in OCSP, at every worker", in_ocsp, 1 if at_ease else 2),
        *_figures("seen: in the CRL", in_crl, 10),
    ]


def _figures(what: str, seconds: Sequence[float], most: float) -> list[Figure]:
    ordered = sorted(seconds)
    median, most_of_them = statistics.median(ordered), ordered[len(ordered) * 95 // 100]
    return [
        Figure(f"{what}, median and 95 %", "-", f"{median:.2f} s, {most_of_them:.2f} s", met=True),
        Figure(f"{what}, slowest", f"≤ {most:.0f} s", f"{ordered[-1]:.2f} s", ordered[-1] <= most),
    ]


async def _seen(
    agency: Agency, candidates: list[Candidate], others: list[Candidate]
) -> tuple[list[float], list[float], float]:
    """Return the seconds until each was seen in OCSP, and in the CRL, and how many GETs a second were answered."""
    asked = judge(agency.chain)
    in_ocsp, in_crl, waiting = [], [], {}
    async with Caller(agency.public_url, agency.trust()) as caller:
        await asyncio.gather(*(enrol(caller, candidate) for candidate in candidates))
        serials = [serial_of(candidate) for candidate in candidates]
        await asyncio.to_thread(wait_until, lambda: all(_is_ready(asked, agency, each) for each in serials), 20)
        watching = asyncio.create_task(_watch_crl(agency, len(candidates), waiting, in_crl))
        answered: list[float] = []
        async with _loaded(agency, asked, candidates, answered), _enrolling(caller, others):
            with contextlib.ExitStack() as stack:
                askers = [stack.enter_context(contextlib.closing(Asker(agency.http_port))) for _ in range(_CONNECTIONS)]
                for candidate, serial in zip(candidates, serials, strict=True):
                    await asyncio.gather(*(_until(asker, asked, serial, "good") for asker in askers))
                    await revoke(caller, candidate)
                    waiting[serial] = started = time.monotonic()
                    await asyncio.gather(*(_until(asker, asked, serial, "revoked") for asker in askers))
                    in_ocsp.append(time.monotonic() - started)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(watching, _GIVEN_UP)
        in_crl += [_GIVEN_UP] * len(waiting)
    return in_ocsp, in_crl, answered[0]


def _is_ready(asked: Judge, agency: Agency, serial: int) -> bool:
    return asked.ask(agency.http_port, serial).was_ready


async def _until(asker: Asker, asked: Judge, serial: int, word: str) -> None:
    deadline = time.monotonic() + _GIVEN_UP
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if asked.told(await asker.ask(asked.question(serial)), serial).word == word:
                return
        await asyncio.sleep(_BETWEEN_LOOKS)


async def _watch_crl(agency: Agency, count: int, waiting: dict[int, float], in_crl: list[float]) -> None:
    """Note when each that waits is on the CRL, until all have been."""
    url = f"{agency.http_url}/crl/issuing-1.crl"
    while len(in_crl) < count:
        crl = x509.load_der_x509_crl(await asyncio.to_thread(_fetched, url))
        for serial, since in list(waiting.items()):
            if crl.get_revoked_certificate_by_serial_number(serial) is not None:
                in_crl.append(time.monotonic() - since)
                del waiting[serial]
        await asyncio.sleep(0.1)


def _fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return bytes(answer.read())


@contextlib.asynccontextmanager
async def _loaded(
    agency: Agency, asked: Judge, candidates: list[Candidate], answered: list[float]
) -> AsyncIterator[None]:
    """Let another process ask by GET, as fast as it can; tell how many answers a second it got."""
    encoded = (base64.b64encode(asked.question(serial_of(each))).decode() for each in candidates[:50])
    command = [sys.executable, load.__file__, str(agency.http_port), str(_LOADING)]
    command += [f"/ocsp/{quote(each, safe='')}" for each in encoded]
    loading = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert loading.stdout is not None
    await loading.stdout.readline()
    started = time.monotonic()
    try:
        yield
    finally:
        said, _ = await loading.communicate(b"")
        answered.append(int(said) / (time.monotonic() - started))


@contextlib.asynccontextmanager
async def _enrolling(caller: Caller, others: list[Candidate]) -> AsyncIterator[None]:
    """Let PCs enrol meanwhile, one after the other; wait for the last."""

    async def one_after_the_other() -> None:
        for other in others:
            await enrol(caller, other)
            await asyncio.sleep(0.1)

    enrolling = asyncio.create_task(one_after_the_other())
    yield
    await enrolling

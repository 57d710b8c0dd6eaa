"""OCSP: thousands of exchanges at the plain address, right, strange and broken, in pieces cut anywhere.

The address is served in this process as a worker serves it, and once more without its fast path. Demanded: whatever is
sent, both say the same, in whole HTTP and without a 5xx; and memory does not grow.
"""

import asyncio
import contextlib
import gc
import re
import resource
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import uvloop

from ca_server.responder import wire
from tests.ca_server.responder.differential import Pair
from tests.drills.figures import Figure, counted, none_of

_MOST_GROWTH = 16 << 20  # headers are remembered, and some other things; each has its bound


def drill(folder: Path, cases: int = 20_000, seed: int = 1, defect: str | None = None) -> list[Figure]:
    """Compare `cases` exchanges and return the figures."""
    with _planted(defect):
        return uvloop.run(_compared(folder, cases, seed))


async def _compared(folder: Path, cases: int, seed: int) -> list[Figure]:
    async with Pair.opened(folder) as pair:
        warm = cases // 4
        found = await pair.run(warm, seed)
        before = await _resident()
        found += await pair.run(cases - warm, seed, warm)
        growth = await _resident() - before
    words = ", ".join(f"{count} × {status}" for status, count in pair.statuses.most_common(4))
    return [
        counted("ocsp: exchanges compared", cases, pair.compared),
        Figure("ocsp: answers of the fast path's address", "any", words, met=True),
        none_of("ocsp: answered otherwise than by aiohttp", found),
        Figure(
            "ocsp: growth of memory", f"≤ {_MOST_GROWTH >> 20} MiB", f"{growth / 2**20:.1f} MiB", growth <= _MOST_GROWTH
        ),
    ]


async def _resident() -> int:
    """Return how much memory this process has, once what was closed is gone."""
    await asyncio.sleep(0.2)
    gc.collect()
    return _pages() * resource.getpagesize()


def _pages() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1])


@contextlib.contextmanager
def _planted(defect: str | None) -> Iterator[None]:
    """Plant a defect: `credulous` takes conditions and chunked bodies for plain requests."""
    with contextlib.ExitStack() as stack:
        if defect == "credulous":
            stack.enter_context(mock.patch.object(wire, "_NOT_PLAIN", re.compile(rb"(?!)")))
        yield

"""A front before a real service that spoils half of what passes through it, as networks and busy servers do.

It speaks TLS with the agency's own certificate on the public port, so that clients see nothing of it. What it does:

doubled   sends a request twice and passes the second answer on: a true badNonce, after work that may have been done
busy      answers 503 with Retry-After, without asking the service
cut       breaks the connection, before the service was asked or after
stalled   holds the answer back for longer than the client waits
"""

import asyncio
import contextlib
import random
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import aiohttp
from aiohttp import web

from tests.end_to_end.agency import Agency, free_ports

FAULTS = ("doubled", "busy", "cut", "stalled")
STALL_SECONDS = 1.0
_HOP_BY_HOP = {"connection", "content-length", "transfer-encoding", "content-encoding", "date", "server"}


class FaultyFront:
    """The front; `faults` are those it commits now, and `committed` how often it has."""

    def __init__(self, agency: Agency, direct: int) -> None:
        self.agency = agency
        self.faults: tuple[str, ...] = ()
        self.committed: Counter[str] = Counter()
        self._dice, self._share = random.Random(), 0.0
        self._direct = direct
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def commit(self, *faults: str, seed: int, share: float = 0.5) -> None:
        """Spoil half of all requests from now on, in a way that the seed decides; without faults none."""
        self.faults, self.committed, self._dice, self._share = faults, Counter(), random.Random(seed), share

    def __enter__(self) -> "FaultyFront":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        folder = self.agency.folder
        passphrase = folder / "secrets" / "server.passphrase"
        password = passphrase.read_text().strip() if passphrase.exists() else None
        context.load_cert_chain(folder / "tls" / "server.pem", folder / "tls" / "server.key.pem", password)
        connector = aiohttp.TCPConnector(ssl=self.agency.trust())
        self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._pass)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.agency.public_port, ssl_context=context).start()

    async def _stop(self) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        fault = self._dice.choice(self.faults) if self.faults and self._dice.random() < self._share else ""
        self.committed[fault] += 1
        body, early = await request.read(), self._dice.random() < 0.5
        if fault == "busy":
            return web.Response(status=503, headers={"Retry-After": "0"})
        if fault == "cut" and early:
            return _cut(request)
        answer = await self._asked(request, body)
        if fault == "doubled" and request.method == "POST":
            answer = await self._asked(request, body)
        if fault == "cut":
            return _cut(request)
        if fault == "stalled":
            await asyncio.sleep(STALL_SECONDS)
        return answer

    async def _asked(self, request: web.Request, body: bytes) -> web.Response:
        url = f"https://localhost:{self._direct}{request.raw_path}"
        async with self._session.request(request.method, url, data=body, headers=request.headers) as answer:
            headers = [(name, value) for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP]
            return web.Response(status=answer.status, body=await answer.read(), headers=dict(headers))


def _cut(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@contextlib.contextmanager
def agency_behind_faults(folder: Path) -> Iterator[FaultyFront]:
    """Run an agency whose service listens behind the front; its books must balance at the end."""
    agency = Agency(folder)
    (direct,) = free_ports(1)
    agency.configure(f'public_listen = "127.0.0.1:{agency.public_port}"', f'public_listen = "127.0.0.1:{direct}"')
    with FaultyFront(agency, direct) as front:
        agency.serve()
        try:
            yield front
            agency.balance()
        finally:
            agency.stop()

"""Asks the network, briefly: is a server found, reached, trusted, does it answer, what time is it there.

What may hang (the resolver, a token, a program) runs in threads that nobody waits for at the end: asyncio's own would
keep the command from ending.
"""

import asyncio
import http.client
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from client.clock import now
from client.config import Patience, Settings
from client.doctor.facts import Server, Stage
from client.doctor.symptoms import Phrase
from client.errors import ClientError, from_problem
from client.transport import OF_TIME, Transport, open_transport, why_not
from protocol.problems import Problem
from protocol.resources import Directory

BRIEF: Final = Patience(give_up=0, answer=2)
"""One try, and two seconds for an answer."""

LONGEST: Final = 4.0
"""How many seconds all that is asked may take; it is asked side by side."""

_STEP_SECONDS = 2.0

_Result = TypeVar("_Result")


async def aside(work: Callable[[], _Result], seconds: float = _STEP_SECONDS) -> _Result:
    """Run something that may hang, and return what it does. Raises TimeoutError when the time is up."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_Result] = loop.create_future()

    def settle(settled: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # nobody waits any more, and the loop is closed
            loop.call_soon_threadsafe(lambda: None if future.done() else settled())

    def run() -> None:
        try:
            result = work()
        except Exception as error:
            failure = error
            settle(lambda: future.set_exception(failure))
        else:
            settle(lambda: future.set_result(result))

    threading.Thread(target=run, daemon=True).start()
    return await asyncio.wait_for(future, seconds)


async def probe(directory: str, ca_file: Path | None, settings: Settings) -> Server:
    """Go the way to a server, step by step, as far as it leads."""
    server = Server(urlsplit(directory).netloc)
    host, port = _first_hop(directory)
    # 1. Is the name found?
    reason = await failure_to_find(host, port)
    if reason is not None:
        return replace(server, failed=Stage.DNS, reason=reason)
    # 2. Does anybody take the connection?
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), _STEP_SECONDS)
    except (OSError, TimeoutError) as error:
        return replace(server, failed=Stage.TCP, reason=why_not(error))
    writer.close()
    # 3. Is it who it says, and does it answer?
    try:
        async with open_transport(settings, ca_file, directory, _nothing) as transport:
            return await _asked(server, transport, directory)
    except ClientError as error:
        of_tls = error.type in ("untrustedServer", "badCaFile")
        of_time = error.facts.get("code") in OF_TIME
        told = error.facts.get("reason", Phrase(error.sentence, error.facts))
        return replace(server, failed=Stage.TLS if of_tls else Stage.HTTP, reason=told, of_time=of_time)
    except Problem as problem:
        refused = from_problem(problem)
        return replace(server, failed=Stage.HTTP, reason=Phrase(refused.sentence, refused.facts))


async def failure_to_find(host: str, port: int) -> object | None:
    """Return why a name is not found, None when it is."""
    try:
        await aside(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError, TimeoutError) as error:
        return why_not(error)
    return None


async def ahead_of(url: str) -> timedelta | None:
    """Return how far our clock is before that of a plain HTTP server; nobody vouches for it, so it is only told."""
    parts = urlsplit(url)

    def ask() -> str | None:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=_STEP_SECONDS)
        try:
            connection.request("HEAD", "/")
            return connection.getresponse().getheader("Date")
        finally:
            connection.close()

    try:
        return _ahead(await aside(ask))
    except (OSError, http.client.HTTPException, TimeoutError):
        return None


async def _asked(server: Server, transport: Transport, directory: str) -> Server:
    answer = await transport.get(directory)
    website = Directory.parse(answer.json()).website
    return replace(server, ahead=_ahead(answer.headers.get("Date")), website=website)


def _first_hop(url: str) -> tuple[str, int]:
    """Return host and port that a request to a URL connects to: its own, or those of the environment's proxy."""
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if proxy is not None and not proxy_bypass(parts.hostname or "") and parts.hostname != "localhost":
        hop = urlsplit(proxy if "//" in proxy else f"//{proxy}")
        return hop.hostname or "", hop.port or 80
    return parts.hostname or "", parts.port or 443


def _ahead(date: str | None) -> timedelta | None:
    if date is None:
        return None
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    return _whole(now()) - moment.replace(tzinfo=moment.tzinfo or UTC)


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _nothing(*_: object, **__: object) -> None:
    """Tell nobody how it goes."""

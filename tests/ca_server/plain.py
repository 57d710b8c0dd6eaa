"""The plain http address in this process, as a worker has it, answering from the records alone."""

import contextlib
import functools
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from ca_server import store
from ca_server.authority import ocsp
from ca_server.clock import HOUR, Clock
from ca_server.keyring import AuthorityKeys
from ca_server.operations.publication import told
from ca_server.responder.answers import Answers, Issuing, Waits
from ca_server.responder.ready import ReadyStore
from ca_server.responding import PlainAddress


def issuing_of(authorities: Sequence[AuthorityKeys]) -> list[Issuing]:
    """Return the issuing CAs as the responder knows them."""
    return [Issuing(each.name, each.signer.certificate, each.ocsp.current) for each in authorities]


def answers_of(
    database: store.Database, authorities: Sequence[AuthorityKeys], clock: Clock, ready: ReadyStore | None = None
) -> Answers:
    """Return who answers about all certificates of these authorities."""

    def records(issuer: str, serial: str) -> ocsp.OcspStatus:
        raise Waits(functools.partial(database.lookup, told, issuer, serial))

    return Answers(issuing_of(authorities), ready, records, HOUR, clock)


class PlainClient:
    """A client of the plain address, and the address itself."""

    def __init__(self, url: str, ends: contextlib.AsyncExitStack) -> None:
        self._url = URL(url)
        self._ends = ends
        self.session = aiohttp.ClientSession()

    @classmethod
    async def opened(cls, answers: Answers, folder: Path, clock: Clock) -> "PlainClient":
        """Serve, and return a client."""
        ends = contextlib.AsyncExitStack()
        return cls(await ends.enter_async_context(plain_address(answers, folder, clock)), ends)

    def make_url(self, path: str) -> URL:
        """Return the URL of a path."""
        return self._url.join(URL(path)) if path else self._url

    def get(self, path: str, **arguments: Any) -> Any:
        """Ask for a path."""
        return self.session.get(self.make_url(path), **arguments)

    def post(self, path: str, **arguments: Any) -> Any:
        """Post to a path."""
        return self.session.post(self.make_url(path), **arguments)

    async def close(self) -> None:
        """End client and server."""
        await self.session.close()
        await self._ends.aclose()


@contextlib.asynccontextmanager
async def plain_address(answers: Answers, folder: Path, clock: Clock, port: int = 0) -> AsyncIterator[str]:
    """Serve until the end of the block; gives the URL."""
    listening = socket.create_server(("127.0.0.1", port), backlog=512)
    port = listening.getsockname()[1]
    address = PlainAddress(answers, folder, clock)
    await address.open(listening)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await address.close()

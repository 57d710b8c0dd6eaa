"""The plain address on a real socket, with who answers always the same, and the count of what aiohttp was given."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ca_server.clock import HOUR
from ca_server.responding import PlainAddress
from tests.ca_server.responder.differential import Client, Said, always_the_same, read
from tests.ca_server.responder.stand import the_house
from tests.ca_server.web.office import TurnedClock

_SILENCE = 0.3


class Served:
    """The address, and how many requests aiohttp was given."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = TurnedClock(the_house().now + HOUR)
        self.handed_over = 0
        self.folder = folder
        self.port = 0
        self._watch(monkeypatch)

    def _watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        let_in = PlainAddress._let_in

        def counted(address: PlainAddress, transport: asyncio.Transport, sent: bytes) -> None:
            self.handed_over += 1
            let_in(address, transport, sent)

        monkeypatch.setattr(PlainAddress, "_let_in", counted)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["Served"]:
        address = PlainAddress(always_the_same(self.clock), self.folder, self.clock)
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
        self.port = listening.getsockname()[1]
        self.desk = address._desk
        await address.open(listening)
        try:
            yield self
        finally:
            await address.close()

    async def ask(self, *pieces: bytes) -> list[Said]:
        """Send pieces on one connection and return what was said until the end or a silence."""
        return (await self.heard(*pieces))[0]

    async def heard(self, *pieces: bytes) -> tuple[list[Said], bool]:
        """Return what was said, and whether the connection was ended."""
        transport, client = await asyncio.get_running_loop().create_connection(Client, "127.0.0.1", self.port)
        try:
            for piece in pieces:
                transport.write(piece)
                await asyncio.sleep(0.005)
            while not client.ended.done():
                before = len(client.received)
                await asyncio.wait([client.ended], timeout=_SILENCE)
                if len(client.received) == before:
                    break
            return read(bytes(client.received)), client.ended.done()
        finally:
            transport.abort()

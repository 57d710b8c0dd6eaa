"""An entrance protects every answer, and when it closes nobody is cut off, kept waiting, or let in any more."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from ca_server.web import entrance
from ca_server.web.entrance import Entrance
from tests.ca_server.web.test_doorman import GET, LARGE, answered, free_port

PROTECTED = {
    "Server": "Warifu",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
OVER_TLS = {"Strict-Transport-Security", "Cross-Origin-Resource-Policy"}
LATE = b"GET /late HTTP/1.1\r\nHost: localhost\r\n\r\n"
SOON = 0.15


@dataclasses.dataclass
class Place:
    """An entrance on a port."""

    entrance: Entrance
    port: int
    writers: list[asyncio.StreamWriter] = dataclasses.field(default_factory=list)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        return reader, writer

    async def ask(self, words: bytes) -> dict[str, str]:
        """Say something on a new connection and return the headers of the answer, its status line under ''."""
        reader, writer = await self.connect()
        writer.write(words)
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 1)).decode()
        status, *lines = head.strip().split("\r\n")
        return {"": status, **dict(line.split(": ", 1) for line in lines)}


@pytest.fixture
async def place(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    """Serve a page, one that is late by half a second, one that is large, one that fails, and one that reads a body."""
    monkeypatch.setattr(entrance, "_SECONDS_TO_SERVE", 0.8)
    monkeypatch.setattr(entrance, "_SECONDS_TO_GIVE_UP", 0.2)

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="page", headers={"Content-Security-Policy": "default-src 'self'"})

    async def late(_: web.Request) -> web.Response:
        await asyncio.sleep(0.5)
        return web.Response(text="late")

    async def large(_: web.Request) -> web.Response:
        return web.Response(body=bytes(LARGE))

    async def failing(_: web.Request) -> web.Response:
        raise ValueError("not foreseen")

    async def reading(request: web.Request) -> web.Response:
        return web.Response(text=f"{len(await request.read())} octets")

    app = web.Application(client_max_size=10)
    app.router.add_get("/", page)
    app.router.add_get("/late", late)
    app.router.add_get("/large", large)
    app.router.add_get("/failing", failing)
    app.router.add_post("/", reading)
    place = Place(Entrance(app, None), free_port())
    await place.entrance.open("127.0.0.1", place.port)
    yield place
    for writer in place.writers:
        writer.close()
    await place.entrance.close()


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (b"GET /late HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        (b"HEAD /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"PUT / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\nhello world", 413),
        (b"GET /failing HTTP/1.1\r\nHost: localhost\r\n\r\n", 500),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: \x00\r\n\r\n", 400),
        (b"hello\r\n", 400),
    ],
)
async def test_every_answer_is_protected(place: Place, words: bytes, status: int) -> None:
    told = await place.ask(words)
    assert f" {status} " in told[""]
    assert PROTECTED.items() <= told.items()
    assert not OVER_TLS & told.keys()


async def test_the_policy_of_a_page_is_its_own(place: Place) -> None:
    assert (await place.ask(GET))["Content-Security-Policy"] == "default-src 'self'"


async def test_closing_waits_for_an_answer_that_is_being_made_and_says_that_it_is_the_last(place: Place) -> None:
    reader, writer = await place.connect()
    writer.write(LATE)
    await asyncio.sleep(0.05)
    closing = asyncio.create_task(place.entrance.close())
    told = await asyncio.wait_for(reader.read(), 1)
    assert told.endswith(b"late")
    assert b"Connection: close" in told
    await closing


async def test_closing_waits_for_an_answer_that_is_being_taken(place: Place) -> None:
    reader, writer = await place.connect()
    writer.write(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    closing = asyncio.create_task(place.entrance.close())
    await asyncio.sleep(0.4)
    assert len(await reader.readexactly(LARGE)) == LARGE
    await closing


async def test_a_body_that_comes_after_closing_began_is_answered(place: Place) -> None:
    reader, writer = await place.connect()
    writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhe")
    await asyncio.sleep(0.05)
    closing = asyncio.create_task(place.entrance.close())
    await asyncio.sleep(0.3)
    writer.write(b"llo")
    assert (await asyncio.wait_for(reader.read(), 1)).endswith(b"5 octets")
    await closing


async def test_closing_ends_idle_and_half_spoken_connections_at_once(place: Place) -> None:
    readers = []
    for beginning in (GET, b"GET / HT", b""):
        reader, writer = await place.connect()
        writer.write(beginning)
        readers.append(reader)
    assert b"page" in await answered(readers[0])
    started = time.monotonic()
    await place.entrance.close()
    for reader in readers:
        assert await answered(reader) == b""
    assert time.monotonic() - started < SOON


async def test_closing_gives_up_a_body_that_does_not_come(place: Place) -> None:
    reader, writer = await place.connect()
    writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhe")
    await asyncio.sleep(0.05)
    started = time.monotonic()
    await place.entrance.close()
    assert 0.8 <= time.monotonic() - started < 1.3
    assert await answered(reader) == b""


async def test_nobody_is_let_in_after_closing(place: Place) -> None:
    await place.entrance.close()
    with pytest.raises(ConnectionRefusedError):
        await place.connect()

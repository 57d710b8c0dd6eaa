"""The doorman: silent and half-spoken connections are turned away, and a full house takes no more."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from ca_server.web import doorman
from ca_server.web.doorman import Doorman

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@pytest.fixture
async def connect(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connect]:
    """Serve a page behind a doorman who waits 0.2 s and has room for two."""
    monkeypatch.setattr(doorman, "_SECONDS_FOR_A_HEADER", 0.2)

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=f"{len(await request.read())} octets")

    app = web.Application()
    app.router.add_route("*", "/", page)
    runner = web.AppRunner(app)
    await runner.setup()
    server = runner.server
    assert server is not None
    listener = await asyncio.get_running_loop().create_server(
        lambda: Doorman(server, lambda: len(server.connections) < 2), "127.0.0.1", 0
    )
    port = listener.sockets[0].getsockname()[1]
    writers = []

    async def connected() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writers.append(writer)
        return reader, writer

    yield connected
    for writer in writers:
        writer.close()
    listener.close()
    await runner.cleanup()


async def answered(reader: asyncio.StreamReader) -> bytes:
    """Return what comes within a second, nothing when the connection was cut."""
    try:
        return await asyncio.wait_for(reader.read(1000), 1)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize("beginning", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\n"])
async def test_a_connection_without_a_whole_header_is_cut_in_time(connect: Connect, beginning: bytes) -> None:
    reader, writer = await connect()
    writer.write(beginning)
    assert await answered(reader) == b""


@pytest.mark.parametrize("cut", [1, 15, 16, 20, 42])
async def test_a_header_that_comes_in_pieces_is_answered(connect: Connect, cut: int) -> None:
    request = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"
    reader, writer = await connect()
    writer.write(request[:cut])
    await asyncio.sleep(0.05)
    writer.write(request[cut:])
    assert (await answered(reader)).endswith(b"5 octets")


async def test_two_requests_at_once_are_both_answered(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2)
    await asyncio.sleep(0.1)
    assert (await answered(reader)).count(b"200 OK") == 2


@pytest.mark.parametrize("nonsense", [b"hello\r\n", b"\x16\x03\x01\x02\n", b"GET /\r\n", b"\n"])
async def test_what_is_no_request_is_refused_at_once(connect: Connect, nonsense: bytes) -> None:
    reader, writer = await connect()
    writer.write(nonsense)
    assert b" 400 " in await asyncio.wait_for(reader.read(1000), 0.15)


async def test_a_full_house_takes_no_more_until_somebody_leaves(connect: Connect) -> None:
    guests = []
    for _ in range(2):
        reader, writer = await connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in await answered(reader)
        guests.append(writer)
    reader, writer = await connect()
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert await answered(reader) == b""
    guests[0].close()
    await asyncio.sleep(0.05)
    reader, writer = await connect()
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"200 OK" in await answered(reader)

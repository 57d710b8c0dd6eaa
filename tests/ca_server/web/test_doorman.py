"""The doorman and his guests: who is silent, half-spoken or never listens is cut, and a full house takes no more."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from ca_server.web import doorman, entrance
from ca_server.web.entrance import Entrance

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n"
LARGE = 16 * 1024 * 1024
ROOM = 3


@pytest.fixture
async def connect(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connect]:
    """Serve a page behind a doorman who waits 0.2 s for whatever he waits for, and has room for three."""
    for each in ("A_HEADER", "A_READER", "A_BODY_UNREAD"):
        monkeypatch.setattr(doorman, f"_SECONDS_FOR_{each}", 0.2)
    monkeypatch.setattr(doorman, "_SECONDS_BETWEEN_REQUESTS", 0.2)
    monkeypatch.setattr(entrance, "_MOST_CONNECTIONS", ROOM)

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=f"{len(await request.read())} octets")

    async def large(_: web.Request) -> web.Response:
        return web.Response(body=bytes(LARGE))

    async def late(_: web.Request) -> web.Response:
        await asyncio.sleep(0.3)
        return web.Response(text="late")

    app = web.Application()
    app.router.add_route("*", "/", page)
    app.router.add_get("/large", large)
    app.router.add_route("*", "/late", late)
    place = Entrance(app, None)
    port = free_port()
    await place.open("127.0.0.1", port)
    writers = []

    async def connected() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writers.append(writer)
        return reader, writer

    yield connected
    for writer in writers:
        writer.close()
    await place.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def answered(reader: asyncio.StreamReader) -> bytes:
    """Return what comes within a second, nothing when the connection was cut."""
    try:
        return await asyncio.wait_for(reader.read(1000), 1)
    except ConnectionResetError:
        return b""


async def take_slowly(reader: asyncio.StreamReader) -> None:
    """Take the large answer in a second."""
    for _ in range(16):
        await asyncio.sleep(0.06)
        await reader.readexactly(LARGE // 16)


@pytest.mark.parametrize("beginning", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\n"])
async def test_a_connection_without_a_whole_header_is_cut_in_time(connect: Connect, beginning: bytes) -> None:
    reader, writer = await connect()
    writer.write(beginning)
    assert await answered(reader) == b""


@pytest.mark.parametrize(
    ("beginning", "more"), [(b"", b""), (b"GET / HT", b"T"), (b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"X")]
)
async def test_a_second_request_without_a_whole_header_is_cut_in_time(
    connect: Connect, beginning: bytes, more: bytes
) -> None:
    reader, writer = await connect()
    writer.write(GET + beginning)
    assert b"200 OK" in await answered(reader)
    await asyncio.sleep(0.1)
    writer.write(more)  # no reason to wait longer
    started = time.monotonic()
    assert await answered(reader) == b""
    assert time.monotonic() - started < 0.2


async def test_a_body_that_nobody_reads_is_not_waited_for(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(b"GET /late HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhell")
    assert b"late" in await answered(reader)
    assert await answered(reader) == b""


@pytest.mark.parametrize("least", [0, 1], ids=["by the kernel", "by the guest"])
async def test_a_reader_that_takes_nothing_is_cut_in_time(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, least: int
) -> None:
    monkeypatch.setattr(doorman, "_LEAST_IN_THAT_TIME", least)
    reader, writer = await connect()
    writer.write(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
    started = time.monotonic()
    await reader.readline()
    transport = writer.transport
    assert isinstance(transport, asyncio.Transport)
    transport.pause_reading()
    await asyncio.sleep(0.5)
    transport.resume_reading()
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await reader.readexactly(LARGE)
    assert time.monotonic() - started < 1


async def test_a_reader_that_takes_all_in_time_gets_all(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    assert len(await reader.readexactly(LARGE)) == LARGE


async def test_a_slow_line_that_goes_on_taking_gets_all(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    await take_slowly(reader)


async def test_a_reader_that_takes_too_little_is_cut(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorman, "_LEAST_IN_THAT_TIME", LARGE)
    reader, writer = await connect()
    writer.write(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await take_slowly(reader)


@pytest.mark.parametrize("cut", [1, 15, 16, 20, 42])
async def test_a_header_that_comes_in_pieces_is_answered(connect: Connect, cut: int) -> None:
    reader, writer = await connect()
    writer.write((POST + b"hello")[:cut])
    await asyncio.sleep(0.05)
    writer.write((POST + b"hello")[cut:])
    assert (await answered(reader)).endswith(b"5 octets")


async def test_two_requests_at_once_are_both_answered(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(GET * 2)
    await asyncio.sleep(0.1)
    assert (await answered(reader)).count(b"200 OK") == 2


@pytest.mark.parametrize("nonsense", [b"hello\r\n", b"\x16\x03\x01\x02\n", b"GET /\r\n", b"\n"])
async def test_what_is_no_request_is_refused_at_once(connect: Connect, nonsense: bytes) -> None:
    reader, writer = await connect()
    writer.write(nonsense)
    assert b" 400 " in await asyncio.wait_for(reader.read(1000), 0.15)


async def test_a_full_house_takes_no_more_until_somebody_leaves(connect: Connect) -> None:
    (_, silent), (_, _), (reader, writer) = [await connect() for _ in range(ROOM)]
    writer.write(GET)
    assert b"200 OK" in await answered(reader)
    reader, writer = await connect()
    writer.write(GET)
    assert await answered(reader) == b""
    silent.close()
    for _ in range(ROOM):
        await asyncio.sleep(0.05)
        reader, writer = await connect()
        writer.write(GET)
        assert b"200 OK" in await answered(reader)
        writer.close()


async def test_an_expectation_that_nobody_has_and_that_is_not_ascii_is_refused(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(GET.replace(b"\r\n\r\n", b"\r\nExpect: \x8d\r\n\r\n"))
    assert (await reader.readline()).startswith(b"HTTP/1.1 417 ")

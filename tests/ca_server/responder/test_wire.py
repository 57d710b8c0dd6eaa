"""OCSP over HTTP on a real socket: spellings, pipelines, caching, and who answers what."""

import asyncio
import base64
import contextlib
import logging
import socket
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest
from cryptography.x509 import ocsp as library
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponseStatus

from ca_server.authority.ocsp import MAX_REQUEST_BYTES
from ca_server.responder import wire
from tests.ca_server.responder.asking import GOOD, UNKNOWN, about, get, post
from tests.ca_server.responder.differential import Client, Said, always_the_same, read
from tests.ca_server.responder.serving import Served
from tests.ca_server.responder.stand import the_house
from tests.ca_server.web.office import TurnedClock


def word(said: Said) -> OCSPCertStatus | OCSPResponseStatus:
    assert said.status == 200
    assert said.length == len(said.body)
    response = library.load_der_ocsp_response(said.body)
    if response.response_status is OCSPResponseStatus.SUCCESSFUL:
        return response.certificate_status
    return response.response_status


# --- who answers


async def test_what_is_usual_is_answered_on_the_line_itself(served: Served) -> None:
    (by_get,) = await served.ask(get(about(GOOD)))
    (by_post,) = await served.ask(post(about(GOOD)))
    assert word(by_get) is word(by_post) is OCSPCertStatus.GOOD
    assert served.handed_over == 0


@pytest.mark.parametrize(
    "line",
    [
        b"If-None-Match: x", b"If-Modified-Since: x", b"Range: bytes=0-1", b"Transfer-Encoding: chunked",
        b"Expect: 100-continue", b"Upgrade: h2c", b"Content-Encoding: gzip", b"Connection: upgrade", b"Host: twice",
        b"X: a\r\n folded", b"Content-Length: 5", b"Space : a", b"X-Bare: a\nb: c", b"Content-Length: +0",
    ],
)  # fmt: skip
async def test_what_is_not_usual_is_handed_over(served: Served, line: bytes) -> None:
    await served.ask(get(about(GOOD), line))
    assert served.handed_over == 1


@pytest.mark.parametrize(
    ("name", "size", "handed_over"), [("a long header", 7000, 0), ("too long", 9000, 1), ("far too long", 200_000, 1)]
)
async def test_a_header_that_aiohttp_would_find_too_long_is_not_taken(
    served: Served, name: str, size: int, handed_over: int
) -> None:
    """Headers are remembered, so that their length is also what a stranger can make a worker keep."""
    (said,) = await served.ask(get(about(GOOD), b"X-Long: " + b"a" * size))
    assert (said.status, served.handed_over) == (400 if handed_over else 200, handed_over)


async def test_a_desk_remembers_little_of_what_strangers_send() -> None:
    desk = wire.Desk(always_the_same(TurnedClock(the_house().now)), TurnedClock(0), {}, lambda *_: None, 10)
    for number in range(5000):
        assert desk.header(b"\r\nHost: %d" % number) is not None
        assert desk.header(b"\r\nHost %d" % number) is None
    assert len(desk._headers) <= 1024


# --- how it is spelt


_SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "encoded in capitals": lambda text: quote(text, safe=""),
    "encoded in small letters": lambda text: text.replace("+", "%2b").replace("/", "%2f").replace("=", "%3d"),
    "slashes plain": lambda text: quote(text, safe="/"),
    "plus signs plain": lambda text: quote(text, safe="+"),
    "equals signs plain": lambda text: quote(text, safe="="),
    "each letter encoded": lambda text: "".join(f"%{ord(letter):02x}" for letter in text),
    "each third letter encoded": lambda text: "".join(
        letter if place % 3 else f"%{ord(letter):02X}" for place, letter in enumerate(text)
    ),
    "without padding": lambda text: text.rstrip("="),
    "for URLs": lambda text: text.replace("+", "-").replace("/", "_"),
    "for URLs, without padding": lambda text: text.replace("+", "-").replace("/", "_").rstrip("="),
}


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
@pytest.mark.parametrize("spelling", _SPELLINGS)
async def test_every_spelling_of_base64_is_read(served: Served, algorithm: str, spelling: str) -> None:
    seen = ""
    for length in (1, 2, 3):
        serial = int.from_bytes(b"\x7b" * length + b"\xff\xbf\xff\xfb\xef\xbe")
        text = base64.b64encode(about(serial, algorithm)).decode("ascii")
        seen += text
        path = _SPELLINGS[spelling](text).encode("ascii")
        (said,) = await served.ask(b"GET /ocsp/%s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % path)
        assert library.load_der_ocsp_response(said.body).serial_number == serial
    assert {"+", "/", "="} <= set(seen)


@pytest.mark.parametrize("size", [0, 1, 4000, MAX_REQUEST_BYTES, MAX_REQUEST_BYTES + 1, 8192, 9000, 70_000])
async def test_a_body_of_any_size_that_is_no_request_is_malformed(served: Served, size: int) -> None:
    (said,) = await served.ask(post(bytes(size), b"Connection: close"))
    assert word(said) is OCSPResponseStatus.MALFORMED_REQUEST


# --- many on one line


@pytest.mark.parametrize("cut", [1, 7, 100, 100_000])
async def test_fifty_requests_in_a_row_are_answered_in_their_order(served: Served, cut: int) -> None:
    serials = [GOOD + number for number in range(50)]
    asked = b"".join((get, post)[number % 2](about(serial)) for number, serial in enumerate(serials))
    asked += get(about(GOOD), b"Connection: close")
    pieces = [asked[begin : begin + cut] for begin in range(0, len(asked), cut)]
    transport, client = await asyncio.get_running_loop().create_connection(Client, "127.0.0.1", served.port)
    for piece in pieces:
        transport.write(piece)
        await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await client.ended
    transport.abort()
    answers = read(bytes(client.received))
    assert [library.load_der_ocsp_response(each.body).serial_number for each in answers] == [*serials, GOOD]
    assert served.handed_over == 0


async def test_what_comes_after_a_hand_over_is_answered_in_its_order(served: Served) -> None:
    chunked = b"POST /ocsp HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (
        len(about(GOOD)),
        about(GOOD),
    )
    answers, ended = await served.heard(
        get(about(UNKNOWN)) + post(about(GOOD)) + chunked + get(about(GOOD)) + get(about(UNKNOWN), b"Connection: close")
    )
    good, unknown = OCSPCertStatus.GOOD, OCSPCertStatus.UNKNOWN
    assert [word(each) for each in answers] == [unknown, good, good, good, unknown]
    assert ended
    assert served.handed_over == 1


async def test_a_line_that_takes_no_answers_is_read_no_further_and_handed_over_when_it_has_taken_them(
    served: Served, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiohttp would be told that there is room again, which it never knew to be lacking."""
    monkeypatch.setattr(wire, "_MOST_WAITING", 1 << 20)
    count = 800
    asked = get(about(GOOD)) * count + get(about(GOOD), b"If-None-Match: x", b"Connection: close")
    loop = asyncio.get_running_loop()
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 1024)
    small.connect(("127.0.0.1", served.port))
    transport, client = await loop.create_connection(Client, sock=small)
    transport.pause_reading()
    transport.write(asked)
    await asyncio.sleep(0.3)
    assert served.handed_over == 0
    transport.resume_reading()
    async with asyncio.timeout(30):
        await client.ended
    answers = read(bytes(client.received))
    assert len(answers) == count + 1
    assert {each.status for each in answers} == {200}
    assert served.handed_over == 1
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_line_that_takes_no_answers_and_has_asked_for_very_many_is_ended(served: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1024)
    writer.write(get(about(GOOD)) * 8000)
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(10):
            await asyncio.sleep(0.3)
            await reader.read()
    assert not served.desk.lines
    writer.close()


class Sink(asyncio.Transport):
    """Takes all that is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = 0
        self.is_read = True

    def write(self, data: bytes) -> None:
        self.answers += data.count(b"HTTP/1.1 200")

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True


async def test_after_sixteen_answers_others_have_their_turn(served: Served) -> None:
    line, sink = wire.Line(served.desk), Sink()
    line.connection_made(sink)
    line.data_received(get(about(GOOD)) * 40)
    seen = []
    for _ in range(4):
        seen.append((sink.answers, sink.is_read))
        await asyncio.sleep(0)
    assert seen == [(16, False), (32, False), (40, True), (40, True)]
    line.connection_lost(None)


@pytest.mark.parametrize("name", [b"a", b"x-long"])
def test_a_field_of_very_many_blanks_is_judged_at_once(name: bytes) -> None:
    began = time.perf_counter()
    assert wire._read(b"\r\n" + name + b":" + b" " * 7_900 + b"\x01") is None
    assert wire._read(b"\r\n" + name + b":" + b" " * 7_900 + b"v") is not None
    assert time.perf_counter() - began < 0.05


# --- when the line ends


@pytest.mark.parametrize(
    ("version", "lines", "ends"),
    [
        (b"HTTP/1.1", (), False),
        (b"HTTP/1.1", (b"Connection: keep-alive",), False),
        (b"HTTP/1.1", (b"Connection: close",), True),
        (b"HTTP/1.1", (b"Connection: Close",), True),
        (b"HTTP/1.0", (), True),
    ],
)
@pytest.mark.parametrize("make", [get, post])
async def test_a_line_stays_or_ends_as_http_has_it(
    served: Served, make: Callable[..., bytes], version: bytes, lines: tuple[bytes, ...], ends: bool
) -> None:
    answers, ended = await served.heard(make(about(GOOD), *lines, version=version))
    assert [word(each) for each in answers] == [OCSPCertStatus.GOOD]
    assert (ended, answers[0].is_last) == (ends, ends)
    assert served.handed_over == 0


async def test_http_1_0_needs_no_host_and_1_1_does(served: Served) -> None:
    path = b"GET /ocsp/" + base64.b64encode(about(GOOD))
    assert word((await served.ask(path + b" HTTP/1.0\r\n\r\n"))[0]) is OCSPCertStatus.GOOD
    assert served.handed_over == 0
    assert (await served.ask(path + b" HTTP/1.1\r\n\r\n"))[0].status == 400


async def test_a_line_on_which_half_a_request_waits_ends_after_a_while(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "_SECONDS_OF_PATIENCE", 1)
    transport, client = await asyncio.get_running_loop().create_connection(Client, "127.0.0.1", served.port)
    whole = get(about(GOOD))
    transport.write(whole)
    for octet in whole[:-1]:
        if client.ended.done():
            break
        transport.write(bytes((octet,)))
        await asyncio.sleep(0.05)
    assert client.ended.done()
    assert len(read(bytes(client.received))) == 1


# --- how long it may be kept


async def test_both_ways_say_the_same_headers(served: Served) -> None:
    for ask in (get, post):
        for serial in (GOOD, UNKNOWN):
            (fast,) = await served.ask(ask(about(serial)))
            (slow,) = await served.ask(ask(about(serial), b"If-Modified-Since: nonsense"))
            assert fast.comparable == slow.comparable
            names = [name for name, _ in fast.fields]
            assert sorted(names) == sorted(name for name, _ in slow.fields)
            assert b"date" in names
    assert served.handed_over == 4


async def test_max_age_falls_with_time_and_the_tag_stays(served: Served) -> None:
    """An answer that was signed an hour ago may not be kept for an hour."""
    desk_answers = always_the_same(served.clock)
    answer = desk_answers.answer(about(GOOD))
    for seconds in (0, 1, 1800, 3599, 3600, 9000):
        fields = wire.cache_headers(answer.this_update, answer.next_update, answer.this_update + seconds)
        assert fields["Cache-Control"].startswith(f"max-age={max(0, 3600 - seconds)}, ")
    desk = wire.Desk(desk_answers, served.clock, {}, lambda *_: None, 10)
    first = read(desk.said(answer, closes=False, cacheable=True))[0]
    served.clock.pass_by(seconds=600)
    later = read(desk.said(answer, closes=False, cacheable=True))[0]
    assert (b"cache-control", b"max-age=3600, public, no-transform, must-revalidate") in first.fields
    assert (b"cache-control", b"max-age=3000, public, no-transform, must-revalidate") in later.fields
    assert dict(first.fields)[b"etag"] == dict(later.fields)[b"etag"]


@pytest.mark.parametrize("shape", ["{}", "W/{}", '"other", {}', '"a", W/{}, "b"', "*"])
async def test_who_has_the_answer_is_told_so(served: Served, shape: str) -> None:
    (first,) = await served.ask(get(about(GOOD)))
    tag = dict(first.fields)[b"etag"].decode("ascii")
    answers = await served.ask(
        get(about(GOOD)) + get(about(GOOD), b"If-None-Match: " + shape.format(tag).encode("ascii"))
    )
    again, same = answers
    assert (again.status, same.status, same.body) == (200, 304, b"")
    kept = (b"etag", b"cache-control", b"expires", b"last-modified")
    assert [dict(same.fields)[name] for name in kept] == [dict(first.fields)[name] for name in kept]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ('If-None-Match: "other"', 200),
        ("If-Modified-Since: {modified}", 304),
        ("If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT", 200),
        ('If-None-Match: "other"\r\nIf-Modified-Since: {modified}', 200),
    ],
)
async def test_a_condition_is_judged_by_the_tag_first_and_by_the_moment_without_one(
    served: Served, line: str, status: int
) -> None:
    (first,) = await served.ask(get(about(GOOD)))
    modified = dict(first.fields)[b"last-modified"].decode("ascii").title().replace("Gmt", "GMT")
    (said,) = await served.ask(get(about(GOOD), line.format(modified=modified).encode("ascii")))
    assert said.status == status


async def test_head_says_the_headers_of_get_and_no_body(served: Served) -> None:
    (by_get,) = await served.ask(get(about(GOOD)))
    (by_head,) = await served.ask(get(about(GOOD)).replace(b"GET ", b"HEAD ", 1))
    assert (by_head.status, by_head.body) == (200, b"")
    assert sorted(field for field in by_head.fields if field[0] != b"date") == sorted(
        field for field in by_get.fields if field[0] != b"date"
    )


async def test_a_published_file_is_sent_by_aiohttp(served: Served) -> None:
    (served.folder / "root.crl").write_bytes(b"crl")
    (crl,) = await served.ask(b"GET /crl/root.crl HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert (crl.status, crl.body, served.handed_over) == (200, b"crl", 1)

"""OCSP over HTTP (RFC 6960 §A, RFC 5019, RFC 9112) for what nearly everybody sends, at the cost of a static file.

A connection is a Line. It answers whole, plain requests, pipelined or in pieces, with or without keep-alive: a GET
whose path is base64, a POST with its Content-Length. At the first thing that is anything else (another path, a
condition, a chunked body, a header of several lines, no HTTP at all) the whole connection, with what it has sent, is
handed over for good to the doorman and aiohttp behind him, who know the rest of HTTP; there the same Answers answer.

What a client says in its header is the same each time but for the first line: it is read once and remembered. So is a
whole request for the second in which it was answered: where the same is kept ready still, the same is said again.
"""

import asyncio
import binascii
import re
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Final, NamedTuple, cast
from urllib.parse import unquote_to_bytes

from ca_server.authority.ocsp import MAX_REQUEST_BYTES
from ca_server.clock import Clock
from ca_server.responder.answers import Answer, Answers, Waits

MEDIA_TYPE: Final = "application/ocsp-response"
_GET: Final = b"GET /ocsp/"
_POST: Final = b"POST /ocsp "
_VERSIONS: Final = {b" HTTP/1.1": True, b" HTTP/1.0": False}
_LONGEST_HEADER: Final = 8 * 1024
_MOST_FIELDS: Final = 64
_MOST_HEADERS: Final = 1024
_MOST_HEADS: Final = 4096
_MOST_LATELY: Final = 16 * 1024  # at most 40 MB, of requests as long as these:
_LONGEST_LATELY: Final = 1024
_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*((?:[!-~\x80-\xff][ \t!-~\x80-\xff]*)?)")
_NOT_PLAIN: Final = re.compile(
    rb"if-.*|range|transfer-encoding|expect|upgrade|trailer|te|content-encoding|keep-alive|http2-settings|sec-.*"
)
_LENGTH: Final = re.compile(rb"[0-9]{1,5}")
_SECONDS_OF_PATIENCE: Final = 10
_SECONDS_BETWEEN_SWEEPS: Final = 1
_ANSWERS_AT_ONCE: Final = 16  # then others have their turn
_MOST_WAITING: Final = 64 * 1024  # of whoever does not take the answers
_LAST_ORDERS: Final = 0.1
_FAREWELLS: Final = 20


class Header(NamedTuple):
    """What a plain header says that matters here."""

    has_host: bool
    length: int | None
    """Content-Length."""
    closes: bool


class Desk:
    """Where the lines of one worker come together: who answers, how it is said in HTTP, and who is there."""

    def __init__(
        self, answers: Answers, clock: Clock, headers: Mapping[str, str], hand_over: "HandOver", most: int
    ) -> None:
        self.answers = answers
        self.hand_over = hand_over
        self.lines: set[Line] = set()
        self._given = answers.given
        self._clock = clock
        self._most = most
        self._headers: dict[bytes, Header | None] = {}
        self._heads: dict[tuple[int, int, int], bytes] = {}
        self._heads_of = 0
        self._lately: dict[bytes, tuple[Answer, bytes]] = {}
        self._lately_of = 0
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._ending = f"{fields}\r\n".encode("ascii")
        self._last_ending = b"Connection: close\r\n" + self._ending
        self._sweeping: asyncio.Task[None] | None = None

    @property
    def has_room(self) -> bool:
        """Tell whether one more may come."""
        return len(self.lines) < self._most

    def open(self) -> None:
        """Begin to look after the lines."""
        self._sweeping = asyncio.get_running_loop().create_task(self._sweep())

    async def close(self) -> None:
        """Let what is on its way arrive and be answered, and the answers be taken, then end the lines."""
        await asyncio.sleep(_LAST_ORDERS)
        if self._sweeping is not None:
            self._sweeping.cancel()
        for line in list(self.lines):
            line.close()
        for _ in range(_FAREWELLS):
            if not self.lines:
                return
            await asyncio.sleep(_LAST_ORDERS)
        for line in list(self.lines):
            line.end()

    def header(self, block: bytes) -> Header | None:
        """Return what a header says, from its first CRLF to before the empty line; None when it is not plain."""
        known = self._headers.get(block, _NEVER_SEEN)
        if known is not _NEVER_SEEN:
            return known
        if len(self._headers) >= _MOST_HEADERS:
            self._headers.clear()
        self._headers[block] = read = _read(block)
        return read

    def again(self, request: bytes) -> bytes | None:
        """Return what was said to these bytes within this second, if it is what would be said now."""
        found = self._lately.get(request)
        if found is None or self.now() != self._lately_of or not self.answers.stands(found[0]):
            return None
        self._given.again += 1
        return found[1]

    def now(self) -> int:
        """Return the present moment."""
        return self._clock.now()

    def remember(self, request: bytes, answer: Answer, said: bytes, now: int) -> None:
        """Remember what was said at `now` to a whole request; only what is kept ready can be known to stand."""
        if now != self._lately_of:
            self._lately.clear()
            self._lately_of = now
        if answer.record and len(request) <= _LONGEST_LATELY and len(self._lately) < _MOST_LATELY:
            self._lately[request] = answer, said

    def said(self, answer: Answer, *, closes: bool, cacheable: bool) -> bytes:
        """Return an answer as it goes over the wire."""
        ending = self._last_ending if closes else self._ending
        der, this_update, next_update, tag = answer[:4]
        if not cacheable or not next_update:
            return b"".join((self._head(len(der), 0, 0), ending, der))
        return b"".join((self._head(len(der), this_update, next_update), tag, b'"\r\n', ending, der))

    def _head(self, length: int, this_update: int, next_update: int) -> bytes:
        """Return a head up to the tag, whole when nobody may keep the answer (both times 0).

        Within a second it is the same for all answers of one moment and length.
        """
        now = self._clock.now()
        if now != self._heads_of or len(self._heads) >= _MOST_HEADS:
            self._heads.clear()
            self._heads_of = now
        key = length, this_update, next_update
        head = self._heads.get(key)
        if head is None:
            fields = cache_headers(this_update, next_update, now) if next_update else {"Cache-Control": "no-store"}
            text = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
            tag = 'ETag: "' if next_update else ""
            head = f"{_beginning(length)}Date: {_date(now)}\r\n{text}{tag}".encode("ascii")
            self._heads[key] = head
        return head

    async def _sweep(self) -> None:
        """End lines on which nothing was asked, or nothing was taken, for some seconds."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SECONDS_BETWEEN_SWEEPS)
            since = loop.time() - _SECONDS_OF_PATIENCE
            for line in list(self.lines):
                if line.last_served < since:
                    line.end()


HandOver = Callable[[asyncio.Transport, bytes], None]
"""Takes a connection over with the bytes that it has sent and that nobody has answered."""

_NEVER_SEEN: Final = Header(False, -1, closes=True)


class Line(asyncio.Protocol):
    """One connection while it asks plainly."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiting = b""
        self._is_full = False
        self._stands_back = False
        self.last_served = self._loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place, or leave when there is none."""
        self._transport = cast(asyncio.Transport, transport)
        if not self._desk.has_room:
            self._transport.abort()
            return
        self._desk.lines.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place free."""
        self._desk.lines.discard(self)

    def data_received(self, data: bytes) -> None:
        """Answer every whole request in order, keep the rest, or hand over."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._waiting:
            data = self._waiting + data
        elif (said := self._desk.again(data)) is not None:
            self._write([said])
            return
        answers: list[bytes] = []
        begins, closes = 0, False
        while begins < len(data) and not closes:
            request = self._request(data, begins)
            if request is None:
                break
            ends, answer, closes = request
            if not ends:
                self._write(answers)
                self._leave(data[begins:])
                return
            answers.append(answer)
            begins = ends
            if len(answers) == _ANSWERS_AT_ONCE:
                break
        self._waiting = data[begins:]
        self._write(answers)
        if closes:
            transport.close()
        elif self._is_full and len(self._waiting) > _MOST_WAITING:
            transport.abort()
        elif len(answers) == _ANSWERS_AT_ONCE and not self._is_full:
            self._stands_back = True
            transport.pause_reading()
            self._loop.call_soon(self._go_on)

    def pause_writing(self) -> None:
        """Read no more of somebody who does not take the answers."""
        if self._transport is not None:
            self._is_full = True
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The answers were taken; what waits is answered, or handed over."""
        self._is_full = False
        if not self._stands_back:
            self._go_on()

    def close(self) -> None:
        """Answer nothing more, and end the connection when the answers were taken."""
        if self._transport is not None:
            self._transport.close()

    def end(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _go_on(self) -> None:
        """Answer what waits, now that others had their turn and there is room for the answers."""
        self._stands_back = False
        if self._transport is not None and not self._is_full and not self._transport.is_closing():
            self._transport.resume_reading()
            self.data_received(b"")

    def _request(self, data: bytes, begins: int) -> tuple[int, bytes, bool] | None:
        """Return (where the request ends, its answer, whether the line ends with it).

        None: it is not whole yet. An end of 0: it is not for here.
        """
        desk = self._desk
        after_line = data.find(b"\r\n", begins)
        after_header = data.find(b"\r\n\r\n", after_line) if after_line >= 0 else -1
        if after_header < 0:
            return None if _may_become_plain(data, begins) else _NOT_FOR_HERE
        if after_header - begins > _LONGEST_HEADER:
            return _NOT_FOR_HERE
        header = desk.header(data[after_line:after_header])
        is_1_1 = _VERSIONS.get(data[after_line - 9 : after_line])
        if header is None or is_1_1 is None or (is_1_1 and not header.has_host):
            return _NOT_FOR_HERE
        closes = header.closes or not is_1_1
        ends = after_header + 4
        by_get = data.startswith(_GET, begins)
        if by_get:
            encoded = _decoded(data[begins + len(_GET) : after_line - 9])
            if encoded is None or header.length:
                return _NOT_FOR_HERE
        else:
            length = header.length
            if length is None or length > MAX_REQUEST_BYTES or data[begins : after_line - 8] != _POST:
                return _NOT_FOR_HERE
            if len(data) < ends + length:
                return None
            encoded = data[ends : ends + length]
            ends += length
        now = desk.now()
        try:
            answer = desk.answers.answer(encoded)
        except Waits:  # here nobody waits
            return _NOT_FOR_HERE
        said = desk.said(answer, closes=closes, cacheable=by_get)
        if ends - begins == len(data) and not closes:
            desk.remember(data, answer, said, now)
        return ends, said, closes

    def _write(self, answers: list[bytes]) -> None:
        if answers and self._transport is not None:
            self.last_served = self._loop.time()
            self._transport.write(answers[0] if len(answers) == 1 else b"".join(answers))

    def _leave(self, unanswered: bytes) -> None:
        """Hand over, once the answers were taken: whoever takes over would not know that there is no room for more."""
        assert self._transport is not None  # noqa: S101 - data came
        if self._is_full:
            self._waiting = unanswered
            return
        self._desk.lines.discard(self)
        transport, self._transport = self._transport, None
        self._desk.hand_over(transport, unanswered)


_NOT_FOR_HERE: Final = (0, b"", False)


def cache_headers(this_update: int, next_update: int, now: int) -> dict[str, str]:
    """Return how long an answer may be kept (RFC 5019 §6.2): until it ends, as counted from now."""
    return {
        "Cache-Control": f"max-age={max(0, next_update - now)}, public, no-transform, must-revalidate",
        "Last-Modified": _date(this_update),
        "Expires": _date(next_update),
    }


def _date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


def _beginning(length: int) -> str:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {length}\r\n"


def _decoded(path: bytes) -> bytes | None:
    """Return the request in a path, None when it is not base64 as RFC 4648 §4 writes it, percent-encoded or not."""
    if b"%" in path:
        path = path.replace(b"%2F", b"/").replace(b"%2B", b"+").replace(b"%3D", b"=")
        path = unquote_to_bytes(path) if b"%" in path else path
    try:
        return binascii.a2b_base64(path, strict_mode=True)
    except binascii.Error:
        return None


def _may_become_plain(data: bytes, begins: int) -> bool:
    """Tell whether more bytes may make a plain request of this beginning."""
    if len(data) - begins > _LONGEST_HEADER:
        return False
    start = data[begins : begins + len(_POST)]
    return start.startswith((_GET, _POST)) or _GET.startswith(start) or _POST.startswith(start)


def _read(block: bytes) -> Header | None:
    """Read a header strictly; whatever is not plain or not sure, a field said twice too, is None."""
    fields: dict[bytes, bytes] = {}
    lines = block[2:].split(b"\r\n") if block else []
    for line in lines:
        match = _FIELD.fullmatch(line)
        if match is None:
            return None
        fields[match[1].lower()] = match[2].strip(b" \t").lower()
    if not len(fields) == len(lines) <= _MOST_FIELDS or any(map(_NOT_PLAIN.fullmatch, fields)):
        return None
    length, connection = fields.get(b"content-length"), fields.get(b"connection", b"keep-alive")
    if (length is not None and not _LENGTH.fullmatch(length)) or connection not in (b"close", b"keep-alive"):
        return None
    return Header(b"host" in fields, None if length is None else int(length), connection == b"close")

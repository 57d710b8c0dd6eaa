"""Who may be inside of a listener, and for how long: nobody holds a place by being slow.

aiohttp waits for a first header and for a reader for ever, so that a few hundred slow connections would use up what a
process may open and take ACME, OCSP and CRLs down together. Here there is room for so many, and every wait has an end:

- for the first header, at the doorman, who hands a connection to aiohttp by `set_protocol` once its header is whole;
- for the header of a later request, and between requests: aiohttp's keep-alive; half a header does not extend it;
- for a body: whoever reads it sets the time; what nobody reads is waited for for a moment (aiohttp's lingering);
- for a reader: the kernel ends what takes nothing (TCP_USER_TIMEOUT, RFC 5482), and a guest what takes too little.
"""

import asyncio
import logging
import re
import socket
from http import HTTPStatus
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from ca_server.web.headers import headers, protect

_SECONDS_FOR_A_HEADER: Final = 10.0
_SECONDS_BETWEEN_REQUESTS: Final = 10.0
_SECONDS_FOR_A_BODY_UNREAD: Final = 2.0
_SECONDS_FOR_A_READER: Final = 10.0
_LEAST_IN_THAT_TIME: Final = 40 * 1024  # 4 KiB a second: a slow honest line gets a CRL of megabytes, too
_MOST_OF_A_HEADER: Final = 64 * 1024
_END_OF_HEADER: Final = b"\r\n\r\n"
_FIRST_LINE: Final = re.compile(rb"[A-Z]{3,10} \S+ HTTP/1\.[01]\r\n")


def tells_no_request_line(record: logging.LogRecord) -> bool:
    """Let all pass that aiohttp logs but what it could not read of a stranger's.

    A line may be a one-time URL with a blank in it; of a body that is packed wrongly there would be a trace each time.
    """
    return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError | web.RequestPayloadError)


class House:
    """The connections of one listener: those that wait at the door, and the guests."""

    def __init__(self, server: web.Server, most: int) -> None:
        self.server = server
        self.waiting: set[Doorman] = set()
        self.guests: set[Guest] = set()
        self.served: set[web.RequestHandler] = set()
        """Those for whom a handler is at work."""
        self._most = most

    @property
    def has_room(self) -> bool:
        """Tell whether one more may come."""
        return len(self.waiting) + len(self.guests) < self._most


class Doorman(asyncio.Protocol):
    """Waits for one connection's first header."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait, or turn the connection away when the house is full."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's TLS transport is one by its methods alone
        if not self._house.has_room:
            self.turn_away()
            return
        self._house.waiting.add(self)
        self._patience = asyncio.get_running_loop().call_later(_SECONDS_FOR_A_HEADER, self.turn_away)
        line = transport.get_extra_info("socket")
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * _SECONDS_FOR_A_READER))

    def data_received(self, data: bytes) -> None:
        """Collect the header; let the connection in when it is whole, and refuse at once what is no HTTP."""
        begins = max(0, len(self._received) - len(_END_OF_HEADER))
        self._received += data
        if self._received.find(_END_OF_HEADER, begins) >= 0 or len(self._received) > _MOST_OF_A_HEADER:
            self._let_in()
        elif b"\n" in data and not _FIRST_LINE.match(self._received):
            self._refuse()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()

    def turn_away(self) -> None:
        """End the connection."""
        self._stop_waiting()
        if self._transport is not None:
            self._transport.abort()

    def _let_in(self) -> None:
        self._stop_waiting()
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        guest = Guest(self._house)
        transport.set_protocol(guest)
        guest.connection_made(transport)
        guest.data_received(bytes(self._received))

    def _refuse(self) -> None:
        if self._transport is not None:
            self._transport.write(_refusal(over_tls=_is_tls(self._transport)))
            self._transport.close()

    def _stop_waiting(self) -> None:
        self._house.waiting.discard(self)
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


class Guest(web.RequestHandler):
    """A connection that was let in: aiohttp's own protocol, with limits, and an end to waiting for its reader.

    asyncio's flow control tells as soon as something could not be sent. Below TLS some hundred KiB wait untold: there
    keep-alive ends the connection, and `ssl_shutdown_timeout` what is still unsent then.
    """

    def __init__(self, house: House) -> None:
        limits: dict[str, Any] = {
            "keepalive_timeout": _SECONDS_BETWEEN_REQUESTS,
            "lingering_time": _SECONDS_FOR_A_BODY_UNREAD,
            "access_log": None,  # it would tell one-time URLs
        }
        super().__init__(house.server, loop=asyncio.get_running_loop(), **limits)
        self._house = house
        self._line: asyncio.Transport | None = None
        self._patience: asyncio.TimerHandle | None = None

    @property
    def is_served(self) -> bool:
        """Tell whether an answer is being made, or has not left."""
        return self in self._house.served or self._patience is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place in the house."""
        self._line = cast(asyncio.Transport, transport)
        self._house.guests.add(self)
        self._line.set_write_buffer_limits(1)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give the place free."""
        self._house.guests.discard(self)
        self._forget_patience()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Begin to wait for the reader."""
        super().pause_writing()
        if self._line is not None:
            self._wait_for_reader(self._line)

    def resume_writing(self) -> None:
        """The reader has taken it."""
        self._forget_patience()
        super().resume_writing()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be read, or what a handler did not foresee, as aiohttp does; no signal sees it.

        aiohttp quotes an expectation that nobody has (RFC 9110 §10.1.1) in its answer, and fails where it is not ASCII.
        """
        if isinstance(exc, UnicodeEncodeError) and "Expect" in request.headers:
            status, exc = HTTPStatus.EXPECTATION_FAILED, None
        response = super().handle_error(request, status, exc, message)
        protect(request, response)
        return response

    def _wait_for_reader(self, line: asyncio.Transport) -> None:
        left = line.get_write_buffer_size()

        def look() -> None:
            if left - line.get_write_buffer_size() < _LEAST_IN_THAT_TIME:
                line.abort()
            else:
                self._wait_for_reader(line)

        self._patience = asyncio.get_running_loop().call_later(_SECONDS_FOR_A_READER, look)

    def _forget_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def _is_tls(transport: asyncio.BaseTransport) -> bool:
    return transport.get_extra_info("sslcontext") is not None


def _refusal(*, over_tls: bool) -> bytes:
    lines = {**headers(over_tls=over_tls), "Connection": "close", "Content-Length": "0"}
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 400 Bad Request\r\n{text}\r\n".encode("ascii")

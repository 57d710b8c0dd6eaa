"""The doorman of a listener: lets a connection in once its first request's header is whole, and turns the idle away.

aiohttp waits for a first header for ever, so that a few hundred silent connections would use up what a process may
open and take ACME, OCSP and CRLs down together. Here a connection has ten seconds for its header (after that aiohttp's
own keep-alive counts), and there is room for so many. What has arrived goes on to aiohttp by `set_protocol`, public
API, with nothing lost.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Final, cast

from aiohttp import web

_SECONDS_FOR_A_HEADER: Final = 10.0
_MOST_OF_A_HEADER: Final = 64 * 1024
_END_OF_HEADER: Final = b"\r\n\r\n"
_BAD_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_FIRST_LINE: Final = re.compile(rb"[A-Z]{3,10} \S+ HTTP/1\.[01]\r\n")


class Doorman(asyncio.Protocol):
    """Waits for one connection's first header."""

    def __init__(self, server: web.Server, has_room: Callable[[], bool]) -> None:
        self._server = server
        self._has_room = has_room
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait, or turn the connection away when the house is full."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's TLS transport is one by its methods alone
        if not self._has_room():
            self._turn_away()
            return
        self._patience = asyncio.get_running_loop().call_later(_SECONDS_FOR_A_HEADER, self._turn_away)

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

    def _let_in(self) -> None:
        self._stop_waiting()
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        handler = self._server()
        transport.set_protocol(handler)
        handler.connection_made(transport)
        handler.data_received(bytes(self._received))

    def _refuse(self) -> None:
        if self._transport is not None:
            self._transport.write(_BAD_REQUEST)
            self._transport.close()

    def _turn_away(self) -> None:
        self._stop_waiting()
        if self._transport is not None:
            self._transport.abort()

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

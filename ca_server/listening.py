"""Listening that goes on when memory or file descriptors ran out for a while.

uvloop closes a listener for good when letting one connection in fails, and says so to nobody: the socket listens on,
connections queue, and no one takes them. So the kernel is asked each second how many wait (tcpi_unacked of a listening
socket is the length of its queue); where some wait and nobody was let in meanwhile, the same socket is opened anew, and
those who wait are not lost.
"""

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import Callable
from typing import Any, Final

log = logging.getLogger(__name__)

_BETWEEN_LOOKS: Final = 1.0
_UNACKED: Final = struct.Struct("=24xI")  # of struct tcp_info (linux/tcp.h): eight octets, four numbers, this one


class Listener:
    """Lets connections in at one address, each to a protocol of its own; `options` are those of `create_server`."""

    def __init__(self, protocol: Callable[[], asyncio.BaseProtocol], **options: Any) -> None:
        self._protocol = protocol
        self._options = options
        self._servers: list[asyncio.Server] = []
        self._sockets: list[socket.socket] = []
        self._let_in = 0
        self._watching: asyncio.Task[None] | None = None

    async def open(self, **where: Any) -> None:
        """Let in from now on, at `host` and `port` or at the socket `sock`. Raises OSError."""
        server = await self._listen(**where)
        self._sockets = [socket.socket(fileno=os.dup(each.fileno())) for each in server.sockets]
        self._watching = asyncio.create_task(self._watch())

    def close(self) -> None:
        """Let nobody in any more."""
        if self._watching is not None:
            self._watching.cancel()
        for server in self._servers:
            server.close()
        for each in self._sockets:
            each.close()

    async def _listen(self, **where: Any) -> asyncio.Server:
        server = await asyncio.get_running_loop().create_server(self._let_one_in, **where, **self._options)
        self._servers.append(server)
        return server

    def _let_one_in(self) -> asyncio.BaseProtocol:
        self._let_in += 1
        return self._protocol()

    async def _watch(self) -> None:
        while True:
            waited, before = self._waiting(), self._let_in
            await asyncio.sleep(_BETWEEN_LOOKS)
            if waited and self._waiting() and self._let_in == before:
                with contextlib.suppress(OSError, MemoryError):  # there is no room yet
                    await self._open_anew()

    def _waiting(self) -> int:
        told = (each.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _UNACKED.size) for each in self._sockets)
        return sum(_UNACKED.unpack(each)[0] for each in told)

    async def _open_anew(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()
        for each in self._sockets:
            await self._listen(sock=each.dup())
        names = ", ".join(str(each.getsockname()) for each in self._sockets)
        log.error("ALARM: nobody was let in at %s, for want of memory or file descriptors; it is open again", names)

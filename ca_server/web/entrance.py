"""The entrance of one address: it listens, has a doorman, protects every answer, and closes without hurry or delay.

Closing is for those inside: what was asked is answered and the connection ended; whoever asks nothing leaves at once; a
request that is not whole, or an answer that nobody takes, is given up after some seconds.
"""

import asyncio
import resource
import ssl
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from ca_server.listening import Listener
from ca_server.web.doorman import Doorman, House
from ca_server.web.headers import protect

_SECONDS_FOR_A_HANDSHAKE: Final = 10.0
_SECONDS_FOR_A_FAREWELL: Final = 2.0  # TLS's close_notify
_MOST_CONNECTIONS: Final = 5000
_LAST_ORDERS: Final = 0.1  # what is on its way when closing begins
_SECONDS_TO_SERVE: Final = 5.0
_SECONDS_TO_GIVE_UP: Final = 1.0  # aiohttp waits twice: for a handler, and once more after its body was cut off
_GLANCE: Final = 0.02


class Entrance:
    """One application at one address."""

    def __init__(self, application: web.Application, tls: ssl.SSLContext | None) -> None:
        application.middlewares.insert(0, self._attend)
        application.on_response_prepare.append(_protect)
        self._runner = web.AppRunner(application, shutdown_timeout=_SECONDS_TO_GIVE_UP)
        self._tls = tls
        self._house: House | None = None
        self._listener: Listener | None = None
        self._is_closing = False

    async def prepare(self) -> House:
        """Make ready, and return the house into which connections can be let that another took."""
        await self._runner.setup()
        assert self._runner.server is not None  # noqa: S101 - after setup there is one
        self._house = House(self._runner.server, room())
        return self._house

    async def open(self, host: str, port: int) -> None:
        """Take connections from now on. Raises OSError when the address cannot be had."""
        house = await self.prepare()
        over_tls = self._tls is not None
        self._listener = Listener(
            lambda: Doorman(house),
            ssl=self._tls,
            ssl_handshake_timeout=_SECONDS_FOR_A_HANDSHAKE if over_tls else None,
            ssl_shutdown_timeout=_SECONDS_FOR_A_FAREWELL if over_tls else None,
            backlog=512,
        )
        await self._listener.open(host=host, port=port, reuse_address=True)

    async def close(self) -> None:
        """Take nobody any more, let those inside come to an end, and return after eight seconds at the most."""
        self._is_closing = True
        if self._listener is not None:
            self._listener.close()
        if self._house is not None:
            await self._see_out(self._house)
        await self._runner.cleanup()

    async def _see_out(self, house: House) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _SECONDS_TO_SERVE
        await asyncio.sleep(_LAST_ORDERS)
        for doorman in list(house.waiting):
            doorman.turn_away()
        while house.guests and loop.time() < deadline:
            for guest in list(house.guests):
                if not guest.is_served:
                    guest.force_close()
            await asyncio.sleep(_GLANCE)

    @web.middleware
    async def _attend(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Know who is being served; while closing, say in the answer that it was the last."""
        assert self._house is not None  # noqa: S101 - it is open
        guest = request.protocol
        self._house.served.add(guest)
        try:
            response = await handler(request)
        finally:
            self._house.served.discard(guest)
        if self._is_closing:
            response.force_close()
        return response


async def _protect(request: web.Request, response: web.StreamResponse) -> None:
    protect(request, response)


def room() -> int:
    """Return how many connections one listener may hold: a third of the files that this process may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(hard // 3, _MOST_CONNECTIONS)

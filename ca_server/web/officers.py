"""The address for officers and machines: one table of routes. It listens on the loopback alone.

`/healthz` says that the process serves requests, `/readyz` whether it can do its work: 503 with the reasons otherwise.
Neither changes anything, nor does a scrape of `/metrics`.
"""

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from aiohttp import web

_METRICS: Final = "text/plain; version=1.0.0; charset=utf-8"


@dataclasses.dataclass(frozen=True)
class OfficersAddress:
    """Answers those who watch the service."""

    metrics: Callable[[], Awaitable[bytes]]
    troubles: Callable[[], Awaitable[Sequence[str]]]

    def routes(self) -> list[web.RouteDef]:
        """Return the table of routes."""
        return [
            web.get("/metrics", self.send_metrics),
            web.get("/healthz", self.tell_health),
            web.get("/readyz", self.tell_readiness),
        ]

    async def send_metrics(self, _: web.Request) -> web.Response:
        """What a scrape of Prometheus takes."""
        return web.Response(body=await self.metrics(), headers={"Content-Type": _METRICS, "Cache-Control": "no-store"})

    async def tell_health(self, _: web.Request) -> web.Response:
        """The process lives."""
        return _told({"alive": True}, 200)

    async def tell_readiness(self, _: web.Request) -> web.Response:
        """The service can do its work, or why not."""
        reasons = list(await self.troubles())
        return _told({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)


def application(address: OfficersAddress) -> web.Application:
    """Return the application of the officers' address."""
    app = web.Application()
    app.add_routes(address.routes())
    return app


def _told(document: object, status: int) -> web.Response:
    return web.json_response(document, status=status, headers={"Cache-Control": "no-store"})

"""The newest checkpoint of the audit log, and the public keys that verify it: for auditors, and for everybody else."""

import asyncio
from pathlib import Path
from typing import Final

from aiohttp import web

from ca_server import store
from ca_server.store import checkpoints
from ca_server.web.look import tagged

_CACHE: Final = "public, max-age=30"


class AuditLog:
    """Sends what is published of the audit log; the checkpoint is that of the records, which every server shares."""

    def __init__(self, database: store.Database, keys: Path) -> None:
        self._database = database
        self._keys = keys

    async def checkpoint(self, request: web.Request) -> web.Response:
        """Send the newest checkpoint. Raises HTTPNotFound before the first."""
        newest = await self._database.lookup(checkpoints.newest)
        if newest is None:
            raise web.HTTPNotFound
        return _text(request, newest.note)

    async def keys(self, request: web.Request) -> web.Response:
        """Send the public keys, a line each. Raises HTTPNotFound where none was ever made."""
        try:
            return _text(request, await asyncio.to_thread(self._keys.read_text, "utf-8"))
        except FileNotFoundError as error:
            raise web.HTTPNotFound from error


def _text(request: web.Request, text: str) -> web.Response:
    headers = {"Cache-Control": _CACHE}
    return tagged(request, web.Response(text=text, content_type="text/plain", charset="utf-8", headers=headers))

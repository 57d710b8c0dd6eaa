"""What responders on other machines follow: the changes of how certificates stand, and the list of published files.

Whoever shows the secret gets them; to everybody else there is no such address. It holds serial numbers, and nobody's
name. A follower asks every second and brings along up to which place it has read.
"""

import asyncio
import hmac
from pathlib import Path
from typing import Final

from aiohttp import web

from ca_server import store
from ca_server.store import standings

PATH: Final = "/responder/changes"
_MOST_PLACES: Final = 1000
_LONGEST_NUMBER: Final = 18
_PUBLISHED: Final = (".crl", ".cer")


class Feed:
    """Sends what followers ask."""

    def __init__(self, database: store.Database, token: str | None, public_folder: Path) -> None:
        self._database = database
        self._expected = None if token is None else f"Bearer {token}".encode("ascii")
        self._folder = public_folder

    async def send(self, request: web.Request) -> web.Response:
        """Send the changes after a place, as JSON. Raises HTTPNotFound for whoever is no follower."""
        shown = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if self._expected is None or not hmac.compare_digest(shown, self._expected):
            raise web.HTTPNotFound
        after = request.query.get("after", "0")
        if not after.isdecimal() or len(after) > _LONGEST_NUMBER:
            raise web.HTTPBadRequest
        witness = request.query.get("witness")
        stretch = await self._database.read(standings.since, int(after), _MOST_PLACES, witness)
        files = await asyncio.to_thread(self._published)
        return web.json_response({**stretch._asdict(), "files": files}, headers={"Cache-Control": "no-store"})

    def _published(self) -> dict[str, int]:
        """Return the published files, each with a number that changes with its contents."""
        found = [each for each in self._folder.iterdir() if each.suffix in _PUBLISHED and each.name[0] != "."]
        return {each.name: each.stat().st_mtime_ns for each in found}

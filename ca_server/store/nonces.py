"""Nonces that several servers redeem together: two tables of PostgreSQL without a log (UNLOGGED).

They cost the disk nothing, and a crash of the database, or the promotion of a standby, empties both: the key goes with
the memory of what was redeemed under it. Each redemption is a statement of its own, outside of every operation, whose
failure would give the nonce back; those that arrive while one is under way share the next.
"""

import asyncio
import hashlib
from typing import Final

import asyncpg

from ca_server.language import sentence
from ca_server.store import postgresql
from ca_server.store.errors import Unavailable
from ca_server.whereabouts import Cluster

_SECONDS: Final = 5.0

_KEY: Final = "SELECT octets FROM nonce_key WHERE place = 1"
_FIRST_KEY: Final = (  # made there: a parameter may come into the database's log
    "INSERT INTO nonce_key (place, octets) SELECT 1, "
    "sha256(decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex')) ON CONFLICT DO NOTHING"
)
_REDEEM: Final = (
    "INSERT INTO redeemed_nonce (number, at) SELECT given, $2 FROM unnest($1::bigint[]) AS given "
    "WHERE EXISTS (SELECT 1 FROM nonce_key WHERE place = 1 AND sha256(octets) = $3) "
    "ON CONFLICT DO NOTHING RETURNING number"
)
_FORGET: Final = "DELETE FROM redeemed_nonce WHERE at <= $1"

_TROUBLE: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
_Rows = list[asyncpg.Record]
_Waiting = dict[int, asyncio.Future[bool]]


class NonceMemory:
    """What is redeemed on one database, through a connection of its own."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._line: asyncpg.Connection | None = None
        self._turn = asyncio.Lock()
        self._waiting: dict[tuple[bytes, int], _Waiting] = {}
        self._sending: set[asyncio.Task[None]] = set()

    async def key(self) -> bytes:
        """Return the key of this time, a new one when there is none. Raises Unavailable."""
        found = await self._fetch(_KEY)
        if not found:
            await self._fetch(_FIRST_KEY)
            found = await self._fetch(_KEY)
        return bytes(found[0]["octets"])

    async def redeem(self, number: int, key: bytes, now: int) -> bool:
        """Remember a number and tell whether it was new, False also when that is not the key any more.

        Raises Unavailable.
        """
        group = (key, now)
        waiting = self._waiting.setdefault(group, {})
        if number in waiting:
            return False
        answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        waiting[number] = answered
        if len(waiting) == 1:
            task = asyncio.create_task(self._send(group))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        return await answered

    async def forget(self, until: int) -> None:
        """Forget what was redeemed until a moment. Raises Unavailable."""
        await self._fetch(_FORGET, until)

    async def close(self) -> None:
        """Hang up."""
        await asyncio.gather(*self._sending, return_exceptions=True)
        await self._hang_up()

    async def _send(self, group: tuple[bytes, int]) -> None:
        """Redeem, when the line is free, what has gathered until then."""
        key, now = group
        async with self._turn:
            waiting = self._waiting.pop(group)
            try:
                rows = await self._asked(_REDEEM, list(waiting), now, hashlib.sha256(key).digest())
            except BaseException as error:
                for each in waiting.values():
                    if not each.done():
                        each.set_exception(error)
                return
        new = {row["number"] for row in rows}
        for number, each in waiting.items():
            if not each.done():
                each.set_result(number in new)

    async def _fetch(self, statement: str, *values: object) -> _Rows:
        async with self._turn:
            return await self._asked(statement, *values)

    async def _asked(self, statement: str, *values: object) -> _Rows:
        """Ask, once more over a new line when the old one turns out to be dead. Raises Unavailable."""
        try:
            if self._line is not None and not self._line.is_closed():
                try:
                    found: _Rows = await self._line.fetch(statement, *values, timeout=_SECONDS)
                    return found
                except TimeoutError:
                    raise
                except _TROUBLE:
                    pass  # the server ended, or is a standby now
            await self._hang_up()
            self._line = await postgresql.connect(self._cluster)
            return list(await self._line.fetch(statement, *values, timeout=_SECONDS))
        except _TROUBLE as error:
            await self._hang_up()
            raise Unavailable(sentence("The database cannot be used now: {driver}", driver=error)) from error

    async def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None and not line.is_closed():
            line.terminate()

"""Who leads: of several servers on the same records one runs the schedule, by a lease that it renews while it lives.

A server that ends gives the lease back; one that dies, or is stopped, is followed when its seconds are over. A server
that wakes up looks at a clock that went on meanwhile (`time.monotonic`), and knows before it asks anybody that it does
not lead any more. What it was in the middle of is guarded by itself: every move is a compare-and-set, a mail is claimed
before it is sent, and a CRL is placed only right after its own lease was renewed.
"""

import asyncio
import contextlib
import logging
import time

from ca_server import store
from ca_server.store import audit, leases

log = logging.getLogger(__name__)

LEASE_SECONDS = 10
"""Clocks of servers may differ by as many seconds less those between two renewals."""
RENEWED_EACH = 2

LEASE = "schedule"
_SECONDS_FOR_A_FAREWELL = 1


class Tenure:
    """What one server knows of its lead: `name` is its own since its start, `host` says where it runs."""

    def __init__(self, name: str, host: str) -> None:
        self.name = name
        self.host = host
        self._until = 0.0

    def is_held(self) -> bool:
        """Tell whether this server leads, without asking anybody."""
        return time.monotonic() < self._until

    async def hold(self, database: store.Database, now: int) -> None:
        """Take the lease, or renew it; another's is left alone. Raises StoreError."""
        led, asked = self.is_held(), time.monotonic()
        try:
            leads = await database.write(take, self.name, self.host, now)
        except store.Duplicate:  # two took the first one at the same time
            leads = False
        self._until = asked + LEASE_SECONDS if leads else 0.0
        if leads != led:
            log.info("Server %s on %s %s", self.name, self.host, "leads" if leads else "does not lead any more")

    async def give_back(self, database: store.Database) -> None:
        """Let another server lead at once."""
        if self.is_held():
            self._until = 0.0
            with contextlib.suppress(store.StoreError, TimeoutError):  # it is over by itself in some seconds
                async with asyncio.timeout(_SECONDS_FOR_A_FAREWELL):
                    await database.write(leases.give_back, LEASE, self.name)


def take(connection: store.Connection, name: str, host: str, now: int) -> bool:
    """Take or renew the lease and tell whether that was possible; whoever comes to lead is on record."""
    before = leases.holder(connection, LEASE)
    if not leases.take(connection, LEASE, name, LEASE_SECONDS, now):
        return False
    if before != name:
        audit.record(connection, now, f"server:{name}", "lease taken", LEASE, host=host, before=before)
    return True

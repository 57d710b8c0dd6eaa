"""The records as watchers see them: what waits there, the newest CRLs, the leases, whether they can be written."""

from collections.abc import Sequence
from typing import Final

from ca_server import store
from ca_server.clock import rfc3339
from ca_server.observing.text import Metric, gauge
from ca_server.store import leases
from ca_server.store.watched import watched

_EVERY: Final = 10
_LATE: Final = 30
_LEASE: Final = "pulse"


class Pulse:
    """Writes to the records now and then, so that readiness is told from what happened and a question changes nothing.

    What is written is taken back in the same transaction; the commit goes to the disk all the same.
    """

    every: Final = _EVERY

    def __init__(self, database: store.Database, server: str) -> None:
        self._database = database
        self._server = server
        self.last = 0
        """When something was written last."""

    async def beat(self, now: int) -> None:
        """Write. Raises StoreError."""
        await self._database.write(_beat, self._server, now)
        self.last = now


def _beat(connection: store.Connection, server: str, now: int) -> None:
    name = f"{_LEASE} {server}"  # of its own, so that several servers never meet
    leases.take(connection, name, server, _EVERY, now)
    leases.give_back(connection, name, server)


class Records:
    """The records of one server."""

    def __init__(self, database: store.Database, pulse: Pulse, issuers: Sequence[str], holders: Sequence[str]) -> None:
        self._database = database
        self._pulse = pulse
        self._issuers = issuers
        self._holders = holders

    async def metrics(self, now: int) -> list[Metric]:
        """Return what waits, the CRLs, the leases."""
        found = await self._database.read(watched, self._issuers, now)
        mine = {name: float(held in self._holders and now < until) for name, (held, until) in found.leases.items()}
        age = max(0, now - found.mails.since) if found.mails.count else 0
        lag = max(0, now - found.unplaced.since) if found.unplaced.count else 0
        return [
            gauge("warifu_outbox_waiting", "Mails that should have left.", found.mails.count),
            gauge("warifu_outbox_oldest_seconds", "Age of the oldest mail that should have left.", age),
            gauge("warifu_audit_unplaced", "Audit entries that have no place in the log yet.", found.unplaced.count),
            gauge("warifu_audit_lag_seconds", "Age of the oldest audit entry without a place.", lag),
            *self._of_crls({name: (crl.number, crl.entries) for name, crl in found.crls.items()}),
            gauge(
                "warifu_crl_this_update_timestamp_seconds",
                "When the newest published CRL was made.",
                {name: crl.this_update for name, crl in found.crls.items()},
                "issuer",
            ),
            gauge(
                "warifu_crl_next_update_timestamp_seconds",
                "When the newest published CRL ends.",
                {name: crl.next_update for name, crl in found.crls.items()},
                "issuer",
            ),
            gauge("warifu_lease_held", "1 for a lease that this server holds, 0 for another's.", mine, "lease"),
            gauge("warifu_records_waiting", "Operations that wait for the records.", self._database.waiting()),
            gauge(
                "warifu_records_written_timestamp_seconds", "When the records could be written last.", self._pulse.last
            ),
        ]

    async def troubles(self, now: int) -> list[str]:
        """Return why the records are of no use, and which CRLs are over."""
        reasons = []
        if not self._pulse.last <= now < self._pulse.last + _LATE:
            since = f"since {rfc3339(self._pulse.last)}" if self._pulse.last else "yet"
            reasons.append(f"The records could not be written {since}.")
        found = await self._database.read(watched, self._issuers, now)
        for issuer in self._issuers:
            crl = found.crls.get(issuer)
            if crl is None:
                reasons.append(f"There is no CRL of {issuer} yet.")
            elif crl.next_update <= now:
                reasons.append(f"CRL {crl.number} of {issuer} ended at {rfc3339(crl.next_update)}.")
        return reasons

    @staticmethod
    def _of_crls(crls: dict[str, tuple[int, int]]) -> list[Metric]:
        numbers = {name: number for name, (number, _) in crls.items()}
        entries = {name: count for name, (_, count) in crls.items()}
        return [
            gauge("warifu_crl_number", "Number of the newest published CRL.", numbers, "issuer"),
            gauge("warifu_crl_entries", "Entries of the newest published CRL.", entries, "issuer"),
        ]

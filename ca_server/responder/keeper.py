"""The keeper: follows the changes of how certificates stand, and keeps their answers signed.

    follow   reads the changes after the place it has reached; what changed just now is signed at once. At the end it
             gives the beat: what is kept is how things are.
    refresh  walks through all entries, a little at a time, and signs anew what is older than an eighth of its life. A
             walk begins every quarter of an answer's life and at every new signer, so that no answer grows older than
             half its life; whatever interrupts it, the next walk passes over what is young.

More than one reading behind, as at the first start, it takes the facts in first and signs afterwards: workers sign live
meanwhile.
Nothing is signed anew while the changes cannot be read, for what the keeper knows may be over.
"""

import logging
import time
from collections.abc import Sequence
from typing import Final, Protocol

from ca_server.authority import der
from ca_server.clock import Clock
from ca_server.responder.answers import Issuing, status_of
from ca_server.responder.ready import NO_SIGNER, Entry, Keeping
from ca_server.store.standings import Standing, Stretch

log = logging.getLogger(__name__)

_PLACES_AT_ONCE: Final = 1000
_SECONDS_BETWEEN_ALARMS: Final = 60.0
_ENTRIES_AT_ONCE: Final = 200
_KEPT_OF_A_LIFE: Final = 8
_WALKS_OF_A_LIFE: Final = 4
_LATE: Final = 1 << 62


class Changes(Protocol):
    """Where the changes come from."""

    def since(self, after: int, most: int, witness: str | None) -> Stretch:
        """Return the changes of at most `most` places after `after`; their last place is 0 if the witness is gone.

        Raises anything when they cannot be read.
        """


class Keeper:
    """Keeps one ready store."""

    def __init__(
        self, keeping: Keeping, changes: Changes, issuing: Sequence[Issuing], answer_seconds: int, clock: Clock
    ) -> None:
        self._keeping = keeping
        self._changes = changes
        self._issuing = {each.name: each for each in issuing}
        self._by_key = {each.key: each for each in issuing}
        self._answer_seconds = answer_seconds
        self._clock = clock
        self._strangers: set[str] = set()
        self._issuers = b"".join(sorted(self._by_key))
        if keeping.issuers() != self._issuers:  # the changes of a new one were passed over
            keeping.forget(self._issuers)
        self._place, self._witness = keeping.place(), keeping.witness()
        self._told: frozenset[Standing] = frozenset()
        """What was told last and may be told again."""
        self._alarmed = -_SECONDS_BETWEEN_ALARMS
        self._walked_to: bytes | None = b""
        self.read_at = 0
        """When the changes were last read to their end."""
        self.oldest = 0
        """The oldest of the answers that the last whole walk left standing, by its moment; 0 when there were none."""
        self._oldest_of_walk = _LATE
        self._walk_began = clock.now()
        self._signers = self._marks()

    def follow(self) -> None:
        """Read the changes to their end and give the beat. Raises what `Changes` or the file raises."""
        while True:
            moment = time.monotonic()
            stretch = self._changes.since(self._place, _PLACES_AT_ONCE, self._witness)
            if stretch.last < self._place:
                log.warning("The records were restored or replaced; the answers kept ready are made anew")
                self._keeping.forget(self._issuers)
                self._place, self._witness, self._walked_to, self._told = 0, None, b"", frozenset()
                continue
            is_whole, is_news = stretch.until == stretch.last, stretch.until != self._place
            news = [change for change in stretch.changes if change not in self._told]
            if is_news or news:
                self._take_in(stretch._replace(changes=news), sign=is_whole)
            self._told = frozenset(stretch.changes)
            if is_whole:
                self._keeping.beat(moment)
                self.read_at = self._clock.now()
                return
            if not is_news:
                self._tell_of_no_end(moment)
                return

    def refresh(self, seconds: float) -> bool:
        """Walk on for some seconds at most; tell whether there is more to do."""
        self._begin_walk()
        until = time.monotonic() + seconds
        while self._walked_to is not None and time.monotonic() < until:
            batch = self._keeping.walk(self._walked_to, _ENTRIES_AT_ONCE)
            now = self._clock.now()
            due = [(key, entry) for key, entry in batch if self._is_due(key, entry, now)]
            if due:
                self._keeping.put((key, self._signed(key, entry, now)) for key, entry in due)
            signed = {key for key, _ in due}
            kept = (entry.this_update for key, entry in batch if key not in signed and entry.ends > now)
            self._oldest_of_walk = min(self._oldest_of_walk, min(kept, default=_LATE), now if due else _LATE)
            self._walked_to = batch[-1][0] if len(batch) == _ENTRIES_AT_ONCE else None
            if self._walked_to is None:
                self.oldest = 0 if self._oldest_of_walk == _LATE else self._oldest_of_walk
        return self._walked_to is not None

    def _take_in(self, stretch: Stretch, *, sign: bool) -> None:
        now = self._clock.now()
        entries: dict[bytes, Entry] = {}
        for change in stretch.changes:
            issuing = self._issuing.get(change.issuer)
            if issuing is None:
                self._warn_of(change.issuer)
            else:
                key = issuing.key + _serial(change.serial)
                entry = _entry(change)
                entries[key] = self._signed(key, entry, now) if sign and entry.ends > now else entry
        self._keeping.put(entries.items(), stretch.until, stretch.witness)
        self._place, self._witness = stretch.until, stretch.witness or None
        if not sign:
            self._walked_to = b""

    def _warn_of(self, issuer: str) -> None:
        if issuer not in self._strangers:
            self._strangers.add(issuer)
            log.error("ALARM: %s issued certificates, but this machine's configuration does not know it", issuer)

    def _tell_of_no_end(self, moment: float) -> None:
        if moment - self._alarmed >= _SECONDS_BETWEEN_ALARMS:
            self._alarmed = moment
            log.error(
                "ALARM: a transaction is open in the database cluster for so long that changes cannot be put in order; "
                "OCSP asks the records meanwhile"
            )

    def _begin_walk(self) -> None:
        now = self._clock.now()
        in_time = self._walk_began <= now < self._walk_began + self._answer_seconds // _WALKS_OF_A_LIFE
        marks = self._marks()
        if (not in_time and self._walked_to is None) or marks != self._signers:
            self._walk_began, self._walked_to, self._signers = now, b"", marks
            self._oldest_of_walk = _LATE

    def _marks(self) -> list[bytes]:
        return [each.current()[0] for each in self._issuing.values()]

    def _is_due(self, key: bytes, entry: Entry, now: int) -> bool:
        issuing = self._by_key.get(key[:4])
        if issuing is None or entry.ends <= now:
            return False
        young = now - self._answer_seconds // _KEPT_OF_A_LIFE < entry.this_update <= now
        return not young or entry.signer != issuing.current()[0]

    def _signed(self, key: bytes, entry: Entry, now: int) -> Entry:
        """Return an entry with its answers signed for a life from now, or until the end of the signer."""
        signer, forms = self._by_key[key[:4]].current()
        until = min(now + self._answer_seconds, forms[0].ends)
        status = status_of(entry)
        number = der.integer(int.from_bytes(key[4:]))
        first, second = (form.sign(form.to_be_signed(number, status, now, until)) for form in forms)
        return entry._replace(this_update=now, next_update=until, signer=signer, signatures=(first, second))


def _entry(change: Standing) -> Entry:
    revoked = change.revoked_at is not None
    return Entry(0, 0, change.revoked_at or 0, change.ends, int(revoked), change.reason or 0, NO_SIGNER, (b"", b""))


def _serial(text: str) -> bytes:
    return bytes.fromhex(text.zfill(len(text) + len(text) % 2))

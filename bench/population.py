"""Certificates that never were: any number of them, each with a serial, a status and names of its own by its place.

Serials are as the product draws them, 128 bits, but rise with the place: rows written in their order fill a table from
left to right, and places drawn at random are spread over the whole key space. Nothing is kept, all is computed.
"""

import dataclasses
import hashlib
import random

from ca_server.authority import ocsp
from ca_server.clock import DAY
from protocol.vocabulary import RevocationReason

_LEAST, _END = 1 << 124, 1 << 128
_REASONS = (RevocationReason.superseded, RevocationReason.keyCompromise, RevocationReason.cessationOfOperation)
_AGE, _LIFE = 30 * DAY, 395 * DAY
_FIRST_INSTITUTION, _A_SEAT_ROW = 200_000, 999


@dataclasses.dataclass(frozen=True)
class Population:
    """`count` certificates, a share of them revoked; `now` is the time at which they are looked at."""

    count: int
    now: int
    share_revoked: float = 0.1

    @property
    def not_before(self) -> int:
        """Return when all of them began to be valid: long enough ago for nobody to be asked to renew yet."""
        return self.now - _AGE

    @property
    def not_after(self) -> int:
        """Return when all of them end."""
        return self.not_before + _LIFE - 1

    def digest(self, place: int) -> str:
        """Return 128 hexadecimal digits that belong to a place: what stands for hashes of keys and of contents."""
        return hashlib.blake2b(place.to_bytes(8, "big")).hexdigest()

    def serial(self, place: int) -> int:
        """Return the serial number, above that of the place before."""
        step = (_END - _LEAST) // self.count
        return _LEAST + place * step + int(self.digest(place)[:32], 16) % step

    def cn(self, place: int) -> str:
        """Return the CN: 999 seats an institution."""
        institution, number = divmod(place, _A_SEAT_ROW)
        return f"{self.institution(institution)}-{number + 1:03d}"

    def institution(self, number: int) -> str:
        """Return the code of an institution."""
        return f"F{_FIRST_INSTITUTION + number}"

    @property
    def institutions(self) -> int:
        """Return how many institutions have these seats."""
        return -(-self.count // _A_SEAT_ROW)

    def revoked(self, place: int) -> tuple[int, RevocationReason] | None:
        """Return when and why it was revoked, None when it is good."""
        lot = int(self.digest(place)[-8:], 16)
        if lot >= self.share_revoked * (1 << 32):
            return None
        return self.now - 86_400 - lot % 2_000_000, _REASONS[lot % len(_REASONS)]

    def status(self, place: int) -> ocsp.OcspStatus:
        """Return what OCSP has to tell."""
        mark = self.revoked(place)
        return ocsp.GOOD if mark is None else ocsp.revoked(*mark)

    def drawn(self, count: int, seed: int = 1) -> list[int]:
        """Return places drawn at random, none twice, in no order."""
        return random.Random(seed).sample(range(self.count), min(count, self.count))

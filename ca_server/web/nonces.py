"""Anti-replay nonces (RFC 8555 §6.5): sealed by a key, an hour old at most, single use.

A nonce is a counter and the moment it was made, sealed by a keyed BLAKE2b (RFC 7693, a quarter of HMAC's cost here),
so that issuing one stores nothing. Redeemed ones
are remembered for as long as they could be replayed. Key and memory live in one process and die together: after a
restart every old nonce is badNonce once, and no nonce is ever accepted twice. (A shared key with a memory per process
would be one replay a process.)
"""

import hashlib
import hmac
import itertools
import secrets
import struct

from ca_server.clock import HOUR, Clock
from protocol import base64url

_BODY = struct.Struct(">QI")
_TAG_BYTES = 16


class Nonces:
    """Makes nonces and redeems each once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._counter = itertools.count()
        self._redeemed: set[int] = set()
        self._redeemed_before: set[int] = set()
        self._turned_at = clock.now()

    def fresh(self) -> str:
        """Return a nonce, base64url."""
        body = _BODY.pack(next(self._counter), self._clock.now() & 0xFFFFFFFF)
        return base64url.encode(body + self._tag(body))

    def opened(self, nonce: object) -> int | None:
        """Return the number of a nonce of ours that is young enough, or None; nothing is redeemed by looking."""
        if not isinstance(nonce, str):
            return None
        try:
            octets = base64url.decode(nonce)
        except ValueError:
            return None
        body, tag = octets[: _BODY.size], octets[_BODY.size :]
        if len(body) < _BODY.size or not hmac.compare_digest(tag, self._tag(body)):
            return None
        number, made_at = _BODY.unpack(body)
        return number if 0 <= self._clock.now() - made_at <= HOUR else None

    def redeem(self, number: int) -> bool:
        """Use a nonce up; tell whether this was its first use."""
        self._turn()
        if number in self._redeemed or number in self._redeemed_before:
            return False
        self._redeemed.add(number)
        return True

    def _turn(self) -> None:
        """Forget in two generations, so that each number is remembered for at least the hour it lives."""
        if self._clock.now() - self._turned_at > HOUR:
            self._redeemed_before, self._redeemed = self._redeemed, set()
            self._turned_at = self._clock.now()

    def _tag(self, body: bytes) -> bytes:
        return hashlib.blake2b(body, digest_size=_TAG_BYTES, key=self._key).digest()

"""Anti-replay nonces (RFC 8555 §6.5): sealed by a key, an hour old at most, single use.

A nonce is a counter and the moment it was made, sealed by a keyed BLAKE2b (RFC 7693, a quarter of HMAC's cost here),
so that issuing one stores nothing. What was redeemed is one bit each, in a ring for the newest 67 million: whoever asks
for so many within the hour makes older ones badNonce, but never a replay possible or the memory grow. Key and memory
live in one process and die together: after a restart every old nonce is badNonce once, and no nonce is ever accepted
twice. (A shared key with a memory per process would be one replay a process.)
"""

import hashlib
import hmac
import secrets
import struct

from ca_server.clock import HOUR, Clock
from protocol import base64url

_BODY = struct.Struct(">QI")
_TAG_BYTES = 16
_RING_BYTES = 8 << 20


class Nonces:
    """Makes nonces and redeems each once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._next = 0
        self._redeemed = bytearray(_RING_BYTES)

    def fresh(self) -> str:
        """Return a nonce, base64url."""
        number = self._next
        self._next += 1
        if number % 8 == 0:
            self._redeemed[number // 8 % len(self._redeemed)] = 0
        body = _BODY.pack(number, self._clock.now() & 0xFFFFFFFF)
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
        return number if 0 <= self._clock.now() - made_at <= HOUR and self._is_remembered(number) else None

    def redeem(self, number: int) -> bool:
        """Use a nonce up; tell whether this was its first use."""
        if not self._is_remembered(number):
            return False
        place, bit = number // 8 % len(self._redeemed), 1 << number % 8
        if self._redeemed[place] & bit:
            return False
        self._redeemed[place] |= bit
        return True

    def _is_remembered(self, number: int) -> bool:
        """Tell whether the ring still holds the bit of a nonce; its octet is cleared for the next eight at once."""
        return self._next - number <= 8 * (len(self._redeemed) - 1)

    def _tag(self, body: bytes) -> bytes:
        return hashlib.blake2b(body, digest_size=_TAG_BYTES, key=self._key).digest()

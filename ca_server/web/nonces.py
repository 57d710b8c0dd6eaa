"""Anti-replay nonces (RFC 8555 §6.5): sealed by a key, an hour old at most, single use.

A nonce is a number and the moment it was made, sealed by a keyed BLAKE2b (RFC 7693, a quarter of HMAC's cost here), so
that issuing one stores nothing. A key and the memory of what was redeemed under it die together, and so no nonce is
ever accepted twice.

- `Nonces` are one server's. What was redeemed is one bit each, in a ring for the newest 67 million: whoever asks for so
  many within the hour makes older ones badNonce, but never a replay possible or the memory grow. After a restart every
  old nonce is badNonce once.
- `SharedNonces` are those of several servers: any of them redeems what another issued. Key and memory lie in tables of
  PostgreSQL that a crash empties both. (A shared key with a memory per process would be one replay a process.)
"""

import hashlib
import hmac
import secrets
import struct
from typing import NamedTuple, Protocol

from ca_server.clock import HOUR, Clock
from protocol import base64url

_BODY = struct.Struct(">QI")
_TAG_BYTES = 16
_RING_BYTES = 8 << 20
_BITS_OF_A_START = 62  # what is counted on from there fits the database's 64 bits with a sign


class OpenNonce(NamedTuple):
    """A nonce of ours, and the key that it was sealed under: where it is redeemed, and nowhere else."""

    number: int
    key: bytes


class Seal:
    """A key under which numbers are made nonces, and nonces are opened."""

    def __init__(self, key: bytes, clock: Clock) -> None:
        self._key = key
        self._clock = clock

    def sealed(self, number: int) -> str:
        """Return the nonce of a number, base64url."""
        body = _BODY.pack(number, self._clock.now() & 0xFFFFFFFF)
        return base64url.encode(body + self._tag(body))

    def opened(self, nonce: object) -> OpenNonce | None:
        """Return a nonce that this key sealed within the hour, or None."""
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
        return OpenNonce(number, self._key) if 0 <= self._clock.now() - made_at <= HOUR else None

    def _tag(self, body: bytes) -> bytes:
        return hashlib.blake2b(body, digest_size=_TAG_BYTES, key=self._key).digest()


class Pool(Protocol):
    """What the front needs of nonces."""

    def fresh(self) -> str:
        """Return a nonce, base64url."""

    def opened(self, nonce: object) -> OpenNonce | None:
        """Return a nonce of ours that is young enough, or None; nothing is redeemed by looking."""

    async def redeem(self, nonce: OpenNonce) -> bool:
        """Use a nonce up; tell whether this was its first use. Raises StoreError when that cannot be known."""


class Nonces:
    """Makes nonces and redeems each once, in this process alone."""

    def __init__(self, clock: Clock) -> None:
        self._seal = Seal(secrets.token_bytes(32), clock)
        self._next = 0
        self._redeemed = bytearray(_RING_BYTES)

    def fresh(self) -> str:
        """Return a nonce, base64url."""
        number = self._next
        self._next += 1
        if number % 8 == 0:
            self._redeemed[number // 8 % len(self._redeemed)] = 0
        return self._seal.sealed(number)

    def opened(self, nonce: object) -> OpenNonce | None:
        """Return a nonce of ours that is young enough, or None; nothing is redeemed by looking."""
        opened = self._seal.opened(nonce)
        return opened if opened is not None and self._is_remembered(opened.number) else None

    async def redeem(self, nonce: OpenNonce) -> bool:
        """Use a nonce up; tell whether this was its first use."""
        number = nonce.number
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


class Memory(Protocol):
    """Where servers remember together what was redeemed, and under which key."""

    async def key(self) -> bytes:
        """Return the key of this time. Raises StoreError."""

    async def redeem(self, number: int, key: bytes, now: int) -> bool:
        """Remember a number and tell whether it was new, False also when that is not the key any more.

        Raises StoreError.
        """

    async def forget(self, until: int) -> None:
        """Forget what was redeemed until a moment. Raises StoreError."""


class SharedNonces:
    """Makes nonces, and redeems those of all servers on the same records, each once; `renew` comes before all else."""

    def __init__(self, memory: Memory, clock: Clock) -> None:
        self._memory = memory
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._seal = Seal(self._key, clock)
        self._next = secrets.randbits(_BITS_OF_A_START)

    def fresh(self) -> str:
        """Return a nonce, base64url."""
        self._next += 1
        return self._seal.sealed(self._next)

    def opened(self, nonce: object) -> OpenNonce | None:
        """Return a nonce of any server that is young enough, or None; nothing is redeemed by looking."""
        return self._seal.opened(nonce)

    async def redeem(self, nonce: OpenNonce) -> bool:
        """Use a nonce up; tell whether this was its first use. Raises StoreError when that cannot be known.

        Under another key than its own, of after a crash of the database, what was redeemed before is forgotten.
        """
        if await self._memory.redeem(nonce.number, nonce.key, self._clock.now()):
            return True
        await self.renew()  # so that the nonce which goes out with the refusal is good
        return False

    async def renew(self) -> None:
        """Use the key of this time: a crash of the database has another begin. Raises StoreError."""
        key = await self._memory.key()
        if key != self._key:
            self._key, self._seal = key, Seal(key, self._clock)

    async def forget(self, now: int) -> None:
        """Forget what no nonce could be any more, by the clock of any server. Raises StoreError."""
        await self._memory.forget(now - 2 * HOUR)

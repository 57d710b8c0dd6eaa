"""Rate limits (RFC 8555 §6.6): count failures, and successes only far above honest use.

A bank sits behind one address, so an address may do much; IPv6 is counted by /64, the least a subscriber gets. Each
limit is a fixed window: cheap, and at worst twice the figure around its edge.
"""

import functools
import ipaddress

from ca_server.clock import Clock
from ca_server.language import sentence

_MOST_ADDRESSES = 100_000


class RateLimited(Exception):
    """Too many; trying again after `seconds` may succeed."""

    def __init__(self, seconds: int) -> None:
        super().__init__(sentence("Too many requests; wait a moment before you try again."))
        self.seconds = seconds


class Window:
    """Counts events by key within windows of so many seconds."""

    def __init__(self, clock: Clock, most: int, seconds: int) -> None:
        self._clock = clock
        self._most = most
        self._seconds = seconds
        self._counts: dict[str, int] = {}
        self._ends = 0

    def require(self, key: str) -> None:
        """Do nothing below the limit. Raises RateLimited at it."""
        self._turn()
        if self._counts.get(key, 0) >= self._most:
            raise RateLimited(max(1, self._ends - self._clock.now()))

    def count(self, key: str) -> None:
        """Count one event."""
        self._turn()
        if key in self._counts or len(self._counts) < _MOST_ADDRESSES:
            self._counts[key] = self._counts.get(key, 0) + 1

    def _turn(self) -> None:
        now = self._clock.now()
        if now >= self._ends or now < self._ends - self._seconds:
            self._counts = {}
            self._ends = now + self._seconds


@functools.lru_cache(maxsize=10_000)
def network_of(address: str) -> str:
    """Return what an address is counted as: itself, or its /64 for IPv6; IPv4 in IPv6's clothes is IPv4."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))

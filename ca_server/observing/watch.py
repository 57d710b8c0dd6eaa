"""The watch: asks every part of a service for its metrics, and whether it can do its work."""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from ca_server.clock import Clock
from ca_server.observing.text import Metric, gauge, rendered

log = logging.getLogger(__name__)


class Part(Protocol):
    """A part of the service as its watchers see it."""

    async def metrics(self, now: int) -> list[Metric]:
        """Return what it counts. Raises anything when that cannot be known."""

    async def troubles(self, now: int) -> list[str]:
        """Return why it cannot do its work, a sentence each. Raises anything when that cannot be known."""


class Watch:
    """All parts together; a part that cannot be asked hides no other."""

    def __init__(self, clock: Clock, parts: Sequence[Part], others: Callable[[], Sequence[Metric]]) -> None:
        self._clock = clock
        self._parts = parts
        self._others = others

    async def metrics(self) -> bytes:
        """Return all metrics in Prometheus' text format, with how many parts could not be asked."""
        found, silent = list(self._others()), 0
        for part in self._parts:
            try:
                found += await part.metrics(self._clock.now())
            except Exception as error:
                silent += 1
                log.warning("%s tells no metrics: %r", type(part).__name__, error)
        found.append(gauge("warifu_watch_silent_parts", "Parts of the service that told no metrics.", silent))
        return rendered(found)

    async def troubles(self) -> list[str]:
        """Return why the service is not ready, nothing when it is."""
        found: list[str] = []
        for part in self._parts:
            try:
                found += await part.troubles(self._clock.now())
            except Exception as error:
                found.append(f"{type(part).__name__} cannot be asked: {error}")
        return found

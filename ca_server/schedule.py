"""The clockwork of a running server: it looks at the clock and calls operations, and decides nothing itself.

Every quarter of a second: what other processes changed, plans without a server, applications that are due, mails that
are due. A revocation brings the CRL forward; each hour makes one anyway. A task that fails is logged and tried again
at its next turn; it never stops the others.
"""

import asyncio
import dataclasses
import logging
from collections.abc import Awaitable, Callable

from ca_server.clock import Clock

log = logging.getLogger(__name__)

_TICK_SECONDS = 0.25


@dataclasses.dataclass
class Task:
    """Something done again and again, `every` so many seconds; an `eager` one also whenever anything was written."""

    name: str
    run: Callable[[int], Awaitable[object]]
    every: int
    eager: bool = True
    last: int = 0


class Schedule:
    """Runs the tasks of one server, one after the other, until it is stopped."""

    def __init__(self, clock: Clock, changed: Callable[[], bool], tasks: list[Task]) -> None:
        self._clock = clock
        self._changed = changed
        self._tasks = tasks
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Run until `stop`."""
        while not self._stopping.is_set():
            changed = self._changed()
            for task in self._tasks:
                await self._turn(task, forced=changed and task.eager)
            try:
                await asyncio.wait_for(self._stopping.wait(), _TICK_SECONDS)
            except TimeoutError:
                continue

    def stop(self) -> None:
        """End after the task that runs now."""
        self._stopping.set()

    async def _turn(self, task: Task, *, forced: bool) -> None:
        now = self._clock.now()
        if not forced and task.last <= now < task.last + task.every:
            return
        task.last = now
        try:
            await task.run(now)
        except Exception:
            log.exception("the task %s failed and will be tried again", task.name)

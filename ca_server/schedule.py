"""The clockwork of a running server: it looks at the clock and calls operations, and decides nothing itself.

A quarter of a second is its tick: what anybody wrote is seen then, and the eager tasks look whether it concerns them. A
task that fails is an alarm and is tried again after a pause that doubles to a minute; it never stops the others.
"""

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import Awaitable, Callable

from ca_server.clock import Clock

log = logging.getLogger(__name__)

_TICK_SECONDS = 0.25
_LONGEST = 60


@dataclasses.dataclass
class Task:
    """Something done again and again, `every` so many seconds; an `eager` one also whenever anything was written."""

    name: str
    run: Callable[[int], Awaitable[object]]
    every: int
    eager: bool = True
    last: int = 0
    wanted: bool = False
    failures: int = 0
    paused_until: int = 0


class Schedule:
    """Runs the tasks of one server until it is stopped; a slow one, say a mail server that stalls, delays no other."""

    def __init__(self, clock: Clock, changed: Callable[[], bool], tasks: list[Task]) -> None:
        self._clock = clock
        self._changed = changed
        self._tasks = tasks
        self._running: dict[str, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Run until `stop`, then let what runs come to its end."""
        while not self._stopping.is_set():
            self._begin(changed=self._changed())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _TICK_SECONDS)
        await asyncio.gather(*self._running.values())

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopping.set()

    def _begin(self, *, changed: bool) -> None:
        """Begin every task whose turn has come; one that still runs is asked again at the next tick."""
        now = self._clock.now()
        for task in self._tasks:
            task.wanted |= changed and task.eager
            in_time = task.last <= now < task.last + task.every
            if task.name in self._running or (in_time and not task.wanted) or now < task.paused_until <= now + _LONGEST:
                continue
            task.last, task.wanted = now, False
            self._running[task.name] = asyncio.create_task(self._turn(task, now), name=task.name)

    async def _turn(self, task: Task, now: int) -> None:
        try:
            await task.run(now)
        except Exception:
            pause = min(1 << task.failures, _LONGEST)
            task.failures, task.paused_until, task.wanted = task.failures + 1, now + pause, True
            log.exception("ALARM: the task %s failed and will be tried again in %d s", task.name, pause)
        else:
            task.failures = 0
        finally:
            del self._running[task.name]

"""The clockwork of a running server: it looks at the clock and calls operations, and decides nothing itself.

A quarter of a second is its tick: what anybody wrote is seen then, and the eager tasks look whether it concerns them. A
task that fails is an alarm and is tried again after a pause that doubles to a minute; it never stops the others. While
the records cannot be read nothing is begun, and everything at once when they are back.

Of several servers on the same records one leads, and it alone runs the tasks; those that are `everywhere` run on each.
"""

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import Awaitable, Callable

from ca_server.clock import Clock
from ca_server.store import Overloaded, StoreError

log = logging.getLogger(__name__)

_TICK_SECONDS = 0.25
_LONGEST = 60
_LONGEST_OF_STORE = 4  # a database that returns is noticed at once; what waits for it must not wait for a minute


@dataclasses.dataclass
class Task:
    """Something done again and again, `every` so many seconds; an `eager` one also whenever anything was written.

    What is not `everywhere` is done by the leading server alone.
    """

    name: str
    run: Callable[[int], Awaitable[object]]
    every: int
    eager: bool = True
    everywhere: bool = False
    last: int = 0
    wanted: bool = False
    failures: int = 0
    failures_in_all: int = 0
    paused_until: int = 0


class Schedule:
    """Runs the tasks of one server until it is stopped; a slow one, say a mail server that stalls, delays no other."""

    def __init__(
        self,
        clock: Clock,
        changed: Callable[[], Awaitable[bool]],
        tasks: list[Task],
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        self._clock = clock
        self._changed = changed
        self.tasks = tasks
        self.turned_at = 0
        """When it looked last."""
        self._leads = leads
        self._is_blind = False
        self._running: dict[str, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Run until `stop`, then let what runs come to its end."""
        while not self._stopping.is_set():
            self.turned_at = self._clock.now()
            changed = await self._look()
            if changed is not None and not self._stopping.is_set():
                self._begin(changed=changed)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _TICK_SECONDS)
        await asyncio.gather(*self._running.values())

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopping.set()

    async def _look(self) -> bool | None:
        """Tell whether anything was written since the last look, None when the records cannot be read."""
        try:
            changed = await self._changed()
        except Overloaded:
            return None
        except Exception as error:
            if not self._is_blind:
                self._is_blind = True
                log.error("ALARM: the records cannot be read, nothing is done by the clock: %s", error)
            return None
        if self._is_blind:
            self._is_blind = False
            log.warning("ALARM over: the records are read again")
            changed = True
        return changed

    def _begin(self, *, changed: bool) -> None:
        """Begin every task whose turn has come; one that still runs is asked again at the next tick."""
        now = self._clock.now()
        for task in self.tasks:
            task.wanted |= changed and task.eager
            if not (task.everywhere or self._leads()):
                continue
            in_time = task.last <= now < task.last + task.every
            if task.name in self._running or (in_time and not task.wanted) or now < task.paused_until <= now + _LONGEST:
                continue
            task.last, task.wanted = now, False
            self._running[task.name] = asyncio.create_task(self._turn(task, now), name=task.name)

    async def _turn(self, task: Task, now: int) -> None:
        try:
            await task.run(now)
        except Exception as error:
            pause = min(1 << task.failures, _LONGEST_OF_STORE if isinstance(error, StoreError) else _LONGEST)
            task.failures, task.paused_until, task.wanted = task.failures + 1, now + pause, True
            task.failures_in_all += 1
            log.exception("ALARM: the task %s failed and will be tried again in %d s", task.name, pause)
        else:
            task.failures = 0
        finally:
            del self._running[task.name]

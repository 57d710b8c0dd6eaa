"""The schedule as watchers see it: whether it looks at the clock, and which of its tasks fail."""

from typing import Final

from ca_server.clock import rfc3339
from ca_server.observing.text import Metric, counter, gauge
from ca_server.schedule import Schedule

_LATE: Final = 30


class Clockwork:
    """The schedule of one server."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    async def metrics(self, now: int) -> list[Metric]:
        """Return when it looked last, and how its tasks fare."""
        tasks = self._schedule.tasks
        return [
            gauge("warifu_schedule_turn_timestamp_seconds", "When the schedule looked last.", self._schedule.turned_at),
            gauge(
                "warifu_task_failing",
                "How often a task of the schedule failed since it last succeeded.",
                {task.name: task.failures for task in tasks},
                "task",
            ),
            counter(
                "warifu_task_failures",
                "How often a task of the schedule failed.",
                {task.name: task.failures_in_all for task in tasks},
                "task",
            ),
        ]

    async def troubles(self, now: int) -> list[str]:
        """Return whether it stands still."""
        turned_at = self._schedule.turned_at
        if turned_at <= now < turned_at + _LATE:
            return []
        since = f"stands still since {rfc3339(turned_at)}" if turned_at else "has not begun"
        return [f"The schedule {since}."]

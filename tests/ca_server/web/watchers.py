"""Those who watch an office: its officers' address, served as `serve` does."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from ca_server import app, logs
from tests.ca_server.observing.test_text import read
from tests.ca_server.web.office import Office


class Watchers:
    """What Prometheus and a load balancer see."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.alarms = logs.Alarms()
        self.schedule = office.wiring.schedule()
        self.responders = app.responders_of(office.config)
        application = office.wiring.watched(self.alarms, self.schedule, self.responders)
        self.client: TestClient[Any, Any] = TestClient(TestServer(application))

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["Watchers"]:
        """Watch until the end of the block."""
        async with self.client:
            yield self

    async def scrape(self) -> dict[tuple[str, ...], float]:
        """Return every sample by its name and labels."""
        answer = await self.client.get("/metrics")
        assert answer.status == 200
        return read(await answer.read())

    async def reasons(self) -> list[str]:
        """Return why the office is not ready, without its responder, which runs in no process here."""
        answer = await self.client.get("/readyz")
        told = json.loads(await answer.read())
        assert answer.status == (503 if told["reasons"] else 200)
        assert told["ready"] is not bool(told["reasons"])
        return [reason for reason in told["reasons"] if "OCSP responder" not in reason]

    async def let_the_clockwork_run(self) -> None:
        """Let the schedule run until each of its tasks has had a turn."""
        running = asyncio.create_task(self.schedule.run())
        async with asyncio.timeout(30):
            while not all(task.last for task in self.schedule.tasks):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
            self.schedule.stop()
            await running  # what has begun comes to its end

"""The supervisor, with processes that do nothing but what a test wants of them: started again, noticed, passed over."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from ca_server.responder import supervisor as module
from ca_server.responder.supervisor import Supervisor

SCRIPT = """
import pathlib, sys, threading, time
folder, role = pathlib.Path(sys.argv[1]), sys.argv[2]
if role == "worker":
    with open(folder / "started", "a") as file: file.write("x")
    if (folder / "broken").exists(): sys.exit(1)
print("ready", flush=True)
threading.Thread(target=lambda: sys.stdin.readline() and None or __import__("os")._exit(0), daemon=True).start()
while not (role == "worker" and (folder / "end").exists()):
    if not (role == "worker" and (folder / "silent").exists()): print("there again=3 alarms=1", flush=True)
    time.sleep(0.05)
"""


class Place:
    """A folder whose files say what the worker is to do, and how often one was started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.supervisor = Supervisor([sys.executable, "-c", SCRIPT, str(folder)], 1, ("127.0.0.1", self.port))

    @property
    def started(self) -> int:
        file = self.folder / "started"
        return len(file.read_text()) if file.exists() else 0

    def have(self, name: str) -> None:
        (self.folder / name).touch()

    def have_no(self, name: str) -> None:
        (self.folder / name).unlink()

    def is_open(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


async def until(seen: Callable[[], bool]) -> None:
    for _ in range(400):
        if seen():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come")


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """One worker and a keeper at work."""
    made = Place(tmp_path)
    await made.supervisor.open()
    await made.supervisor.start()
    yield made
    made.have("end")
    await made.supervisor.stop()


async def test_a_worker_that_ended_is_started_again_and_its_socket_stays(place: Place) -> None:
    place.have("end")
    await until(lambda: place.started == 2)
    assert place.is_open()
    place.have_no("end")


async def test_what_a_worker_counted_is_not_forgotten_when_the_next_one_counts_from_the_beginning(place: Place) -> None:
    def counted(name: str) -> int:
        return place.supervisor.places()[1].numbers[name]

    await until(lambda: counted("again") == 3)
    place.have("end")
    await until(lambda: place.started >= 2)
    place.have_no("end")
    await until(lambda: (counted("again"), counted("alarms")) == (6, 2))


async def test_when_there_is_no_process_to_be_had_it_is_tried_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, refused = asyncio.create_subprocess_exec, []

    async def refuses_once(*arguments, **named):
        if not refused:
            refused.append(True)
            raise BlockingIOError("Resource temporarily unavailable")
        return await whole(*arguments, **named)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", refuses_once)
    place.have("end")
    await until(lambda: bool(refused))
    place.have_no("end")
    await until(lambda: place.started == 2)


async def test_a_worker_that_says_nothing_any_more_is_replaced(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SECONDS_OF_SILENCE", 0.3)
    place.have("end")
    await until(lambda: place.started >= 2)
    place.have("silent")
    place.have_no("end")
    before = place.started
    await until(lambda: place.started > before)


async def test_while_no_worker_can_be_started_connections_fail_rather_than_wait(place: Place) -> None:
    place.have("broken")
    place.have("end")
    await until(lambda: not place.is_open())
    place.have_no("broken")
    place.have_no("end")
    await until(place.is_open)


async def test_an_address_that_somebody_has_is_not_shared(place: Place) -> None:
    with pytest.raises(OSError, match="in use"):
        await Supervisor([], 1, ("127.0.0.1", place.port)).open()


async def test_what_does_not_start_is_told(tmp_path: Path) -> None:
    made = Place(tmp_path)
    made.have("broken")
    running = Supervisor([sys.executable, "-c", SCRIPT, str(tmp_path)], 1, ("127.0.0.1", made.port))
    await running.open()
    with pytest.raises(module.DidNotStart, match="worker"):
        await running.start()
    await running.stop()

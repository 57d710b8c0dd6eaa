"""`serve` is told to stop: what is under way comes to its end, nobody holds it up, and nothing is lost."""

import asyncio
import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping

import aiohttp
import pytest

from tests.drills import ground
from tests.drills.enrolling import Answer, Caller, Candidate, enrol
from tests.end_to_end.agency import Agency

_AT_ONCE = 30
_TEN_SECONDS = 10


@pytest.fixture(scope="module")
def stoppable(tmp_path_factory: pytest.TempPathFactory) -> Agency:
    """Return an agency of these tests' own, for they stop it."""
    return Agency(tmp_path_factory.mktemp("stoppable"))


@pytest.fixture
def served(stoppable: Agency) -> Iterator[Agency]:
    """Serve, for the test to stop it."""
    stoppable.serve()
    yield stoppable
    if stoppable.process is not None:
        stoppable.stop()


@contextlib.contextmanager
def connected(agency: Agency, port: int, words: bytes = b"") -> Iterator[socket.socket]:
    """Connect to one of the two addresses and say something."""
    with socket.create_connection(("127.0.0.1", port), 5) as plain:
        if port == agency.http_port:
            plain.sendall(words)
            yield plain
            return
        with agency.trust().wrap_socket(plain, server_hostname="localhost") as line:
            line.sendall(words)
            yield line


def stopped(agency: Agency) -> float:
    """Stop the service, ask again while it stops, demand exit code 0, and return the seconds that it took."""
    assert agency.process is not None
    process, started = agency.process, time.monotonic()
    os.kill(process.pid, signal.SIGTERM)
    for impatient in (signal.SIGTERM, signal.SIGINT):
        time.sleep(0.05)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, impatient)
    assert agency.stop() == 0
    return time.monotonic() - started


def test_enrolments_under_way_are_answered_and_end_with_one_certificate_each(served: Agency) -> None:
    candidates = [Candidate(invitation) for invitation in served.approve(_AT_ONCE)]
    seconds, caller = asyncio.run(_enrolled_across_a_stop(served, candidates))
    assert seconds < _TEN_SECONDS
    assert ground.errors_of_its_own(caller.tally) == []
    assert len(caller.lost) <= 1, caller.lost  # who asks at the very moment an idle connection is closed
    assert ground.without_their_one(served, candidates) == []
    served.balance()


class AttentiveCaller(Caller):
    """A caller that notes which answers were lost; nobody there to ask is no answer lost."""

    def __init__(self, agency: Agency) -> None:
        super().__init__(agency.public_url, agency.trust(), connections=_AT_ONCE)
        self.lost: list[str] = []

    async def exchange(
        self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request as it is and return its answer."""
        try:
            return await super().exchange(method, url, body, headers)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self.lost.append(f"{method} {url}: {error!r}")
            raise


async def _enrolled_across_a_stop(agency: Agency, candidates: list[Candidate]) -> tuple[float, AttentiveCaller]:
    """Enrol all at once and stop in the middle; then serve again, until everybody is done."""
    async with AttentiveCaller(agency) as caller:
        enrolling = [asyncio.create_task(enrol(caller, candidate, 60)) for candidate in candidates]
        while sum(candidate.order_url is not None for candidate in candidates) < _AT_ONCE // 3:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        seconds = await asyncio.to_thread(stopped, agency)
        assert not all(task.done() for task in enrolling)
        await asyncio.to_thread(agency.serve)
        await asyncio.gather(*enrolling)
        return seconds, caller


def test_a_request_whose_body_still_comes_is_answered(served: Agency) -> None:
    with connected(served, served.public_port, _post("/acme/new-order", 2) + b"{") as line:
        time.sleep(0.2)
        stopping = threading.Thread(target=stopped, args=[served])
        stopping.start()
        time.sleep(0.5)
        line.sendall(b"}")
        answer = b"".join(iter(lambda: line.recv(4096), b""))
        stopping.join()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"urn:ietf:params:acme:error:malformed" in answer


def test_nobody_who_is_idle_or_half_spoken_holds_it_up(served: Agency) -> None:
    with contextlib.ExitStack() as stack:
        for port in (served.public_port, served.http_port):
            stack.enter_context(connected(served, port))
            stack.enter_context(connected(served, port, b"GET /dir"))
            idle = stack.enter_context(connected(served, port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            assert idle.recv(4096).startswith(b"HTTP/1.1 ")
        assert stopped(served) < 4


def test_bodies_that_do_not_come_and_a_silent_mail_server_hold_it_up_for_less_than_ten_seconds(
    stoppable: Agency,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, contextlib.ExitStack() as stack:
        smtp = f'transport = "smtp"\nsmtp_host = "127.0.0.1"\nsmtp_port = {silent.getsockname()[1]}'
        stoppable.configure('transport = "maildir"', smtp)
        stoppable.serve()
        stoppable.decide(stoppable.file(1))
        stack.enter_context(silent.accept()[0])
        stack.enter_context(connected(stoppable, stoppable.public_port, _post("/acme/new-order", 9)))
        stack.enter_context(connected(stoppable, stoppable.http_port, _post("/ocsp", 9)))
        time.sleep(0.2)
        assert stopped(stoppable) < _TEN_SECONDS


def _post(path: str, octets: int) -> bytes:
    """Return the header of a POST whose body is to follow."""
    lines = (f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/jose+json")
    return "\r\n".join([*lines, f"Content-Length: {octets}", "", ""]).encode()

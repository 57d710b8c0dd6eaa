"""What loads a server notices when it is not answered as it must be."""

import contextlib
import os
import shutil
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.asking import Question, request
from bench.loads import Wrk, one_each
from ca_server.authority.ocsp import IssuerHash

ISSUER = IssuerHash("sha1", bytes(20), bytes(20))
REQUEST = request(ISSUER, 7, bytes(16))


class Answering(socketserver.StreamRequestHandler):
    """Answers each connection's one request by what its server was told."""

    def handle(self) -> None:
        length = 0
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        body = self.rfile.read(length)
        self.server.bodies.append(body)  # type: ignore[attr-defined]
        self.wfile.write(self.server.answer(body))  # type: ignore[attr-defined]


class Server(socketserver.ThreadingTCPServer):
    """Has room for all that come at once."""

    request_queue_size = 64


@contextlib.contextmanager
def answering(answer: object) -> Iterator[tuple[int, list[bytes]]]:
    """Run a server that answers with what `answer` makes of a body; give its port and what it was sent."""
    with Server(("127.0.0.1", 0), Answering) as server:
        server.answer, server.bodies = answer, []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1], server.bodies  # type: ignore[attr-defined]
        finally:
            server.shutdown()
            thread.join()


def echoing(body: bytes) -> bytes:
    return b"HTTP/1.0 200 OK\r\n\r\n" + body


@pytest.fixture
def requests(tmp_path: Path) -> Path:
    file = tmp_path / "requests"
    file.write_text(REQUEST.hex() + "\n", "ascii")
    return file


def test_each_request_brings_a_nonce_of_its_own(requests: Path) -> None:
    with answering(echoing) as (port, bodies):
        figures = one_each(port, os.getpid(), requests, 1)
    assert figures["requests/s"] > 0
    assert len({body[-16:] for body in bodies}) == len(bodies) > 8
    assert {body[:-16] for body in bodies} == {REQUEST[:-16]}


@pytest.mark.parametrize(
    "answer",
    [
        lambda body: b"HTTP/1.0 200 OK\r\n\r\n" + body[:-16],
        lambda body: b"HTTP/1.0 500 no\r\n\r\n" + body,
        lambda body: b"",
    ],
    ids=["without the nonce", "not 200", "nothing"],
)
def test_a_request_that_is_not_answered_ends_the_measurement(requests: Path, answer: object) -> None:
    with answering(answer) as (port, _), pytest.raises(RuntimeError, match="Unanswered"):
        one_each(port, os.getpid(), requests, 1)


def test_wrk_that_meets_a_404_ends_the_measurement(tmp_path: Path) -> None:
    if shutil.which("wrk") is None:
        pytest.skip("wrk is missing: install the Debian package wrk")
    wrk = Wrk(tmp_path, connections=1)
    wrk.write([Question(7, None, REQUEST)])
    refusing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with answering(lambda body: refusing) as (port, _), pytest.raises(RuntimeError, match="faults"):
        wrk.measure("POST", port, os.getpid(), 1)

"""Loads a responder with one request a connection: each brings a nonce of its own, and must get it back.

`python -m bench.single PORT SECONDS FILE`, the file a request (hex) with a nonce of 16 octets a line, of which the
nonces are replaced: they are the last octets of a request. ab would do, but sends one nonce for ever and leaves a
connection without a request behind, after which `openssl ocsp` spins and answers nobody. Here no connection is opened
that does not send its request at once.
"""

import os
import select
import socket
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

AT_ONCE = 8
NONCE = 16
_SECONDS_TO_WAIT = 10


class Unanswered(Exception):
    """A request was not answered with 200 and its nonce."""


class Loading:
    """Connections that are open, each with its nonce and what came so far."""

    def __init__(self, port: int, requests: list[bytes]) -> None:
        self._address = ("127.0.0.1", port)
        self._requests: Iterator[bytes] = cycle([_head(port, len(each)) + each[:-NONCE] for each in requests])
        self._open: dict[int, tuple[socket.socket, bytes, list[bytes]]] = {}
        self._poll = select.epoll()
        self.done = 0

    def ask(self) -> None:
        """Open a connection and send a request on it."""
        connection = socket.create_connection(self._address, _SECONDS_TO_WAIT)
        nonce = os.urandom(NONCE)
        connection.sendall(next(self._requests) + nonce)
        self._poll.register(connection, select.EPOLLIN)
        self._open[connection.fileno()] = (connection, nonce, [])

    def finish_some(self) -> int:
        """Wait for answers, and return how many came to their end. Raises Unanswered."""
        events = self._poll.poll(_SECONDS_TO_WAIT)
        if not events:
            raise Unanswered(f"no answer for {_SECONDS_TO_WAIT} s after {self.done} requests")
        return sum(self._read(number) for number, _ in events)

    def wait_for_all(self) -> None:
        """Wait until nothing is open."""
        while self._open:
            self.finish_some()

    def _read(self, number: int) -> bool:
        connection, nonce, pieces = self._open[number]
        piece = connection.recv(65536)
        if piece:
            pieces.append(piece)
            return False
        answer = b"".join(pieces)
        if answer[8:13] != b" 200 " or nonce not in answer:
            raise Unanswered(f"after {self.done} requests: {answer[:200]!r}")
        connection.close()
        del self._open[number]
        self.done += 1
        return True


def _head(port: int, length: int) -> bytes:
    lines = (
        "POST /ocsp HTTP/1.0",
        f"Host: 127.0.0.1:{port}",
        "Content-Type: application/ocsp-request",
        f"Content-Length: {length}",
    )
    return "\r\n".join((*lines, "", "")).encode()


def main(port: int, seconds: float, file: Path) -> None:
    """Load for some seconds and print how many requests were answered in how many seconds."""
    loading = Loading(port, [bytes.fromhex(line) for line in file.read_text("ascii").split()])
    began = time.perf_counter()
    for _ in range(AT_ONCE):
        loading.ask()
    while time.perf_counter() - began < seconds:
        for _ in range(loading.finish_some()):
            loading.ask()
    loading.wait_for_all()
    print(loading.done, time.perf_counter() - began)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]))

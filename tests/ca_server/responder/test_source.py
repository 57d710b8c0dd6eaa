"""The connection to the machine that is followed: kept, made anew when it was closed, and never waited for long."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ca_server.responder.source import CHANGES, Source, SourceTrouble
from tests.ca_server.notices.mail_servers import Authority

_SECONDS = 1.0
_WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
_CLOSING = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
Talk = Callable[[ssl.SSLSocket], None]


class Machine:
    """A machine that speaks TLS and does to each connection what its test says."""

    def __init__(self, authority: Authority) -> None:
        self._trust = ssl.create_default_context(cafile=authority.file)
        self._tls = authority.server("localhost")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.talk: Talk = lambda _: None
        self.met = 0
        self._sources: list[Source] = []
        self.over = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def source(self) -> Source:
        """Return one that asks here."""
        made = Source(f"https://localhost:{self._listener.getsockname()[1]}", "secret", self._trust, _SECONDS)
        self._sources.append(made)
        return made

    def close(self) -> None:
        """Let nobody wait any longer."""
        self.over.set()
        for each in self._sources:
            each.hang_up()
        self._listener.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._listener.accept()
                self.met += 1
                threading.Thread(target=self._meet, args=(line,), daemon=True).start()

    def _meet(self, line: socket.socket) -> None:
        with contextlib.suppress(OSError), self._tls.wrap_socket(line, server_side=True) as wire:
            self.talk(wire)


def says(*answers: bytes) -> Talk:
    """Return who gives one answer after the other and then closes."""

    def talk(wire: ssl.SSLSocket) -> None:
        for each in answers:
            if not wire.recv(4096):
                return
            wire.sendall(each)

    return talk


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with contextlib.closing(Machine(Authority(tmp_path / "ca"))) as running:
        yield running


@pytest.mark.parametrize("answer", [_WHOLE, _CLOSING, _CHUNKED], ids=["whole", "closing", "chunked"])
def test_it_asks_again_whatever_became_of_the_connection(machine: Machine, answer: bytes) -> None:
    machine.talk = says(answer, answer)
    source = machine.source()
    assert [source.get(CHANGES) for _ in range(5)] == [b"{}"] * 5


def test_a_connection_is_kept(machine: Machine) -> None:
    machine.talk = says(*[_WHOLE] * 5)
    source = machine.source()
    for _ in range(5):
        source.get(CHANGES)
    assert machine.met == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{}",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
        b"\r\n\r\n",
        b"",
    ],
)
def test_an_answer_that_is_not_whole_or_no_answer_is_trouble(machine: Machine, answer: bytes) -> None:
    machine.talk = says(answer)
    with pytest.raises(SourceTrouble):
        machine.source().get(CHANGES)


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"], ids=["nothing", "a trickle"])
def test_an_answer_that_does_not_end_is_given_up_in_time(machine: Machine, sent: bytes) -> None:
    def talk(wire: ssl.SSLSocket) -> None:
        wire.recv(4096)
        wire.sendall(sent)
        while not machine.over.wait(0.1):
            wire.sendall(b" " if sent else b"")

    machine.talk = talk
    source, began = machine.source(), time.monotonic()
    with pytest.raises(SourceTrouble):
        source.get(CHANGES)
    assert _SECONDS <= time.monotonic() - began < 2 * _SECONDS
    machine.talk = says(_WHOLE)
    assert source.get(CHANGES) == b"{}"


def test_a_kept_connection_that_falls_silent_gets_no_second_time(machine: Machine) -> None:
    def talk(wire: ssl.SSLSocket) -> None:
        says(_WHOLE)(wire)
        machine.over.wait(30)

    machine.talk = talk
    source = machine.source()
    source.get(CHANGES)
    began = time.monotonic()
    with pytest.raises(SourceTrouble):
        source.get(CHANGES)
    assert time.monotonic() - began < 2 * _SECONDS

"""The processes that answer at the plain http address: workers and one keeper, started, watched and started again.

The sockets are this process's: each worker gets one of its own at the same address (SO_REUSEPORT), among which the
kernel spreads the connections. When a worker dies, however, its socket stays, and whoever connects waits in its queue
until the next worker takes it, well within a second. Workers are started afresh (exec), never forked. They end when
their standard input says so, and at once when it ends: none outlives this process. Signals to its group are not meant
for them, so each has a session of its own. What they say they say in the log; their standard output has one line, when
they are ready.
"""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Sequence
from typing import Final

from ca_server.language import sentence

log = logging.getLogger(__name__)

BACKLOG: Final = 1024
"""Who may wait at a socket while its worker is busy, or starts."""

_SECONDS_TO_START: Final = 30
_SECONDS_TO_END: Final = 9
_LONGEST_PAUSE: Final = 10
_SHORT_LIFE: Final = 5


class DidNotStart(Exception):
    """A worker or the keeper ended before it was ready; the log says why."""


class _Child:
    """One place: the process that is in it, and the next one when that has ended."""

    def __init__(self, name: str, command: Sequence[str], listener: socket.socket | None) -> None:
        self.name = name
        self._command = command
        self._listener = listener
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start a process and wait until it is ready. Raises DidNotStart."""
        handed = () if self._listener is None else (self._listener.fileno(),)
        command = [*self._command, *map(str, handed)]
        self._process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=handed,
            start_new_session=True,
        )
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        try:
            async with asyncio.timeout(_SECONDS_TO_START):
                line = await self._process.stdout.readline()
        except TimeoutError:
            line = b""
        if not line:
            self.kill()
            await self._process.wait()
            raise DidNotStart(
                sentence("The {name} of the OCSP responder did not start; the log says why.", name=self.name)
            )

    async def watch(self) -> None:
        """Start it again whenever it ends: at once, and after a pause that doubles when it ends again soon."""
        pause = 0
        while True:
            began = time.monotonic()
            if self._process is not None:
                code = await self._process.wait()
                log.error("ALARM: the %s of the OCSP responder ended with %d and is started again", self.name, code)
            if time.monotonic() - began < _SHORT_LIFE:
                await asyncio.sleep(pause)
                pause = min(2 * pause + 1, _LONGEST_PAUSE)
            else:
                pause = 0
            with contextlib.suppress(DidNotStart):
                await self.start()

    def end(self) -> None:
        """Tell it to end."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(RuntimeError):  # it has ended
                self._process.stdin.write(b"end\n")

    async def ended(self) -> None:
        """Wait until it has ended."""
        if self._process is not None:
            await self._process.wait()

    def kill(self) -> None:
        """End it without its consent."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()


class Supervisor:
    """Runs the responder's processes: `command` and a role, and for a worker the number of its socket."""

    def __init__(self, command: Sequence[str], workers: int, address: tuple[str, int]) -> None:
        self._command = command
        self._workers = workers
        self._address = address
        self._sockets: list[socket.socket] = []
        self._children: list[_Child] = []
        self._watches: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Take the address; who connects waits for `start`. Raises OSError when it cannot be had."""
        self._sockets = _listeners(self._address, self._workers)

    async def start(self) -> None:
        """Start all. Raises DidNotStart when one does not start."""
        keeper = _Child("keeper", [*self._command, "keeper"], None)
        workers = [_Child("worker", [*self._command, "worker"], each) for each in self._sockets]
        self._children = [keeper, *workers]
        await keeper.start()  # it makes the file that workers look into
        await asyncio.gather(*(worker.start() for worker in workers))
        self._watches = [asyncio.create_task(each.watch()) for each in self._children]

    async def stop(self) -> None:
        """Let all finish what they are at, and return after nine seconds at the most."""
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        for each in self._sockets:
            each.close()
        for child in self._children:
            child.end()
        try:
            async with asyncio.timeout(_SECONDS_TO_END):
                await asyncio.gather(*(child.ended() for child in self._children))
        except TimeoutError:
            for child in self._children:
                child.kill()


def _listeners(address: tuple[str, int], count: int) -> list[socket.socket]:
    """Return listening sockets at one address. Raises OSError when somebody else has it.

    SO_REUSEPORT alone would let two services share an address by mistake: so it is taken without first.
    """
    family, kind, protocol, _, place = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0]
    made: list[socket.socket] = []
    try:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
            place = probe.getsockname()
        for _ in range(count):
            each = socket.socket(family, kind, protocol)
            made.append(each)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            each.bind(place)
        for each in made:
            each.listen(BACKLOG)
    except OSError:
        for each in made:
            each.close()
        raise
    return made

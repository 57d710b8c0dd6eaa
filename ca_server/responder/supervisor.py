"""The processes that answer at the plain http address: workers and one keeper, started, watched and started again.

The sockets are this process's: each worker gets one of its own at the same address (SO_REUSEPORT), among which the
kernel spreads the connections. When a worker dies, however, its socket stays, and whoever connects waits in its queue
until the next worker takes it, well within a second; only when that one cannot start is the socket closed, and the
others get all. A worker that says nothing for ten seconds is ended. Workers are started afresh (exec), never forked.
They end when their standard input says so, and at once when it ends: none outlives this process. Signals to its group
are not meant for them, so each has a session of its own. What they say they say in the log; their standard output has a
line when they are ready, and one each second with what they have counted (`words`).
"""

import asyncio
import contextlib
import logging
import socket
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from ca_server.language import sentence
from ca_server.responder import words

log = logging.getLogger(__name__)

BACKLOG: Final = 1024
"""Who may wait at a socket while its worker is busy, or starts."""

_SECONDS_TO_START: Final = 30
_SECONDS_TO_END: Final = 9
_LONGEST_PAUSE: Final = 10
_SHORT_LIFE: Final = 5
_SECONDS_OF_SILENCE: Final = 10.0


class DidNotStart(Exception):
    """A worker or the keeper ended before it was ready; the log says why."""


class _Child:
    """One place: the process that is in it, and the next one when that has ended.

    A worker's place has an `address`, and a socket there as long as there is somebody to take what comes.
    """

    def __init__(self, name: str, command: Sequence[str], address: tuple[str, int] | None) -> None:
        self.name = name
        self._command = command
        self._address = address
        self._listener: socket.socket | None = None
        self._process: asyncio.subprocess.Process | None = None
        self.begun = 0
        self._numbers: dict[str, int] = {}
        self._gone: Counter[str] = Counter()

    @property
    def lives(self) -> bool:
        """Tell whether a process is here."""
        return self._process is not None and self._process.returncode is None

    @property
    def numbers(self) -> dict[str, int]:
        """Return what it said last, counters with those of the processes before it."""
        return self._numbers | {name: self._numbers.get(name, 0) + self._gone[name] for name in words.COUNTERS}

    def listen(self) -> None:
        """Let connections come. Raises OSError."""
        if self._address is not None and self._listener is None:
            self._listener = _listener(self._address)

    def hang_up(self) -> None:
        """Let no connection come here; the kernel gives them to the others."""
        if self._listener is not None:
            self._listener.close()
        self._listener = None

    async def start(self) -> None:
        """Start a process and wait until it is ready. Raises DidNotStart, or OSError when none is to be had."""
        self.begun += 1
        self._gone.update({name: self._numbers.get(name, 0) for name in words.COUNTERS})
        self._numbers = {}
        self.listen()
        handed = () if self._listener is None else (self._listener.fileno(),)
        self._process = await asyncio.create_subprocess_exec(
            *[*self._command, *map(str, handed)],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=handed,
            start_new_session=True,
        )
        if not await self._word(self._process, _SECONDS_TO_START):
            self.kill()
            await self._process.wait()
            raise DidNotStart(
                sentence("The {name} of the OCSP responder did not start; the log says why.", name=self.name)
            )

    async def watch(self) -> None:
        """Start it again whenever it ends: at once, and after a pause that doubles when that comes to nothing."""
        pause = 0
        while True:
            began = time.monotonic()
            log.error("ALARM: the %s of the OCSP responder %s and is started again", self.name, await self._fate())
            if time.monotonic() - began >= _SHORT_LIFE:
                pause = 0
            while True:
                await asyncio.sleep(pause)
                pause = min(2 * pause + 1, _LONGEST_PAUSE)
                try:
                    await self.start()
                    break
                except (DidNotStart, OSError) as error:
                    self.hang_up()
                    log.error("ALARM: the %s of the OCSP responder cannot be started: %s", self.name, error)

    async def _fate(self) -> str:
        """Wait for the end of the process, and make one for a worker that says nothing any more; tell what it was."""
        assert self._process is not None  # noqa: S101 - it was started
        silence = None if self._address is None else _SECONDS_OF_SILENCE
        while said := await self._word(self._process, silence):
            self._numbers |= words.heard(said)
        if self._process.returncode is None and silence is not None:
            self.kill()
        return f"ended with {await self._process.wait()}"

    async def _word(self, process: asyncio.subprocess.Process, seconds: float | None) -> bytes:
        """Return the next line that the process says, empty when none comes in time, or ever."""
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        try:
            async with asyncio.timeout(seconds):
                return await process.stdout.readline()
        except TimeoutError:
            return b""

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


class Place(NamedTuple):
    """How one of the processes is doing."""

    name: str
    lives: bool
    begun: int
    """How many have been started here, one after the other."""
    numbers: dict[str, int]


class Supervisor:
    """Runs the responder's processes: `command` and a role, and for a worker the number of its socket."""

    def __init__(self, command: Sequence[str], workers: int, address: tuple[str, int]) -> None:
        self._keeper = _Child("keeper", [*command, "keeper"], None)
        self._workers = [_Child("worker", [*command, "worker"], address) for _ in range(workers)]
        self._address = address
        self._watches: list[asyncio.Task[None]] = []

    @property
    def _children(self) -> list[_Child]:
        return [self._keeper, *self._workers]

    def places(self) -> list[Place]:
        """Return how each of its processes is doing, the keeper first."""
        return [Place(each.name, each.lives, each.begun, each.numbers) for each in self._children]

    async def open(self) -> None:
        """Take the address; who connects waits for `start`. Raises OSError when it cannot be had."""
        _require_free(self._address)
        for worker in self._workers:
            worker.listen()

    async def start(self) -> None:
        """Start all. Raises DidNotStart when one does not start."""
        await self._keeper.start()  # it makes the file that workers look into
        await asyncio.gather(*(worker.start() for worker in self._workers))
        self._watches = [asyncio.create_task(each.watch()) for each in self._children]

    async def stop(self) -> None:
        """Let all finish what they are at, and return after nine seconds at the most."""
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        for child in self._children:
            child.hang_up()
            child.end()
        try:
            async with asyncio.timeout(_SECONDS_TO_END):
                await asyncio.gather(*(child.ended() for child in self._children))
        except TimeoutError:
            for child in self._children:
                child.kill()
                await child.ended()


def _require_free(address: tuple[str, int]) -> None:
    """Raise OSError when somebody has the address: SO_REUSEPORT would let two services share one by mistake."""
    family, kind, protocol, _, place = _resolved(address)
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(place)


def _listener(address: tuple[str, int]) -> socket.socket:
    """Return a socket that listens beside others at the address. Raises OSError."""
    family, kind, protocol, _, place = _resolved(address)
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(place)
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made


def _resolved(address: tuple[str, int]) -> tuple[Any, ...]:
    return socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0]

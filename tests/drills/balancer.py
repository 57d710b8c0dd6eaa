"""A load balancer as the operator's is: TCP through, one server after the other, past those that are not well.

Whoever does not answer /healthz within a second is not well: it gets no more connections, and those that it has end.
"""

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Iterator, Sequence

_PIECE = 64 * 1024
_SECONDS_TO_CONNECT = 0.5
_SECONDS_TO_ANSWER = 1.0
_BETWEEN_LOOKS = 0.3
_QUESTION = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Server:
    """One server behind: its ports, whether it is well, and what it has open."""

    def __init__(self, ports: Sequence[int], health: int) -> None:
        self.ports = ports
        self.open: set[asyncio.StreamWriter] = set()
        self.is_well = True
        self._health = health

    async def watch(self) -> None:
        """Look after it for ever."""
        while True:
            self.is_well = await self._answers()
            if not self.is_well:
                for each in list(self.open):
                    each.transport.abort()
            await asyncio.sleep(_BETWEEN_LOOKS)

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(_SECONDS_TO_ANSWER):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._health)
                with contextlib.closing(writer):
                    writer.write(_QUESTION)
                    return b" 200 " in await reader.readline()
        except OSError:
            return False


class Balancer:
    """Spreads the connections of a front port among the servers' ports of that place."""

    def __init__(self, servers: Sequence[Server], place: int) -> None:
        self._servers = servers
        self._place = place
        self._turns = itertools.count()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection through."""
        begin = next(self._turns)
        for turn in range(len(self._servers)):
            server = self._servers[(begin + turn) % len(self._servers)]
            if not server.is_well:
                continue
            try:
                async with asyncio.timeout(_SECONDS_TO_CONNECT):
                    there = await asyncio.open_connection("127.0.0.1", server.ports[self._place])
            except OSError:
                continue
            ends = {writer, there[1]}
            server.open |= ends
            await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))
            server.open -= ends
            return
        writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes until it ends, or the other side is gone."""
    with contextlib.suppress(OSError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        writer.close()


@contextlib.contextmanager
def balancing(fronts: Sequence[int], servers: Sequence[tuple[Sequence[int], int]]) -> Iterator[None]:
    """Balance each front port until the end of the block; servers are told by ports in the same order, and health."""
    loop, ready, end = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        behind = [Server(*each) for each in servers]
        watches = [asyncio.create_task(each.watch()) for each in behind]
        listening = [
            await asyncio.start_server(Balancer(behind, place).serve, "127.0.0.1", port, backlog=512)
            for place, port in enumerate(fronts)
        ]
        ready.set()
        await end.wait()
        for each in listening:
            each.close()
        for task in (*watches, *(asyncio.all_tasks() - {asyncio.current_task()})):  # type: ignore[arg-type]
            task.cancel()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="balancer", daemon=True)
    thread.start()
    try:
        assert ready.wait(10), "the balancer does not listen"
        yield
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(10)
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

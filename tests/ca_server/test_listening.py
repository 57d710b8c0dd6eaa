"""A listener that failed to let somebody in takes connections again, also those that queued meanwhile."""

import asyncio
import contextlib
from typing import cast

import pytest
import uvloop

from ca_server.listening import Listener


class Greeting(asyncio.Protocol):
    """Says that somebody is there."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(b"here")  # uvloop's is one by its methods alone
        transport.close()


async def _greeted(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.closing(writer):
        return await asyncio.wait_for(reader.read(), 5)


async def _after_trouble(trouble: list[BaseException]) -> list[bytes]:
    def protocol() -> asyncio.BaseProtocol:
        if trouble:
            raise trouble.pop()
        return Greeting()

    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    listener = Listener(protocol)
    await listener.open(host="127.0.0.1", port=0)
    port = listener._sockets[0].getsockname()[1]
    with contextlib.closing(listener):
        with contextlib.suppress(OSError, TimeoutError):  # whoever met the trouble is cut off
            await asyncio.wait_for(_greeted(port), 0.1)
        return await asyncio.gather(*(_greeted(port) for _ in range(3)))


@pytest.mark.parametrize("trouble", [MemoryError(), OSError(24, "Too many open files")], ids=["memory", "descriptors"])
def test_those_who_queue_after_trouble_are_let_in(trouble: BaseException) -> None:
    assert uvloop.run(_after_trouble([trouble])) == [b"here"] * 3


def test_a_listener_that_is_closed_lets_nobody_in() -> None:
    async def closed() -> None:
        listener = Listener(Greeting)
        await listener.open(host="127.0.0.1", port=0)
        port = listener._sockets[0].getsockname()[1]
        listener.close()
        with pytest.raises(ConnectionRefusedError):
            await _greeted(port)

    uvloop.run(closed())

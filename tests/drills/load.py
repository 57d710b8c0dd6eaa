"""`python load.py PORT CONNECTIONS PATH…`: asks for the paths on and on, pipelined, until standard input ends.

It prints a line when it has begun, and in the end how many answers came.

A process of its own, so that what it costs does not slow whoever measures.
"""

import asyncio
import sys

_AT_ONCE = 16


async def _ask(port: int, paths: list[str], answered: list[int]) -> None:
    requests = [f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for path in paths]
    batch = b"".join(requests[place % len(requests)] for place in range(_AT_ONCE))
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            while True:
                writer.write(batch)
                for _ in range(_AT_ONCE):
                    head = await reader.readuntil(b"\r\n\r\n")
                    await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]))
                    answered[0] += 1
                    if answered[0] == 1:
                        print("asking", flush=True)
        except (OSError, EOFError):
            await asyncio.sleep(0.05)


async def main() -> None:
    """Ask until standard input ends."""
    port, connections, *paths = sys.argv[1:]
    answered = [0]
    asking = [asyncio.create_task(_ask(int(port), paths, answered)) for _ in range(int(connections))]
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    print(answered[0])


if __name__ == "__main__":
    asyncio.run(main())

"""Flood: slow connections of five kinds, one that asks without a pause, and garbage, while others ask for OCSP.

Others hardly notice, the workers' memory stays what it was, and no slow connection lives longer than fifteen seconds.
The attacker is a process of its own (`python flood.py PORT CONNECTIONS SECONDS PATH`): it tells how long its
connections lived.
"""

import asyncio
import contextlib
import json
import random
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.drills import planted
from tests.drills.enrolling import Candidate
from tests.drills.figures import Figure, counted, none_of
from tests.drills.raw_http import nonsense
from tests.end_to_end.agency import Agency
from tests.end_to_end.questions import Crowd, judge
from tests.end_to_end.relying import enrolled, memory, processes, serial_of

_EVERY = 0.5
_MOST_MEMORY = 16 << 20
_GARBAGE_AT_ONCE = 8


def drill(
    folder: Path, connections: int = 200, within: float = 15, defect: str | None = None, *, impatient: bool = False
) -> list[Figure]:
    """Hold `connections` in all and throw garbage for so long that each should have been ended."""
    agency = Agency(folder)
    agency.serve_prefix = [sys.executable, planted.__file__, *(["--defect", defect] if defect else [])]
    agency.serve_prefix += ["--impatient"] if impatient else []
    agency.serve()
    try:
        candidates = enrolled(agency, 4)
        asyncio.run(_flooded(agency, candidates, 20, 1))  # what a worker needs once, it has afterwards
        before = _memory(agency)
        crowd, told = asyncio.run(_flooded(agency, candidates, connections, within + 2))
        grown = max(after - first for first, after in zip(before, _memory(agency), strict=True))
    finally:
        agency.stop()
    return _figures(crowd, told, grown, connections, within, impatient=impatient)


def _figures(
    crowd: Crowd, told: dict[str, list[float]], grown: int, connections: int, within: float, *, impatient: bool
) -> list[Figure]:
    times = sorted(crowd.seconds)
    slowest_of_most, most = times[len(times) * 99 // 100], 1.0 if impatient else 0.2  # impatient: in company
    not_good = [f"{count} × {word}" for word, count in crowd.words.items() if word != "good"]
    garbage, asked = (int(told.pop(kind)[0]) for kind in ("garbage", "asked"))
    figures = [
        Figure(
            "flood: others, 99 %",
            f"≤ {most * 1000:.0f} ms",
            f"{slowest_of_most * 1000:.0f} ms",
            slowest_of_most <= most,
        ),
        none_of("flood: others not answered", not_good),
        Figure("flood: garbage connections", "≥ 100", str(garbage), garbage >= 100),
        Figure("flood: asked without a pause", "≥ 1,000", f"{asked:,}", asked >= 1_000),
        Figure("flood: a worker's memory grows by", "≤ 16 MiB", f"{grown / (1 << 20):.1f} MiB", grown <= _MOST_MEMORY),
    ]
    for kind, lives in told.items():
        longest = max(lives)
        figures += [
            counted(f"flood: {kind}, connections", connections // len(told), len(lives)),
            Figure(f"flood: {kind}, longest", f"≤ {within:.0f} s", f"{longest:.1f} s", longest <= within),
        ]
    return figures


def _memory(agency: Agency) -> list[int]:
    assert agency.process is not None
    return [memory(each) for each in processes(agency.process.pid, "worker")]


async def _flooded(
    agency: Agency, candidates: list[Candidate], connections: int, seconds: float
) -> tuple[Crowd, dict[str, list[float]]]:
    asked = judge(agency.chain)
    serials = [serial_of(each) for each in candidates]
    command = [sys.executable, "-m", "tests.drills.flood", str(agency.http_port), str(connections), str(seconds)]
    attacker = await asyncio.create_subprocess_exec(
        *command, asked.question(serials[0]).hex(), stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    crowd = Crowd(asked, serials)
    async with crowd.asking(agency.http_port, askers=10, pause=0.1):
        said, _ = await attacker.communicate()
    return crowd, json.loads(said)


Speaker = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bytes], Awaitable[None]]


async def _header_byte_by_byte(_: asyncio.StreamReader, writer: asyncio.StreamWriter, question: bytes) -> None:
    await _trickle(writer, b"POST /ocsp HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"a" * 1000)


async def _body_byte_by_byte(_: asyncio.StreamReader, writer: asyncio.StreamWriter, question: bytes) -> None:
    writer.write(b"POST /ocsp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
    await _trickle(writer, question * 12)


async def _chunks_byte_by_byte(_: asyncio.StreamReader, writer: asyncio.StreamWriter, question: bytes) -> None:
    writer.write(b"POST /ocsp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
    await _trickle(writer, b"1\r\na\r\n" * 200)


async def _not_reading(_: asyncio.StreamReader, writer: asyncio.StreamWriter, question: bytes) -> None:
    """Ask for more than all buffers hold; a byte now and then tells whether somebody is still there."""
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    post = b"POST /ocsp HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(question) + question
    writer.write(post * 8000)
    await _trickle(writer, b"P" * 1000)


async def _idle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, question: bytes) -> None:
    writer.write(b"POST /ocsp HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(question) + question)
    while await reader.read(4096):
        pass


async def _trickle(writer: asyncio.StreamWriter, octets: bytes) -> None:
    for place in range(len(octets)):
        if writer.transport.is_closing():
            return
        writer.write(octets[place : place + 1])
        await asyncio.sleep(_EVERY)


_KINDS: dict[str, Speaker] = {
    "headers": _header_byte_by_byte,
    "bodies": _body_byte_by_byte,
    "chunks": _chunks_byte_by_byte,
    "answers not read": _not_reading,
    "idle": _idle,
}


async def _held(port: int, speak: Speaker, question: bytes, lives: list[float]) -> None:
    """Hold one connection until it is ended, and note how long it lived."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    started = time.monotonic()
    try:
        with contextlib.suppress(OSError):
            await speak(reader, writer, question)
    finally:
        lives.append(time.monotonic() - started)
        writer.transport.abort()


async def _throw(port: int, count: list[float]) -> None:
    """Throw garbage, a connection each."""
    chance = random.Random()
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(nonsense(chance, "localhost"))
            await asyncio.sleep(0.02)
            writer.transport.abort()
            count[0] += 1


async def _ask_without_a_pause(port: int, question: bytes, count: list[float]) -> None:
    """Have a thousand unknown serial numbers under way on one connection at any time; each answer is signed."""
    unknown = question[:-1] + bytes((question[-1] ^ 1,))
    asked = b"POST /ocsp HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(unknown) + unknown
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(asked * 900)
    while piece := await reader.read(1 << 16):
        answers = piece.count(b"HTTP/1.1 200 OK")
        writer.write(asked * answers)
        count[0] += answers


async def _attack(port: int, connections: int, seconds: float, question: bytes) -> dict[str, list[float]]:
    told: dict[str, list[float]] = {kind: [] for kind in _KINDS} | {"garbage": [0], "asked": [0]}
    held = [
        asyncio.create_task(_held(port, speak, question, told[kind]))
        for kind, speak in _KINDS.items()
        for _ in range(connections // len(_KINDS))
    ]
    throwing = [asyncio.create_task(_throw(port, told["garbage"])) for _ in range(_GARBAGE_AT_ONCE)]
    throwing.append(asyncio.create_task(_ask_without_a_pause(port, question, told["asked"])))
    await asyncio.sleep(seconds)
    for task in (*held, *throwing):
        task.cancel()
    await asyncio.gather(*held, *throwing, return_exceptions=True)
    return told


if __name__ == "__main__":
    asked_port, asked_connections, asked_seconds, asked_question = sys.argv[1:]
    attack = _attack(int(asked_port), int(asked_connections), float(asked_seconds), bytes.fromhex(asked_question))
    print(json.dumps(asyncio.run(attack)))

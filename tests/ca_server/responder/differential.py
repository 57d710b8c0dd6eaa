"""The plain address beside the same address without its fast path: whatever is sent, both say the same."""

import asyncio
import collections
import contextlib
import dataclasses
import functools
import logging
import random
import re
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from unittest import mock

from aiohttp.web_protocol import _ErrInfo
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from ca_server.authority import hierarchy
from ca_server.clock import HOUR
from ca_server.responder.answers import Answers
from ca_server.responder.routes import Responder, application
from ca_server.responding import PlainAddress
from ca_server.web import doorman
from ca_server.web.doorman import Doorman, Guest, tells_no_request_line
from ca_server.web.entrance import Entrance
from protocol.vocabulary import RevocationReason
from tests.ca_server.responder import asking
from tests.ca_server.responder.stand import Hand, Register, issuing, the_house
from tests.ca_server.web.office import TurnedClock

_AT_ONCE = 24
_PATIENCE = 1.0
_LONG_PATIENCE = 5.0
_BETWEEN_PIECES = 0.002
_ANSWER = re.compile(rb"(?=HTTP/[0-9]\.[0-9] [1-5][0-9][0-9] )")
_LINE = re.compile(rb"[ -~]*\r\n")
_OWN = (b"date", b"connection", b"keep-alive")
_REFUSALS = range(400, 500)


def always_the_same(clock: TurnedClock) -> Answers:
    """Return who gives the same answer to the same question, signed live, with signatures by RFC 6979."""
    at = the_house()
    key = ec.derive_private_key(7, ec.SECP256R1())
    signer = hierarchy.make_ocsp_signer(at.hierarchy_profile, asking.issuer(), key, at.now)
    algorithm = ec.ECDSA(SHA256(), deterministic_signing=True)
    object.__setattr__(signer, "signature", functools.partial(key.sign, signature_algorithm=algorithm))
    register = Register()
    register.set(asking.GOOD)
    register.set(asking.REVOKED, RevocationReason.keyCompromise, at=clock.now())
    mine = issuing(Hand(signer), certificate=asking.issuer().certificate)
    return Answers([mine], None, register.told, HOUR, clock)


@dataclasses.dataclass(frozen=True)
class Said:
    """One answer on a connection."""

    status: int
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @property
    def comparable(self) -> object:
        """Return what must be the same; a refusal may be in other words, for doorman and aiohttp have their own."""
        if self.status in _REFUSALS:
            return self.status
        return self.status, sorted(field for field in self.fields if field[0] not in _OWN), self.body

    @property
    def is_doormans(self) -> bool:
        """Tell whether the doorman, who sees a connection once, refused what he would let pass in other pieces."""
        return self.status == 400 and self.length == 0

    @property
    def length(self) -> int | None:
        """Return its Content-Length."""
        found = dict(self.fields).get(b"content-length")
        return None if found is None else int(found)

    @property
    def is_last(self) -> bool:
        """Tell whether it says that the connection ends with it."""
        return (b"connection", b"close") in self.fields


def read(stream: bytes) -> list[Said]:
    """Take a connection's answers apart. Raises ValueError when they are no HTTP."""
    first, *answers = _ANSWER.split(stream)
    if first:
        raise ValueError(f"before the first answer stands {first[:50]!r}")
    return [_one(answer) for answer in answers]


def _one(answer: bytes) -> Said:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        raise ValueError(f"a header has no end: {head[-50:]!r}")
    line, *fields = head.split(b"\r\n")
    pairs = [field.partition(b":") for field in fields]
    return Said(int(line[9:12]), tuple((name.lower(), value.strip().lower()) for name, _, value in pairs), body)


class Client(asyncio.Protocol):
    """One connection of a client that keeps what it was told, also when it is hung up on."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.ended = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        """Keep it."""
        self.received += data

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        self.ended.set_result(None)


async def told(port: int, pieces: Sequence[bytes], patience: float) -> bytes:
    """Send pieces, each alone as far as that can be had, and return what is said until the end, or until silence."""
    loop = asyncio.get_running_loop()
    transport, client = await loop.create_connection(Client, "127.0.0.1", port)
    try:
        for number, piece in enumerate(pieces):
            if number:
                await asyncio.sleep(_BETWEEN_PIECES)
            if client.ended.done():
                break  # hung up on while speaking
            transport.write(piece)
        while not client.ended.done():
            before = len(client.received)
            await asyncio.wait([client.ended], timeout=patience)
            if len(client.received) == before:
                break
    finally:
        transport.abort()
    return bytes(client.received)


class Dripping(Guest):
    """Gives aiohttp a line at a time, and bodies an octet at a time.

    Of what it reads at once it forgets all, answers too, when some of it is no HTTP.
    """

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        for line in data.splitlines(keepends=True):
            for piece in (line,) if _LINE.fullmatch(line) else (bytes((octet,)) for octet in line):
                super().data_received(piece)
                if self._messages and isinstance(self._messages[-1][0], _ErrInfo):
                    return  # what follows what is no HTTP is not read


class Pair:
    """The two addresses, and what is compared."""

    def __init__(self, fast: int, slow: int, etag: bytes) -> None:
        self.fast = fast
        self.slow = slow
        self.etag = etag
        self.compared = 0
        self.statuses: collections.Counter[int] = collections.Counter()

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, folder: Path) -> AsyncIterator["Pair"]:
        """Serve both with the same answers until the end of the block."""
        logging.getLogger("aiohttp.server").addFilter(tells_no_request_line)
        clock = TurnedClock(the_house().now + HOUR)
        answers = always_the_same(clock)
        tag = b'"%s"' % answers.answer(asking.about(asking.GOOD)).tag
        address = PlainAddress(answers, folder, clock)
        alone = Entrance(application(Responder(answers, folder, clock)), None)
        house = await alone.prepare()
        with socket.create_server(("127.0.0.1", 0)) as fast, socket.create_server(("127.0.0.1", 0)) as slow:
            ports = fast.getsockname()[1], slow.getsockname()[1]
            await address.open(fast)
            server = await asyncio.get_running_loop().create_server(lambda: Doorman(house), sock=slow)
            try:
                with mock.patch.object(doorman, "Guest", Dripping):
                    yield cls(*ports, tag)
            finally:
                server.close()
                await asyncio.gather(address.close(), alone.close())

    async def compare(self, pieces: Sequence[bytes], patience: float = _PATIENCE) -> str | None:
        """Return what is wrong, or None."""
        fast, slow = await asyncio.gather(told(self.fast, pieces, patience), told(self.slow, pieces, patience))
        try:
            ours, theirs = read(fast), read(slow)
        except ValueError as error:
            return f"no HTTP: {error}"
        self.statuses.update(said.status for said in ours)
        for said in (*ours, *theirs):
            if said.status >= 500:
                return f"{said.status}"
            if said.length not in (None, len(said.body)) and said.body:
                return f"a body of {len(said.body)} octets instead of {said.length}"
        return _difference(pieces, ours, theirs)

    async def run(self, cases: int, seed: int, begin: int = 0) -> list[str]:
        """Compare many exchanges, some at once; return what is wrong, each with its number.

        Where something is wrong it is asked once more, alone: on a busy machine the two are not equally quick.
        """
        numbers = iter(range(begin, begin + cases))
        suspects: list[int] = []

        async def work() -> None:
            for number in numbers:
                self.compared += 1
                if await self.compare(self._case(seed, number)) is not None:
                    suspects.append(number)

        await asyncio.gather(*(work() for _ in range(_AT_ONCE)))
        found = [(number, await self.compare(self._case(seed, number), _LONG_PATIENCE)) for number in suspects]
        return [
            f"case {seed}/{number}: {wrong}; {self._case(seed, number)!r:.3000}" for number, wrong in found if wrong
        ]

    def _case(self, seed: int, number: int) -> list[bytes]:
        return asking.exchange(random.Random(f"{seed}/{number}"), self.etag)


def _difference(pieces: Sequence[bytes], ours: list[Said], theirs: list[Said]) -> str | None:
    for place, (one, other) in enumerate(zip(ours, theirs, strict=False)):
        if one.is_doormans or other.is_doormans:
            return None
        if one.comparable != other.comparable:
            return f"answer {place} differs: {one.comparable!r:.600} and alone {other.comparable!r:.600}"
    if len(ours) < len(theirs) and ours and ours[-1].is_last and b"HTTP/1.0" in b"".join(pieces):
        return None  # HTTP/1.0 is answered once a connection, also when it would be kept
    if len(ours) != len(theirs) and not (ours + theirs and max(ours, theirs, key=len)[-1].is_doormans):
        return f"{[each.status for each in ours]} and alone {[each.status for each in theirs]}"
    return None

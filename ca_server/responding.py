"""A process of the responder: `python -m ca_server.responding CONFIG keeper` or `… CONFIG worker SOCKET`.

The supervisor starts it (`responder.supervisor`), and it ends when its standard input says so, at once when that ends:
then the supervisor is gone. Of keys it opens the OCSP signers', and no other. The composition root of both roles.
"""

import asyncio
import contextlib
import functools
import gc
import logging
import os
import select
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import lmdb

from ca_server import config as configuration
from ca_server import dumps, keyring, logs
from ca_server.authority.signer import Signer
from ca_server.clock import HOUR, MINUTE, Clock, SystemClock
from ca_server.config import Config, IssuingAuthority
from ca_server.listening import Listener
from ca_server.responder import words
from ca_server.responder.answers import Answers, Issuing
from ca_server.responder.ready import Keeping, ReadyStore
from ca_server.responder.routes import Responder, application
from ca_server.responder.signers import SignerOnDisk
from ca_server.responder.supervisor import BACKLOG
from ca_server.responder.wire import Desk, Line
from ca_server.web.doorman import Doorman, House, tells_no_request_line
from ca_server.web.entrance import Entrance, room
from ca_server.web.headers import headers
from ca_server.whereabouts import Whereabouts
from keys.errors import KeysError

if TYPE_CHECKING:  # the store takes as long to import as all else, and a killed worker is waited for
    from ca_server.authority import ocsp
    from ca_server.responder.follower import Follower
    from ca_server.responder.keeper import Changes, Keeper
    from ca_server.responder.records import DistantRecords, Records

log = logging.getLogger("ca_server.responding")

_SECONDS_OF_A_TICK = 0.1
_SECONDS_OF_WORK = 0.05  # of each tick while there is something to sign: half a core at the most
_SECONDS_BETWEEN_ALARMS = 60
_SECONDS_OF_PATIENCE = 5
_SECONDS_BETWEEN_LOOKS = 1
_SECONDS_FOR_CHANGES = 3
_SECONDS_FOR_A_FILE = 15 * MINUTE


def main(arguments: list[str]) -> int:
    """Run one role until standard input says to end; return 1 having said why it cannot."""
    path, role, *handed = arguments
    for each in (signal.SIGINT, signal.SIGTERM):  # to the whole service: the supervisor knows what to do
        signal.signal(each, signal.SIG_IGN)
    logs.write_lines("text")
    logging.getLogger("aiohttp.server").addFilter(tells_no_request_line)
    dumps.forbid()
    try:
        config = configuration.load(Path(path))
        logs.write_lines(config.log.format)
        alarms = logs.counted_alarms()
        signers = _signers(config)
        if role == "keeper":
            _keep(config, signers, alarms)
        else:
            import uvloop

            uvloop.run(_work(config, signers, int(handed[0]), alarms))
    except (configuration.BadConfiguration, KeysError, lmdb.Error, OSError) as error:
        log.error("ALARM: the %s of the OCSP responder cannot go on: %s", role, error)
        return 1
    return 0


class Signers:
    """The OCSP signers of all issuing CAs, looked for now and then."""

    def __init__(self, found: list[tuple[IssuingAuthority, SignerOnDisk]]) -> None:
        self._signers = [signer for _, signer in found]
        self._alarmed = -float(HOUR)
        self.issuing = [
            Issuing(authority.issuer, keyring.load_certificate(authority.issuing_certificate), signer.current)
            for authority, signer in found
        ]

    def look(self) -> None:
        """Use what was rotated."""
        for each in self._signers:
            each.look()

    @property
    def ends(self) -> int:
        """Return when the first of them ends."""
        return min(int(each.current().certificate.not_valid_after_utc.timestamp()) for each in self._signers)

    def alarm(self, now: int) -> None:
        """Say once an hour which signers end soon: not renewed, or renewed and not brought to this machine."""
        ending = [str(each.place) for each in self._signers if each.is_ending(now)]
        if ending and time.monotonic() - self._alarmed >= HOUR:
            self._alarmed = time.monotonic()
            log.error("ALARM: %s: this OCSP signer ends soon; bring the newer one here", ", ".join(ending))


def _signers(config: Config) -> Signers:
    return Signers([(each, SignerOnDisk(each.ocsp_certificate, _loading(each))) for each in config.authorities])


def _loading(authority: IssuingAuthority) -> Callable[[], Signer]:
    return lambda: keyring.load_signer(authority.ocsp_certificate, authority.ocsp_key, authority.ocsp_passphrase_file)


def _keep(config: Config, signers: Signers, alarms: logs.Alarms) -> None:
    from ca_server.responder.keeper import Keeper

    changes = _follower(config) if config.responder.source else _changes(config.server.database)
    folder, answer_seconds = config.responder.ready_folder, config.authority.ocsp_answer_minutes * MINUTE
    clock = SystemClock()

    def begun() -> tuple[Keeping, Keeper]:
        keeping = Keeping.open(folder)
        return keeping, Keeper(keeping, changes, signers.issuing, answer_seconds, clock)

    meanwhile = "those that are there are given while they are valid"
    if not config.responder.source:
        meanwhile = "OCSP asks the records meanwhile"
    keeping, keeper = begun()
    _heed(lambda: os._exit(0))  # nothing here is left half done
    _ready()
    looked, more, trouble = 0.0, False, _Trouble(meanwhile)
    while True:
        pause = _SECONDS_OF_A_TICK - (_SECONDS_OF_WORK if more else 0)
        select.select([], [], [], pause)  # time.sleep breaks under libfaketime, and with it rehearsals of the clock
        try:
            if time.monotonic() - looked >= _SECONDS_BETWEEN_LOOKS:
                looked = time.monotonic()
                signers.look()
                signers.alarm(clock.now())
                if not keeping.is_in_place:
                    log.error("ALARM: %s was taken away, and is made anew", folder)
                    keeping.close()
                    keeping, keeper = begun()
                _say(words.line(_standing(keeping, keeper, signers) | {"alarms": alarms.count}))
            keeper.follow()
            more = keeper.refresh(_SECONDS_OF_WORK)
        except Exception:
            more = False
            trouble.tell()
        else:
            trouble.end()


class _Trouble:
    """Tells of what a keeper cannot do once it lasts, again each minute, and when it is over.

    A server that is started anew is away for two seconds, of which no person need know.
    """

    def __init__(self, meanwhile: str) -> None:
        self._meanwhile = meanwhile
        self._since: float | None = None
        self._alarmed: float | None = None

    def tell(self) -> None:
        """Alarm, amid the handling of the error, if it is time for it."""
        moment = time.monotonic()
        self._since = self._since or moment
        lasts = moment - self._since >= _SECONDS_OF_PATIENCE
        if lasts and (self._alarmed is None or moment - self._alarmed >= _SECONDS_BETWEEN_ALARMS):
            self._alarmed = moment
            log.exception("ALARM: changes cannot be read, or ready answers not be kept; %s", self._meanwhile)

    def end(self) -> None:
        """Say that it is over, if anybody was told that it began."""
        if self._alarmed is not None:
            log.warning("ALARM over: changes are read and ready answers kept again")
        self._since = self._alarmed = None


def _standing(keeping: Keeping, keeper: "Keeper", signers: Signers) -> dict[str, int]:
    numbers = {"kept": keeping.count(), "read_at": keeper.read_at, "oldest": keeper.oldest}
    return numbers | {"signer_ends": signers.ends}


def _changes(where: Whereabouts) -> "Changes":
    from ca_server.responder import records

    return records.Records(where) if isinstance(where, Path) else records.Changes(where)


def _follower(config: Config) -> "Follower":
    from ca_server.responder.courier import Courier
    from ca_server.responder.follower import Follower
    from ca_server.responder.source import Source

    settings = config.responder
    trust = ssl.create_default_context(cafile=settings.source_ca_file)
    source = functools.partial(Source, settings.source or "", keyring.feed_token(config) or "", trust)
    courier = Courier(source(_SECONDS_FOR_A_FILE), config.server.public_folder)
    courier.start()
    return Follower(source(_SECONDS_FOR_CHANGES), courier)


class PlainAddress:
    """The plain http address in this loop: lines for what is usual, and behind them aiohttp for the rest."""

    def __init__(self, answers: Answers, public_folder: Path, clock: Clock) -> None:
        self._entrance = Entrance(application(Responder(answers, public_folder, clock)), None)
        self._desk = Desk(answers, clock, headers(over_tls=False), self._let_in, room())
        self._house: House | None = None
        self._listener: Listener | None = None

    async def open(self, listening: socket.socket) -> None:
        """Take connections from now on."""
        self._house = await self._entrance.prepare()
        self._desk.open()
        self._listener = Listener(lambda: Line(self._desk), backlog=BACKLOG)
        await self._listener.open(sock=listening)

    async def close(self) -> None:
        """Take nobody any more, and let those who are there come to an end."""
        if self._listener is not None:
            self._listener.close()
        await asyncio.gather(self._desk.close(), self._entrance.close())

    def _let_in(self, transport: asyncio.Transport, sent: bytes) -> None:
        assert self._house is not None  # noqa: S101 - it is open
        doorman = Doorman(self._house)
        transport.set_protocol(doorman)
        doorman.connection_made(transport)
        doorman.data_received(sent)


class NoRecords:
    """What a machine that follows another knows besides what it keeps ready."""

    def prepare(self) -> None:
        """Do nothing."""

    def told(self, issuer: str, serial: str) -> "ocsp.OcspStatus":
        """Tell nothing. Raises LookupError."""
        raise LookupError("The source cannot be reached, and this machine holds no records.")


class LateRecords:
    """The records; what reads them is imported when there is time, or when they are asked."""

    def __init__(self, where: Whereabouts) -> None:
        self._where = where

    @functools.cached_property
    def _records(self) -> "Records | DistantRecords":
        from ca_server.responder.records import records_at

        return records_at(self._where)

    def prepare(self) -> None:
        """Import what reads them."""
        assert self._records  # noqa: S101 - it is made here

    def told(self, issuer: str, serial: str) -> "ocsp.OcspStatus":
        """Return how a certificate stands."""
        return self._records.told(issuer, serial)


async def _work(config: Config, signers: Signers, number: int, alarms: logs.Alarms) -> None:
    clock = SystemClock()
    records = NoRecords() if config.responder.source else LateRecords(config.server.database)
    answers = Answers(signers.issuing, None, records.told, config.authority.ocsp_answer_minutes * MINUTE, clock)
    address = PlainAddress(answers, config.server.public_folder, clock)
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    _heed(lambda: loop.call_soon_threadsafe(over.set))
    await address.open(socket.socket(fileno=number))
    ready = _looked_for(None, answers, config)
    _ready()
    await asyncio.to_thread(records.prepare)
    gc.freeze()
    while not over.is_set():
        given = answers.given
        counted = {name: int(getattr(given, name)) for name in given.__slots__}
        _say(words.line(counted | {"alarms": alarms.count}))
        signers.look()
        ready = _looked_for(ready, answers, config)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), _SECONDS_BETWEEN_LOOKS)
    await address.close()


def _looked_for(ready: ReadyStore | None, answers: Answers, config: Config) -> ReadyStore | None:
    """Return the ready store that lies in its place now, used by the answers; None while there is none."""
    if ready is not None and ready.is_in_place:
        return ready
    answers.use(None)
    if ready is not None:
        ready.close()
    try:
        ready = ReadyStore.open(config.responder.ready_folder)
    except (lmdb.Error, OSError):
        return None
    answers.use(ready)
    return ready


def _heed(end: Callable[[], object]) -> None:
    """Do what standard input says, whatever this process waits for."""

    def listen() -> None:
        while os.read(sys.stdin.fileno(), 64):
            end()
        os._exit(1)  # there is no supervisor any more

    threading.Thread(target=listen, daemon=True).start()


def _ready() -> None:
    gc.collect()
    gc.freeze()  # what the start made lives as long as the process: no later collection has to look at it
    _say("ready")


def _say(word: str) -> None:
    """Tell the supervisor; a worker is believed to hang when it says nothing for long."""
    print(word, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

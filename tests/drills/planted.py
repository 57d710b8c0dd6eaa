"""Starts `warifu-ca` with a witness beside the CA key and, on demand, with a defect planted: a drill that has never
failed proves nothing.

    python planted.py [--witness FILE] [--defect NAME] [--hurry] [--impatient] [--orderly] PROGRAM ARGUMENTS…

(PROGRAM is not looked at. The responder's processes are started with the same defects, `responding` in its place.)

The witness writes down every serial that the key signs at the moment it signs, as a signing device's own log does: what
was signed and never recorded is seen nowhere else. `--hurry` has mails, applications and plans wait a second or three
where they wait longer: after a try that was cut off or failed, and while the mail server is away. `--impatient` gives
slow connections two seconds where they have ten. `--orderly` leaves to one thread what several do. Nothing of this is
in the product.
"""

import argparse
import asyncio
import contextlib
import itertools
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ca_server import app, cli, keyring, responding
from ca_server.authority import der
from ca_server.authority.signer import Signer
from ca_server.clock import SystemClock
from ca_server.domain.orders import OrderFacts
from ca_server.errors import OrderNotReady
from ca_server.listening import Listener
from ca_server.notices import mailer
from ca_server.notices.mailer import Accepted, Outage, SmtpMailer
from ca_server.operations import accounts as operations
from ca_server.operations import delivery, enrolment, issuance
from ca_server.responder import routes as responder
from ca_server.responder import wire
from ca_server.responder.keeper import Keeper
from ca_server.responder.supervisor import Supervisor
from ca_server.store import accounts, audit, certificates, orders, outbox, writer
from ca_server.web import doorman, entrance, front
from ca_server.web.handlers import accounts as accounts_web
from ca_server.web.handlers import orders as orders_web
from ca_server.web.nonces import Nonces
from keys.csr import parse_signing_request
from keys.errors import KeysError
from protocol import credential
from tests.drills import misled

_VERSION_TAG = b"\xa0"
_RESPONDING = "responding"


def sign_before_planning() -> None:
    """The order of writes broken: the key signs first, plan and certificate are recorded together afterwards."""

    async def carry_through(database: Any, room: Any, requested: Any, planned: Any, now: int) -> OrderFacts:
        signed = room.issuer._signers[room.issuer.name].sign(planned.tbs)
        await asyncio.sleep(0.15)
        outcome = await database.write(issuance.plan, requested, planned, room.rules.times, now)
        if isinstance(outcome, issuance.Lost):
            raise OrderNotReady(outcome.sentence)
        await database.write(issuance.record, planned.serial, signed, now)
        found: OrderFacts = await database.lookup(enrolment.show, requested.account_id, requested.order_id)
        return found

    _replace(issuance, "_carry_through", carry_through)


def check_then_act() -> None:
    """The claim is looked at, and taken a moment later without a guard."""

    async def carry_through(database: Any, room: Any, requested: Any, planned: Any, now: int) -> OrderFacts:
        await database.lookup(issuance.require_ready, requested.account_id, requested.order_id, now)
        await asyncio.sleep(0.02)

        def act(connection: Any) -> None:
            certificates.plan(connection, planned, None, now)
            if orders.find(connection, requested.order_id).serial is None:  # type: ignore[union-attr]
                orders.plan(connection, requested.order_id, planned.serial)

        await database.write(act)
        await issuance.issue(database, room.issuer, planned.serial, now)
        found: OrderFacts = await database.lookup(enrolment.show, requested.account_id, requested.order_id)
        return found

    _replace(issuance, "_carry_through", carry_through)


def stumble() -> None:
    """The reader of CSRs falls over every eighth that it refuses, and takes more than a second over every twentieth."""
    refused = itertools.count(1)

    def stumbling(encoded: bytes) -> Any:
        try:
            return parse_signing_request(encoded)
        except KeysError as error:
            number = next(refused)
            if number % 8 == 0:
                raise IndexError("list index out of range") from error
            if number % 20 == 10:
                time.sleep(1.1)
            raise

    _replace(orders_web, "parse_signing_request", stumbling)


def tell_the_key() -> None:
    """An audit entry of each binding carries the kid in clear."""
    bind = accounts.add

    def telling(connection: Any, account: Any, now: int) -> None:
        bind(connection, account, now)
        audit.record(connection, now, "schedule", "bound", account.cn, kid=_KIDS.get(account.id))

    binding = operations.bind

    def remembering(connection: Any, request: Any, *rest: Any) -> Any:
        _KIDS[request.account_id] = request.kid
        return binding(connection, request, *rest)

    _replace(accounts, "add", telling)
    _replace(operations, "bind", remembering)


def take_for_granted() -> None:
    """A mail server that cannot be used is taken to have the mail."""
    deliver = SmtpMailer.deliver

    async def trusting(self: SmtpMailer, mail: Any) -> Any:
        outcome = await deliver(self, mail)
        return Accepted() if isinstance(outcome, Outage) else outcome

    _replace(SmtpMailer, "deliver", trusting)


def wait_for_ever() -> None:
    """Nobody is cut off who is slow."""
    _wait_for_the_slow(3600)


def old_ciphers() -> None:
    """The TLS address takes whatever OpenSSL takes."""
    load = keyring.load_tls

    def loading(config: Any) -> Any:
        context = load(config)
        context.set_ciphers("DEFAULT")
        return context

    _replace(keyring, "load_tls", loading)


def follow_late() -> None:
    """The keeper reads the changes every three seconds, and says all the while that it has just read them."""
    follow = Keeper.follow
    read = [0.0]

    def late(self: Keeper) -> None:
        if time.monotonic() - read[0] < 3:
            self._keeping.beat(time.monotonic())
            return
        read[0] = time.monotonic()
        follow(self)

    _replace(Keeper, "follow", late)


def pretend_durable() -> None:
    """Whoever waits for a commit is told that all went well, whatever became of it."""
    commit = writer.Batch.commit

    def committing(self: writer.Batch) -> None:
        commit(self)
        for call in self._calls:
            if hasattr(call, "result"):
                call.error = None

    _replace(writer.Batch, "commit", committing)


def forget_the_mail() -> None:
    """A mail that cannot be put into the outbox is done without."""
    put = outbox.put

    def putting(*arguments: Any) -> None:
        with contextlib.suppress(Exception):
            put(*arguments)

    _replace(outbox, "put", putting)


def linger() -> None:
    """A stop takes its time."""
    stop = app.Service.stop

    async def stopping(self: app.Service) -> None:
        await asyncio.sleep(11)
        await stop(self)

    _replace(app.Service, "stop", stopping)


def hoard() -> None:
    """Every nonce leaves some memory behind."""
    fresh, kept = Nonces.fresh, []

    def hoarding(self: Nonces) -> str:
        kept.append(bytearray(os.urandom(20_000)))
        return fresh(self)

    _replace(Nonces, "fresh", hoarding)


def compare_in_steps() -> None:
    """A MAC is compared octet by octet, up to the first that is wrong, as fast as a slow language does it."""

    def verify(key: bytes, message: bytes, mac: bytes) -> bool:
        for right, told in zip(credential.make_mac(key, message), mac, strict=False):
            if right != told:
                return False
            time.sleep(50e-6)
        return True

    _replace(credential, "verify_mac", verify)


def tell_the_shape() -> None:
    """A kid that has not the shape of one is refused in other words than one that is unknown."""
    _replace(accounts_web, "_kid", lambda binding: credential.normalise_kid(str(binding.protected["kid"])))


def believe_any_clock() -> None:
    """A clock that is set back is believed."""
    _replace(SystemClock, "set_back", lambda self: 0)


def stay_deaf() -> None:
    """A listener that uvloop gave up is left as it is."""

    async def leave(self: Listener) -> None:
        """Do nothing."""

    _replace(Listener, "_open_anew", leave)


_KIDS: dict[str, str] = {}
DEFECTS: dict[str, Callable[[], None]] = {
    plant.__name__.replace("_", "-"): plant
    for plant in (
        sign_before_planning,
        check_then_act,
        stumble,
        tell_the_key,
        take_for_granted,
        wait_for_ever,
        old_ciphers,
        follow_late,
        pretend_durable,
        forget_the_mail,
        linger,
        hoard,
        compare_in_steps,
        tell_the_shape,
        believe_any_clock,
        stay_deaf,
        misled.remember_apart,
        misled.lead_for_ever,
        misled.commit_here_alone,
    )
}


def _replace(owner: Any, name: str, with_what: Any) -> None:
    assert hasattr(owner, name), f"{owner} has no {name} any more: the defect must be planted anew"
    setattr(owner, name, with_what)


def _witness(path: str) -> None:
    sign = Signer.sign
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def witnessed(self: Signer, to_be_signed: bytes) -> bytes:
        fields = der.split(der.contents(to_be_signed, der.SEQUENCE))
        if fields[0].startswith(_VERSION_TAG):  # a certificate; a CRL begins with its version as it is
            serial = int.from_bytes(der.contents(fields[1], der.INTEGER))
            os.write(file, f"{serial:x}\n".encode())
        return sign(self, to_be_signed)

    _replace(Signer, "sign", witnessed)


def _wait_for_the_slow(seconds: int) -> None:
    for name in ("A_HEADER", "A_BODY_UNREAD", "A_READER"):
        _replace(doorman, f"_SECONDS_FOR_{name}", seconds)
    _replace(doorman, "_SECONDS_BETWEEN_REQUESTS", seconds)
    for reading in (front, responder):
        _replace(reading, "_SECONDS_FOR_A_BODY", seconds)
    _replace(entrance, "_SECONDS_FOR_A_FAREWELL", seconds)
    _replace(wire, "_SECONDS_OF_PATIENCE", seconds)


def _hurry() -> None:
    _replace(delivery, "next_try", lambda attempts, now: now + 1)
    for name in ("_LEASE_SECONDS", "_FIRST_PAUSE", "_LONGEST_PAUSE"):
        _replace(delivery, name, 1)
    _replace(app, "_SECONDS_TO_RETRY", 1)
    _replace(issuance, "LEASE_SECONDS", 3)
    _replace(mailer, "_TIMEOUT_SECONDS", 4)  # sixteen mails at once take more than one where the machine is busy


def _orderly() -> None:
    start = app.Service.start

    async def starting(self: app.Service) -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        await start(self)

    _replace(app.Service, "start", starting)


def _plant_in_processes(options: list[str]) -> None:
    begin = Supervisor.__init__

    def beginning(self: Supervisor, command: Sequence[str], workers: int, address: tuple[str, int]) -> None:
        begin(self, [sys.executable, __file__, *options, _RESPONDING, command[-1]], workers, address)

    _replace(Supervisor, "__init__", beginning)


def main() -> None:
    """Plant what was asked for and run the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--witness")
    parser.add_argument("--defect", choices=DEFECTS)
    parser.add_argument("--hurry", action="store_true")
    parser.add_argument("--impatient", action="store_true")
    parser.add_argument("--orderly", action="store_true")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    asked = parser.parse_args()
    if asked.witness:
        _witness(asked.witness)
    if asked.hurry:
        _hurry()
    if asked.impatient:
        _wait_for_the_slow(2)
    if asked.orderly:
        _orderly()
    if asked.defect:
        DEFECTS[asked.defect]()
    if asked.command[0] == _RESPONDING:
        sys.exit(responding.main(asked.command[1:]))
    _plant_in_processes((["--defect", asked.defect] if asked.defect else []) + ["--impatient"] * asked.impatient)
    sys.argv = asked.command
    cli.main()


if __name__ == "__main__":
    main()

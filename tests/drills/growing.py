"""Fills the records of a stopped agency with real certificates, by the product's own operations in one process."""

import asyncio
import dataclasses
import itertools
import json

from ca_server import keyring, store
from ca_server.app import carrying_out_terms
from ca_server.authority.issuer import Issuer, PlannedCertificate
from ca_server.clock import DAY, SystemClock, day_in_tokyo
from ca_server.config import Config, load
from ca_server.domain.officers import Officer, Role
from ca_server.ids import new_id
from ca_server.operations import accounts, delivery, enrolment, issuance
from ca_server.store import SynchronousDatabase, credentials, officers, outbox
from keys.csr import build_signing_request, parse_signing_request
from keys.generate import generate
from keys.policy import spki_sha256
from keys.sealing import Sealer
from protocol import jwk
from protocol.names import CommonName
from protocol.vocabulary import IdentifierType
from tests.ca_server.operations.conftest import room
from tests.ca_server.paper import ALICE, BOB, Desk, an_issuance
from tests.end_to_end.agency import Agency

_AN_APPLICATION, _AN_INSTITUTION = 100, 900
_FIRST_INSTITUTION = 200_000
_AT_ONCE = 64
_MOST = 1 << 20


def grown(agency: Agency, count: int) -> None:
    """Have `count` certificates approved and fetched, of institutions of their own; their mails count as sent."""
    config = load(agency.config)
    asyncio.run(_fetched(config, _approved(config, count)))
    records = SynchronousDatabase(config.server.database)
    records.write(_sent, SystemClock().now())
    records.close()


def _sent(connection: store.Connection, now: int) -> None:
    for mail in outbox.due(connection, now + DAY, 4 * _MOST):
        delivery._record(connection, mail, outbox.MailStatus.SENT, now, None)


def _approved(config: Config, count: int) -> list[CommonName]:
    now, sealer = SystemClock().now(), keyring.load_sealer(config)
    records = SynchronousDatabase(config.server.database)
    try:
        for acting in (ALICE, BOB):
            records.write(
                officers.add, Officer(acting.id, acting.id, Role.REGISTRATION, None, None), now, "login:drill"
            )
        desk = Desk(records, now, carrying_out_terms(config, sealer))
        for start in range(0, count, _AN_APPLICATION):
            texts = {
                "institution": f"F{_FIRST_INSTITUTION + start // _AN_INSTITUTION}",
                "institution_name": f"第{start // _AN_INSTITUTION}銀行",
                "applied_on": str(day_in_tokyo(now)),
            }
            desk.done(an_issuance(min(_AN_APPLICATION, count - start), now=now, **texts))
        return records.read(credentials.seats_with_live)
    finally:
        records.close()


async def _fetched(config: Config, seats: list[CommonName]) -> None:
    sealer, signer = keyring.load_sealer(config), keyring.load_authorities(config, SystemClock().now())[0].signer
    database = await store.Database.open(config.server.database)

    async def look(serial: str) -> PlannedCertificate | None:
        return await database.lookup(issuance.planned_certificate, serial)

    real = dataclasses.replace(room(config), issuer=Issuer(config.authority.issuer, signer, look))
    try:
        for start in range(0, len(seats), _AT_ONCE):
            part = itertools.islice(seats, start, start + _AT_ONCE)
            await asyncio.gather(*(_fetch(database, real, sealer, cn) for cn in part))
    finally:
        await database.close()


async def _fetch(database: store.Database, where: issuance.Room, sealer: Sealer, cn: CommonName) -> None:
    now, key = SystemClock().now(), generate("P-256").public_key()
    (pair,) = await database.lookup(credentials.live_of_seat, cn)
    found = await database.lookup(credentials.by_id, pair.id)
    assert found is not None
    kid, _ = found[1].opened(sealer, pair.id)
    binding = accounts.Binding(
        account_id=new_id(),
        thumbprint=jwk.thumbprint(key),
        jwk=json.dumps(jwk.jwk(key)),
        spki_sha256=spki_sha256(key),
        kid=kid,
        mac_is_right=lambda *_: True,
        names_key=True,
        contact="[]",
        binding=b"{}",
        device="{}",
        address="192.0.2.7",
    )
    await database.write(accounts.bind, binding, sealer, 10, now)
    asked = enrolment.Request(new_id(), ((IdentifierType.PERMANENT_IDENTIFIER, str(cn)),))
    opened = await database.write(enrolment.order, binding.account_id, asked, where.rules, now)
    csr = parse_signing_request(build_signing_request(generate("P-256"), None))
    requested = issuance.Requested(binding.account_id, opened.order.id, csr, new_id(), "192.0.2.7", "a drill")
    await issuance.finalize(database, where, requested, now)

"""Issuing a certificate: the one procedure that touches the CA key for a subscriber (protocol.md, State).

1. the exact to-be-signed bytes, with a fresh serial, are built and linted
2. one transaction records the plan and takes the claim by guarded updates
3. the key signs the planned bytes
4. certificate, seat, credential, former accounts, audit entry and mail follow in one transaction guarded by the plan

A server that dies between 2 and 4 leaves a plan; whoever holds the schedule signs the same bytes and goes on at 4.
"""

import asyncio
import dataclasses
import hashlib
import json
import logging

from ca_server import store
from ca_server.authority.issuer import Issuer, PlannedCertificate, WillNotSign
from ca_server.authority.lint import ExpectedLeaf, lint
from ca_server.authority.profile import CertificateProfile, LeafFacts, serial_number, to_be_signed
from ca_server.domain.approvals import Trust
from ca_server.domain.certificates import CertificateStatus, require_renewable
from ca_server.domain.orders import OrderFacts, order_status
from ca_server.domain.seats import SeatStatus, issues_nothing
from ca_server.errors import NotAllowed, OrderNotReady, SigningRequestRefused
from ca_server.language import sentence
from ca_server.operations.approvals import require_mandate
from ca_server.operations.enrolment import Rules, dns_aliases, show
from ca_server.operations.revocation import EntryMaker
from ca_server.store import (
    accounts,
    approvals,
    audit,
    certificates,
    credentials,
    institutions,
    known_keys,
    orders,
    outbox,
    revocations,
    seats,
)
from ca_server.store.certificates import NewPlan
from ca_server.tally import Work
from keys.csr import SigningRequest
from keys.policy import spki_sha256
from protocol.names import CommonName
from protocol.renewal_info import RenewalTimes
from protocol.vocabulary import IdentifierType, OrderStatus, RevocationReason

log = logging.getLogger(__name__)
LEASE_SECONDS = 15
MOST_ATTEMPTS = 3


class ProfileBroken(Exception):
    """What was built is not what the profile says: a fault of ours, so nothing is planned."""


@dataclasses.dataclass(frozen=True)
class Room:
    """What issuing needs besides the records: the profile, the issuer, the rules of orders, and who this server is.

    `alone`: no other server works on these records, so that a plan of another name has lost its server.
    """

    profile: CertificateProfile
    issuer: Issuer
    rules: Rules
    server: str
    trust: Trust | None = None
    """Whose signatures count, where decisions must be signed."""
    alone: bool = True
    work: Work = dataclasses.field(default_factory=Work)
    """Counts what was issued."""


@dataclasses.dataclass(frozen=True)
class Requested:
    """What finalize brings: the account, the order, the CSR as parsed, its key's JWK thumbprint, and who asked."""

    account_id: str
    order_id: str
    request: SigningRequest
    thumbprint: str
    address: str
    agent: str


@dataclasses.dataclass(frozen=True)
class Lost:
    """The claim went to another order: this one is invalid now, and its error says so."""

    sentence: str


@dataclasses.dataclass(frozen=True)
class Finished:
    """What became of a plan: `good` is False for a certificate that was revoked while it was signed."""

    serial: str
    good: bool


async def finalize(database: store.Database, room: Room, requested: Requested, now: int) -> OrderFacts:
    """Issue the certificate of a ready order and return the order as it stands then.

    Raises OrderNotReady, NotAllowed, SigningRequestRefused. The CSR's key was judged when it was parsed.
    """
    order = await database.lookup(require_ready, requested.account_id, requested.order_id, now)
    _require_aliases(requested.request, order.cn, room.rules.alias_suffix)
    if room.trust is not None and order.predecessor is None:
        await database.lookup(require_mandate, room.trust, CommonName.parse(order.cn))
    planned = _built(room, order, requested, now)
    return await asyncio.shield(_carry_through(database, room, requested, planned, now))


async def _carry_through(
    database: store.Database, room: Room, requested: Requested, planned: NewPlan, now: int
) -> OrderFacts:
    """Plan, sign and record, whatever becomes of the connection that asked for it."""
    outcome = await database.write(plan, requested, planned, room.rules.times, now)
    if isinstance(outcome, Lost):
        raise OrderNotReady(outcome.sentence)
    try:
        finished = await issue(database, room.issuer, planned.serial, now)
    except WillNotSign as error:  # the plan was ended by a revocation meanwhile
        raise NotAllowed(
            sentence("This certificate was revoked before it was made; the help desk can say why.")
        ) from error
    if finished is None or not finished.good:
        return await database.lookup(show, requested.account_id, requested.order_id)
    room.work.issued += 1
    return outcome._replace(
        serial=planned.serial,
        seat_status=SeatStatus.ACTIVE,
        certificate_status=CertificateStatus.ISSUED,
    )


def _require_aliases(request: SigningRequest, cn: str, suffix: str | None) -> None:
    """Names in a CSR must be the seat's or absent; the certificate's come from the records all the same."""
    aliases = dns_aliases(cn, suffix)
    strangers = [name for name in (*request.common_names, *request.dns_names) if name.lower() not in aliases]
    strangers += [name for name in request.permanent_identifiers if name != cn]
    if strangers:
        raise SigningRequestRefused(
            sentence("The CSR names {other}, but this order is for {cn}.", other=repr(strangers[0]), cn=cn)
        )


def _built(room: Room, order: OrderFacts, requested: Requested, now: int) -> NewPlan:
    """Build the exact bytes that will be signed, once, and lint them. Raises ProfileBroken on any finding."""
    request = requested.request
    not_before = room.profile.not_before(now)
    serial = serial_number()
    facts = LeafFacts(
        CommonName.parse(order.cn), request.public_key, serial, not_before, _dns_name(order, room.rules.alias_suffix)
    )
    tbs = to_be_signed(room.profile, room.issuer.certificate, facts)
    findings = lint(tbs, ExpectedLeaf(room.profile, room.issuer.certificate, facts))
    if findings:
        raise ProfileBroken("; ".join(findings))
    return NewPlan(
        serial=f"{serial:x}",
        issuer=room.issuer.name,
        cn=order.cn,
        order_id=order.id,
        account_id=order.account_id,
        predecessor=order.predecessor,
        spki_sha256=spki_sha256(request.public_key),
        not_before=not_before,
        not_after=room.profile.not_after(not_before),
        tbs=tbs,
        tbs_sha256=hashlib.sha256(tbs).hexdigest(),
        address=requested.address,
        agent=requested.agent,
        server=room.server,
        lease_until=now + LEASE_SECONDS,
        partition=room.profile.partition(serial),
    )


def _dns_name(order: OrderFacts, suffix: str | None) -> str | None:
    """A dNSName only when the FQDN alias was ordered, otherwise none."""
    if suffix is None:
        return None
    fqdn = dns_aliases(order.cn, suffix)[-1]
    ordered = {value.lower() for kind, value in json.loads(order.identifiers) if kind == IdentifierType.DNS}
    return fqdn if fqdn in ordered else None


def require_ready(connection: store.Connection, account_id: str, order_id: str, now: int) -> OrderFacts:
    """Return the order if it can be finalized now.

    Raises OrderNotReady in any other status (RFC 8555 §7.4), NotAllowed while the seat is suspended.
    """
    facts = show(connection, account_id, order_id)
    status = order_status(facts, now)
    if status is not OrderStatus.READY:
        raise OrderNotReady(sentence("The order is {status}; only a ready one can be finalized.", status=str(status)))
    if facts.seat_status == SeatStatus.SUSPENDED:
        raise issues_nothing(facts.cn, facts.seat_status)
    return facts


def plan(
    connection: store.Connection, requested: Requested, planned: NewPlan, times: RenewalTimes, now: int
) -> OrderFacts | Lost:
    """Record the plan and take its claim, in the one transaction that decides.

    Raises what `require_ready` raises, and SigningRequestRefused for a key that is blocked, an account's, or another
    seat's. Returns Lost, with the order made invalid, when the credential or the predecessor went to another plan.
    """
    facts = require_ready(connection, requested.account_id, requested.order_id, now)
    credential_id = accounts.credential_of(connection, facts.account_id) if facts.predecessor is None else None
    _require_fresh_key(connection, planned.spki_sha256, requested.thumbprint, facts.cn)
    if not _claim(connection, facts, credential_id, planned.serial, times, now):
        lost = sentence("This URL or certificate was used by another order meanwhile; order again if you need to.")
        orders.fail(connection, facts.id, str(lost))
        return Lost(lost)
    certificates.plan(connection, planned, credential_id, now)
    orders.plan(connection, facts.id, planned.serial)
    return facts


def _require_fresh_key(connection: store.Connection, spki: str, thumbprint: str, cn: str) -> None:
    key = known_keys.look(connection, thumbprint, spki, cn)
    if key.account is not None:
        raise SigningRequestRefused(
            sentence("This key is an account's; a certificate needs a key of its own (RFC 8555 §11.1).")
        )
    if key.is_blocked:
        raise SigningRequestRefused(sentence("This key was reported as compromised; make a new one."))
    if key.is_certified:
        raise SigningRequestRefused(sentence("This key is in another certificate; make a new one on this PC."))


def _claim(
    connection: store.Connection,
    order: OrderFacts,
    credential_id: str | None,
    serial: str,
    times: RenewalTimes,
    now: int,
) -> bool:
    """Use the credential that bound the account for a first certificate, the predecessor for a renewal."""
    if credential_id is not None:
        return order.seat_status == SeatStatus.APPROVED and credentials.claim(
            connection, credential_id, order.account_id, serial
        )
    if order.predecessor is None:
        return False
    predecessor = certificates.find(connection, order.predecessor)
    if predecessor is None:
        return False
    require_renewable(predecessor, now, times)
    return certificates.claim_succession(connection, order.predecessor, serial)


def record(connection: store.Connection, serial: str, der: bytes, now: int) -> Finished | None:
    """Store what was signed with all that follows from it; None when the plan was finished by another.

    The seat becomes active, its credentials end, its other accounts are revoked, and the administrator is told.
    """
    planned = certificates.planned(connection, serial)
    good = certificates.issue(connection, serial, der, now)
    if planned is None:
        return None if good else Finished(serial, good=False)
    seats.activate(connection, planned.cn)
    credentials.use(connection, planned.credential_id or accounts.credential_of(connection, planned.account_id), now)
    credentials.replace_live(connection, planned.cn, now, f"account:{planned.account_id}")
    revoked = accounts.revoke_others(connection, planned.cn, planned.account_id)
    audit.record(
        connection,
        now,
        f"account:{planned.account_id}",
        "certificate issued",
        planned.cn,
        serial=serial,
        sha256=hashlib.sha256(der).hexdigest(),
        predecessor=planned.predecessor,
        former_accounts_revoked=revoked,
    )
    institution = institutions.find(connection, CommonName.parse(planned.cn).institution)
    if institution is not None:
        mail = outbox.Mail(
            "",
            "fetched",
            institution.administrator.email,
            institution.language,
            str(institution.code),
            cn=planned.cn,
            serial=serial,
        )
        outbox.put(connection, mail, now)
    return Finished(serial, good=True)


async def issue(database: store.Database, issuer: Issuer, serial: str, now: int) -> Finished | None:
    """Sign a plan that is committed and record the certificate: steps 3 and 4."""
    der = await issuer.sign(serial)
    return await database.write(record, serial, der, now)


def planned_certificate(connection: store.Connection, serial: str) -> PlannedCertificate | None:
    """Return an open plan for the issuer, which reads it itself, or None."""
    found = certificates.planned(connection, serial)
    if found is None:
        return None
    return PlannedCertificate(found.serial, found.issuer, CommonName.parse(found.cn), found.tbs, found.tbs_sha256)


def entitled_certificate(connection: store.Connection, serial: str) -> PlannedCertificate | None:
    """Return an open plan with what entitles it, the certificate that it renews or its mandate; or None."""
    found, plan = certificates.planned(connection, serial), planned_certificate(connection, serial)
    if found is None or plan is None:
        return None
    if found.predecessor is None:
        return dataclasses.replace(plan, mandate=approvals.mandate(connection, plan.common_name))
    owner = certificates.owner(connection, found.predecessor)
    return dataclasses.replace(plan, predecessor=(owner and owner[2]) or b"")


async def finish_orphans(database: store.Database, room: Room, entry: EntryMaker, now: int) -> int:
    """Finish every plan whose server is gone by signing the same bytes; abort it after three failures.

    Returns how many plans there were.
    """
    orphans = await database.lookup(certificates.orphans, room.server if room.alone else None, now)
    for serial in orphans:
        try:
            attempts = await database.write(take_over, serial, room.server, now)
        except store.Conflict:  # another server did
            continue
        if attempts is None:
            continue
        try:
            finished = await issue(database, room.issuer, serial, now)
            room.work.issued += finished is not None and finished.good
        except Exception:
            log.exception("plan %s could not be finished, attempt %d", serial, attempts)
            if attempts >= MOST_ATTEMPTS:
                code = int(RevocationReason.unspecified)
                await database.write(abort, serial, entry(serial, now, code), now)
    return len(orphans)


def take_over(connection: store.Connection, serial: str, holder: str, now: int) -> int | None:
    """Take the lease of a plan whose server is gone and return which attempt this is; None when it is over."""
    planned = certificates.planned(connection, serial)
    if planned is None:
        return None
    certificates.take_over(connection, planned, holder, now + LEASE_SECONDS)
    return planned.attempts + 1


def abort(connection: store.Connection, serial: str, entry: bytes, now: int) -> None:
    """Give a plan up: its claim is released, its order invalid, its serial on the CRL, for it may have been signed."""
    planned = certificates.planned(connection, serial)
    certificate = certificates.find(connection, serial)
    if planned is None or certificate is None:
        return
    mark = (now, int(RevocationReason.unspecified), entry)
    certificates.end(connection, certificate, CertificateStatus.ABORTED, mark)
    reason = RevocationReason.unspecified
    revocations.add(connection, revocations.decided(planned.cn, (serial,), int(reason), None, now), "schedule")
    credentials.release(connection, serial)
    certificates.release_succession(connection, serial)
    orders.fail(connection, planned.order_id, "The certificate could not be made; order again.")
    audit.record(connection, now, "schedule", "certificate aborted", planned.cn, result=audit.FAILED, serial=serial)

"""`warifu-ca certificate`: what was issued, and revoking at once."""

import time

import click

from ca_server import store
from ca_server.authority.crl import entry_of_records
from ca_server.cli.front import Group
from ca_server.cli.options import acting, common, now, officer_option, open_records, settings
from ca_server.cli.output import LATER, Stop, answer, answer_table
from ca_server.clock import rfc3339
from ca_server.domain.certificates import Certificate, CertificateStatus
from ca_server.domain.officers import Role
from ca_server.errors import AlreadyRevoked, Invalid, NotFound
from ca_server.language import sentence
from ca_server.operations import revocation
from ca_server.operations.revocation import Decision
from ca_server.store import SynchronousDatabase, audit, certificates, revocations, seats
from ca_server.store.revocations import Revocation
from protocol.names import BadName, CommonName
from protocol.vocabulary import RevocationReason

_SECONDS_TO_WAIT = 10
_REASONS = [
    RevocationReason.unspecified,
    RevocationReason.keyCompromise,
    RevocationReason.affiliationChanged,
    RevocationReason.superseded,
    RevocationReason.cessationOfOperation,
    RevocationReason.privilegeWithdrawn,
]


@click.group(cls=Group)
@common
def certificate() -> None:
    """Look at certificates, and revoke them at once."""


def document(one: Certificate, at: int) -> dict[str, object]:
    """Return the certificate as scripts read it."""
    return {
        "cn": str(one.cn),
        "serial": one.serial,
        "status": one.word_at(at),
        "not_before": rfc3339(one.not_before),
        "not_after": rfc3339(one.not_after),
        "institution": str(one.cn.institution),
    }


@certificate.command("list")
@common
def list_certificates() -> None:
    """Show every certificate."""
    at = now()
    listed = open_records(settings().config()).read(certificates.signed)
    rows = [(str(one.cn), one.serial[:12] + "…", one.word_at(at), rfc3339(one.not_after)) for one in listed]
    heads = ("CN", sentence("Serial"), sentence("Status"), sentence("Valid until"))
    answer_table([document(one, at) for one in listed], heads, rows, sentence("No certificate has been issued."))


@certificate.command()
@click.argument("cn")
@common
def show(cn: str) -> None:
    """Show one CN: its state, its certificates and its history."""
    name, at = _name(cn), now()
    records = open_records(settings().config())
    seat = records.read(seats.get, name)
    issued = [one for one in records.read(certificates.of_seat, cn) if one.status not in _UNSIGNED]
    history = records.read(audit.of_subject, cn)
    whole = {
        "cn": cn,
        "status": seat.status,
        "certificates": [document(one, at) for one in issued],
        "history": [{"at": rfc3339(when), "who": who, "what": what, **detail} for when, who, what, detail in history],
    }
    words: list[str] = [sentence("{cn}: {status}", cn=cn, status=seat.status)]
    words += [
        sentence(
            "  {serial} {status} until {end}", serial=one.serial, status=one.word_at(at), end=rfc3339(one.not_after)
        )
        for one in issued
    ]
    words += [f"  {rfc3339(when)} {what}" for when, _, what, _ in history]
    answer(whole, words)


_UNSIGNED = (CertificateStatus.PLANNED, CertificateStatus.ABORTED)


@certificate.command()
@click.argument("cn")
@click.option("--serial", help="Only this certificate of the CN (lower-case hexadecimal).")
@click.option("--reason", type=click.Choice([reason.name for reason in _REASONS]), required=True)
@officer_option
@common
def revoke(cn: str, serial: str | None, reason: str, officer_name: str) -> None:
    """Revoke a CN at once, with every certificate of it that has not ended."""
    name, records = _name(cn), open_records(settings().config())

    def operation(connection: store.Connection) -> Revocation | AlreadyRevoked:
        officer = acting(connection, officer_name, Role.REGISTRATION)
        decision = Decision(RevocationReason[reason], f"officer:{officer.id}", now())
        if serial is None:
            return revocation.revoke_seat(connection, name, decision, entry_of_records)
        found = certificates.find(connection, serial.lower().lstrip("0"))
        if found is None or found.cn != name:
            raise NotFound(
                sentence(
                    "{cn} has no certificate {serial}; see `warifu-ca certificate show {cn}`.", cn=cn, serial=serial
                )
            )
        return revocation.revoke_certificate(connection, found.serial, decision, entry_of_records)

    started = time.monotonic()
    decided = records.write(operation)
    if isinstance(decided, AlreadyRevoked):
        raise decided
    done = _wait(records, decided, started)
    seconds = round(time.monotonic() - started, 1)
    whole = {
        "cn": cn,
        "serials": decided.serials.split(),
        "reason": reason,
        "revoked_at": rfc3339(decided.decided_at),
        "published": done,
        "seconds": seconds,
    }
    if done:
        answer(
            whole,
            [sentence("{cn} is revoked; OCSP and CRL showed it after {seconds} seconds.", cn=cn, seconds=seconds)],
        )
        return
    answer(
        whole, [sentence("{cn} is revoked on record; OCSP and CRL will show it when `warifu-ca serve` runs.", cn=cn)]
    )
    raise Stop(LATER)


def _wait(records: SynchronousDatabase, decided: Revocation, started: float) -> bool:
    """Wait until the CRL that shows the revocation is in place; OCSP reads the records and shows it before that."""
    while time.monotonic() - started < _SECONDS_TO_WAIT:
        found = records.read(revocations.get, decided.id)
        if found is not None and found.published_at is not None:
            return True
        time.sleep(0.1)
    return False


def _name(cn: str) -> CommonName:
    try:
        return CommonName.parse(cn)
    except BadName as error:
        raise Invalid({"cn": sentence("{text!r} is not a common name: it looks like F123456-001.", text=cn)}) from error

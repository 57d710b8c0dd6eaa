"""`warifu-ca certificate`: what was issued, and revoking at once."""

import time
from collections.abc import Callable, Mapping

import click

from ca_server import store
from ca_server.authority.crl import entry_of_records
from ca_server.cli.front import Group
from ca_server.cli.options import acting, common, now, officer_option, open_records, patient, settings
from ca_server.cli.output import LATER, Stop, answer, answer_table, spoken
from ca_server.clock import minute_in_tokyo, rfc3339
from ca_server.domain.certificates import Certificate, CertificateStatus
from ca_server.domain.reasons import Reason
from ca_server.domain.timeline import ACTIONS
from ca_server.errors import AlreadyRevoked, Invalid, NotFound
from ca_server.language import Sentence, sentence
from ca_server.operations import revocation, suspension
from ca_server.operations.revocation import Decision
from ca_server.store import SynchronousDatabase, audit, calls, certificates, revocations, seats
from ca_server.store.calls import Call
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
_WORDS = [reason.value for reason in Reason]
_REVOCATIONS = _WORDS + [reason.name for reason in _REASONS]


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
@officer_option
@common
def list_certificates() -> None:
    """Show every certificate."""
    at = now()
    listed = open_records(settings().config()).read(certificates.signed)
    rows = [(str(one.cn), one.serial[:12] + "…", one.word_at(at), minute_in_tokyo(one.not_after)) for one in listed]
    heads = ("CN", sentence("Serial"), sentence("Status"), sentence("Valid until"))
    answer_table([document(one, at) for one in listed], heads, rows, sentence("No certificate has been issued."))


@certificate.command()
@click.argument("cn")
@officer_option
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
            "  {serial} {status} until {end}",
            serial=one.serial,
            status=one.word_at(at),
            end=minute_in_tokyo(one.not_after),
        )
        for one in issued
    ]
    words += [f"  {minute_in_tokyo(when)} {spoken(ACTIONS.get(what, what))}" for when, _, what, _ in history]
    answer(whole, words)


_UNSIGNED = (CertificateStatus.PLANNED, CertificateStatus.ABORTED)


@certificate.command()
@click.argument("cn")
@click.option("--serial", help="Only this certificate of the CN (lower-case hexadecimal).")
@click.option("--reason", type=click.Choice(_REVOCATIONS), required=True)
@click.option("--caller", help="Who called; a form is owed then, and asked for until it comes.")
@officer_option
@common
def revoke(cn: str, serial: str | None, reason: str, caller: str | None) -> None:
    """Revoke a CN at once, with every certificate of it that has not ended."""
    name, records = _name(cn), open_records(settings().config())
    if caller is not None and (serial is not None or reason not in _WORDS):
        raise Invalid(
            {"caller": sentence("On a call a whole CN is revoked, for one of {reasons}.", reasons=", ".join(_WORDS))}
        )

    def operation(connection: store.Connection) -> Revocation | AlreadyRevoked:
        by = acting(connection)
        if caller is not None:
            request = suspension.Request(Reason(reason), caller, by)
            return suspension.revoke(connection, name, request, entry_of_records, now())
        code = Reason(reason).code if reason in _WORDS else RevocationReason[reason]
        decision = Decision(code, by.actor, now())
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
    done = _shown(records, started, lambda connection: _is_published(connection, decided.id))
    seconds = round(time.monotonic() - started, 1)
    _tell_revoked(cn, reason, decided, done, seconds, on_a_call=caller is not None)


def _is_published(connection: store.Connection, revocation_id: str) -> bool:
    found = revocations.get(connection, revocation_id)
    return found is not None and found.published_at is not None


def _tell_revoked(cn: str, reason: str, decided: Revocation, done: bool, seconds: float, *, on_a_call: bool) -> None:
    whole = {
        "cn": cn,
        "serials": decided.serials.split(),
        "reason": reason,
        "revoked_at": rfc3339(decided.decided_at),
        "published": done,
        "seconds": seconds,
    }
    if not decided.serials:
        words = [sentence("{cn} is revoked; it has no certificate in force, and a URL of it yields none.", cn=cn)]
    elif done:
        words = [sentence("{cn} is revoked; OCSP and CRL showed it after {seconds} seconds.", cn=cn, seconds=seconds)]
    else:
        words = [sentence("{cn} is revoked on record; OCSP and CRL will show it when `warifu-ca serve` runs.", cn=cn)]
    if on_a_call:
        words.append(sentence("Its form is asked for by mail."))
    answer(whole, words)
    if not done:
        raise Stop(LATER)


@certificate.command()
@click.argument("cn")
@click.option("--reason", type=click.Choice(_WORDS), help="What happened, in the words of the forms.")
@click.option("--caller", help="Who called; a form is owed then, and asked for until it comes.")
@click.option("--application", type=int, help="In place of a call: an urgent form that had to be returned.")
@officer_option
@common
def suspend(cn: str, reason: str | None, caller: str | None, application: int | None) -> None:
    """Suspend a CN at once (一時停止), until it is released or its form is carried out.

    On a returned urgent form it ends by itself after some business days.
    """
    config = settings().config()
    if application is None and (caller is None or reason is None):
        raise Invalid({"caller": sentence("Give --caller and --reason, or --application for a returned urgent form.")})

    def operation(connection: store.Connection) -> Call:
        by = acting(connection)
        if application is not None:
            rules = config.applications
            form = suspension.OnForm(application, by, rules.calendar, rules.hold_business_days)
            return suspension.hold(connection, _name(cn), form, entry_of_records, now())
        request = suspension.Request(Reason(reason or ""), caller or "", by)
        return suspension.suspend(connection, _name(cn), request, entry_of_records, now())

    started, records = time.monotonic(), open_records(config)
    call = patient(records, operation)
    until = call.held_until
    held_until = None if until is None else rfc3339(until)
    words = (
        sentence("{cn} is suspended: nothing is issued. Its form is asked for by mail.", cn=cn)
        if until is None
        else sentence("{cn} is suspended until {end}, unless its form comes.", cn=cn, end=minute_in_tokyo(until))
    )
    whole = {"cn": cn, "status": "suspended", "at": rfc3339(call.at), "held_until": held_until}
    _tell_held(records, started, call, whole, words)


@certificate.command()
@click.argument("cn")
@officer_option
@common
def release(cn: str) -> None:
    """Release a suspended CN: its certificates are good again."""

    def operation(connection: store.Connection) -> Call | None:
        by = acting(connection)
        return suspension.release(connection, _name(cn), by.actor, now())

    started, records = time.monotonic(), open_records(settings().config())
    call = records.write(operation)
    words = sentence("{cn} is released and is what it was before; the administrator is told.", cn=cn)
    _tell_held(records, started, call, {"cn": cn, "status": "released"}, words)


def _tell_held(
    records: SynchronousDatabase, started: float, call: Call | None, whole: Mapping[str, object], words: Sentence
) -> None:
    """Tell of a suspension or a release, and whether relying systems are told of it."""

    def is_shown(connection: store.Connection) -> bool:
        return call is None or call.id not in {hold.call_id for hold in calls.unpublished(connection)}

    done = _shown(records, started, is_shown)
    seconds = round(time.monotonic() - started, 1)
    after = (
        sentence("OCSP and CRL showed it after {seconds} seconds.", seconds=seconds)
        if done
        else sentence("OCSP and CRL will show it when `warifu-ca serve` runs.")
    )
    answer({**whole, "published": done, "seconds": seconds}, [words, after])
    if not done:
        raise Stop(LATER)


@certificate.command()
@click.argument("cn")
@click.argument("text")
@officer_option
@common
def label(cn: str, text: str) -> None:
    """Write the institution's own name of the PC that a CN is on; an empty text takes it away."""
    from ca_server.operations import help_desk

    def operation(connection: store.Connection) -> str | None:
        by = acting(connection)
        return help_desk.label(connection, _name(cn), text, by, now())

    written = open_records(settings().config()).write(operation)
    answer({"cn": cn, "label": written}, [sentence("{cn} is labelled {label}.", cn=cn, label=written or "—")])


def _shown(records: SynchronousDatabase, started: float, is_shown: Callable[[store.Connection], bool]) -> bool:
    """Wait until the CRL that shows a decision is in place; OCSP reads the records and shows it before that."""
    while time.monotonic() - started < _SECONDS_TO_WAIT:
        if records.read(is_shown):
            return True
        time.sleep(0.1)
    return False


def _name(cn: str) -> CommonName:
    try:
        return CommonName.parse(cn)
    except BadName as error:
        raise Invalid({"cn": sentence("{text!r} is not a common name: it looks like F123456-001.", text=cn)}) from error

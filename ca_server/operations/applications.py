"""Applications from receipt to their last half: file, examine, approve, return, and carry out what is due.

The command line files and decides; the schedule of a running server carries out. An application's halves are carried
out together in one transaction, so that nothing is assigned in part.
"""

import dataclasses
import datetime

from ca_server import store
from ca_server.clock import DAY, day_in_tokyo
from ca_server.domain.applications import Application, Filed, Half, Item, Kind, Status, status_of_items
from ca_server.domain.credentials import Credential, CredentialKind, CredentialStatus
from ca_server.domain.seats import SeatStatus
from ca_server.errors import AlreadyRevoked, Invalid, NotAllowed, NotEntitled
from ca_server.ids import new_id
from ca_server.language import sentence
from ca_server.operations.revocation import Decision, EntryMaker, revoke_seat
from ca_server.store import applications, audit, credentials, institutions, outbox, revocations, seats
from ca_server.store.institutions import Institution
from keys.sealing import Sealer
from protocol.credential import new_kid, new_password
from protocol.names import MAX_NUMBER, CommonName

_SCHEDULE = "schedule"


@dataclasses.dataclass(frozen=True)
class Receipt:
    """Who filed an application, and how it came."""

    officer: str
    channel: str
    reference: str | None


def file(connection: store.Connection, application: Application, receipt: Receipt, now: int) -> Filed:
    """Put an application on record.

    Raises Invalid, naming every field, when the administrator is not the registered one, the numbers are exhausted,
    or a CN is not known, revoked, or named by another application under way.
    """
    institution = institutions.find(connection, application.institution)
    fields = _wrong_administrator(application, institution)
    if application.kind is Kind.ISSUANCE:
        taken = 0 if institution is None else institution.last_number
        promised = applications.asked_for(connection, application.institution)
        if taken + promised + len(application.items) > MAX_NUMBER:
            left = max(0, MAX_NUMBER - taken - promised)
            fields["count"] = sentence(
                "Only {left} of the {most} numbers of {institution} are left.",
                left=left,
                most=MAX_NUMBER,
                institution=application.institution,
            )
    fields |= _wrong_names(connection, application)
    if fields:
        raise Invalid(fields)
    filed = applications.file(connection, application, receipt.officer, receipt.channel, receipt.reference, now)
    _tell_applicant(connection, filed, "received", now)
    return filed


def _wrong_administrator(application: Application, institution: Institution | None) -> dict[str, str]:
    if institution is None:
        if application.kind is Kind.ISSUANCE:
            return {}
        return {
            "institution": sentence(
                "{institution} is not registered; its first application is a DCM902.",
                institution=application.institution,
            )
        }
    named, registered = application.administrator, institution.administrator
    pairs = {"institution_name": (application.institution_name, institution.name)}
    for field in dataclasses.fields(named):
        pairs[field.name] = (getattr(named, field.name), getattr(registered, field.name))
    return {
        name: sentence("This is not what is registered; correct it, or file an administrator change (DCM905) first.")
        for name, (given, on_record) in pairs.items()
        if given != on_record
    }


def _wrong_names(connection: store.Connection, application: Application) -> dict[str, str]:
    fields: dict[str, str] = {}
    for item in application.items:
        if item.cn is None:
            continue
        seat = seats.find(connection, item.cn)
        other = applications.open_for(connection, item.cn)
        if seat is None:
            fields[f"cn {item.cn}"] = sentence("This CN was never assigned; see the list of certificates.")
        elif seat.status is SeatStatus.REVOKED and not revocations.form_owed(connection, str(item.cn)):
            fields[f"cn {item.cn}"] = sentence("This CN is revoked already.")
        elif other is not None and not application.urgent:
            fields[f"cn {item.cn}"] = sentence(
                "Application {other} names this CN already; wait for it or have it returned.", other=other
            )
    return fields


def examine(connection: store.Connection, number: int, officer: str, now: int) -> Filed:
    """Record that an officer examined the application. Raises NotFound or NotAllowed."""
    before = applications.get(connection, number)
    after = before.examined(officer)
    applications.move(connection, before, after, now, f"officer:{officer}")
    return after


def send_back(connection: store.Connection, number: int, officer: str, why: str, now: int) -> Filed:
    """Return the application 差戻し with a reason, and mail it. Raises NotFound, NotAllowed, or Invalid without one."""
    if not why.strip() or not why.isprintable():
        raise Invalid({"reason": sentence("Say in one printable line why the application is returned.")})
    before = applications.get(connection, number)
    after = before.returned()
    applications.move(connection, before, after, now, f"officer:{officer}", why.strip())
    _tell_applicant(connection, after, "returned", now)
    return after


def _tell_applicant(connection: store.Connection, filed: Filed, kind: str, now: int) -> None:
    """Queue a mail to the administrator whom the form names; another than the registered one is never filed."""
    form = filed.application
    address, code = form.administrator.email, str(form.institution)
    outbox.put(connection, outbox.Mail("", kind, address, form.language, code, application=filed.number), now)


def approve(connection: store.Connection, number: int, officer: str, now: int, *, four_eyes: bool) -> Filed:
    """Approve the application; the first of an institution registers it and its administrator.

    Raises NotFound, NotAllowed, or NotEntitled when the four eyes are two.
    """
    before = applications.get(connection, number)
    after = before.approved(officer, four_eyes=four_eyes)
    form = after.application
    institution = institutions.find(connection, form.institution)
    if institution is None:
        fresh = Institution(form.institution, form.institution_name, form.administrator, form.language, 0, now)
        institutions.register(connection, fresh, now, f"officer:{officer}")
    elif _wrong_administrator(form, institution):
        raise NotAllowed(
            sentence(
                "Application {number} names another administrator than the one registered meanwhile; return it.",
                number=number,
            )
        )
    applications.move(connection, before, after, now, f"officer:{officer}")
    return after


def due(connection: store.Connection) -> list[int]:
    """Return the numbers of applications that the schedule has to look at, urgent ones first."""
    return applications.numbers(connection, Status.APPROVED) + applications.numbers(connection, Status.WAITING)


@dataclasses.dataclass(frozen=True)
class Terms:
    """What the operator configured for the credentials of a new seat."""

    credential_days: int
    password_delay_seconds: int
    two_officers: bool


def carry_out(
    connection: store.Connection, number: int, terms: Terms, sealer: Sealer, entry: EntryMaker, now: int
) -> Filed | None:
    """Carry out the halves of an approved application whose day has come; None when none had.

    Numbers are assigned, seats approved, credentials made and mailed, CNs revoked, all in this transaction. A half of
    an urgent application waits for no date.
    """
    filed = applications.get(connection, number)
    form = filed.application
    _require_approved(filed, two_officers=terms.two_officers)
    revoked = [_is_due(form, item.revocation, item.revocation_on, now) for item in form.items]
    issued = [_is_due(form, item.issuance, item.issuance_on, now) for item in form.items]
    if filed.status not in (Status.APPROVED, Status.WAITING) or not any(revoked + issued):
        return _settled(connection, filed, form.items, now)
    names = iter(_take_names(connection, form, sum(issued)))
    items = []
    for position, item in enumerate(form.items, start=1):
        after = item
        if revoked[position - 1]:
            after = _revoked(connection, number, after, entry, now)
        if issued[position - 1]:
            cn = next(names)
            seats.add(connection, cn, number, now, _SCHEDULE)
            issue_credential(connection, cn, CredentialKind.ENROL, terms, sealer, now)
            after = dataclasses.replace(after, issuance=Half.DONE, new_cn=cn)
        if after != item:
            applications.write_item(connection, number, position, dataclasses.replace(after, failure=None))
        items.append(after)
    return _settled(connection, filed, tuple(items), now)


def _require_approved(filed: Filed, *, two_officers: bool) -> None:
    """Look at the approval once more, where the running server's own rules hold: a command line brings its own.

    Raises NotEntitled, so that nothing is carried out and an alarm says so.
    """
    if filed.status not in (Status.APPROVED, Status.WAITING):
        return
    alone = filed.approved_by in (None, filed.filed_by, filed.examined_by)
    if (two_officers and alone) or filed.application.content_sha256 != filed.content_sha256:
        raise NotEntitled(f"Application {filed.number} was not approved as the rules demand; nothing is carried out.")


def _is_due(form: Application, half: Half | None, on: datetime.date | None, now: int) -> bool:
    return half not in (None, Half.DONE) and (form.urgent or on is None or on <= day_in_tokyo(now))


def _settled(connection: store.Connection, filed: Filed, items: tuple[Item, ...], now: int) -> Filed | None:
    status = status_of_items(items)
    if filed.status not in (Status.APPROVED, Status.WAITING) or status is filed.status:
        return None
    moved = dataclasses.replace(filed, status=status, application=dataclasses.replace(filed.application, items=items))
    applications.move(connection, filed, moved, now, _SCHEDULE)
    return moved


def record_failure(connection: store.Connection, number: int, sentence: str, now: int) -> None:
    """Mark the halves that could not be carried out; they stay due and are tried again."""
    filed = applications.get(connection, number)
    for position, item in enumerate(filed.application.items, start=1):
        halves = {
            name: Half.FAILED if _is_due(filed.application, half, on, now) else half
            for name, half, on in (
                ("revocation", item.revocation, item.revocation_on),
                ("issuance", item.issuance, item.issuance_on),
            )
        }
        if Half.FAILED in halves.values() and item.failure != sentence:
            after = dataclasses.replace(
                item, revocation=halves["revocation"], issuance=halves["issuance"], failure=sentence
            )
            applications.write_item(connection, number, position, after)


def _take_names(connection: store.Connection, form: Application, count: int) -> list[CommonName]:
    if count == 0:
        return []
    institution = institutions.find(connection, form.institution)
    if institution is None:
        raise NotAllowed(sentence("{institution} is not registered.", institution=form.institution))
    if institution.last_number + count > MAX_NUMBER:
        raise NotAllowed(
            sentence(
                "{institution} has fewer than {count} numbers left; nothing was assigned.",
                institution=form.institution,
                count=count,
            )
        )
    return [
        CommonName(form.institution, number) for number in institutions.take_numbers(connection, institution, count)
    ]


def _revoked(connection: store.Connection, number: int, item: Item, entry: EntryMaker, now: int) -> Item:
    if item.cn is None or item.reason is None:
        return item
    outcome = revoke_seat(connection, item.cn, Decision(item.reason.code, _SCHEDULE, now, number), entry)
    if isinstance(outcome, AlreadyRevoked):
        audit.record(connection, now, _SCHEDULE, "already revoked", str(item.cn), application=number)
    return dataclasses.replace(item, revocation=Half.DONE)


def issue_credential(
    connection: store.Connection, cn: CommonName, kind: CredentialKind, terms: Terms, sealer: Sealer, now: int
) -> None:
    """Make a pair for the seat and queue its two mails to the registered administrator, the password later."""
    institution = institutions.find(connection, cn.institution)
    if institution is None:
        raise NotAllowed(sentence("{institution} is not registered.", institution=cn.institution))
    credential = Credential(
        new_id(), cn, kind, CredentialStatus.OPEN, 0, None, None, now + terms.credential_days * DAY, None
    )
    credentials.add(connection, credential, (new_kid(), new_password()), sealer, now)
    word = "enrolment" if kind is CredentialKind.ENROL else "renewal"
    mail = outbox.Mail(
        "",
        f"{word}-url",
        institution.administrator.email,
        institution.language,
        str(institution.code),
        cn=str(cn),
        application=seats.application_of(connection, cn),
        credential_id=credential.id,
    )
    outbox.put(connection, mail, now)
    outbox.put(connection, dataclasses.replace(mail, kind=f"{word}-password"), now, now + terms.password_delay_seconds)


def show(connection: store.Connection, number: int) -> Filed:
    """Return the application. Raises NotFound."""
    return applications.get(connection, number)


def listed(connection: store.Connection) -> list[Filed]:
    """Return every application, urgent ones first."""
    return [applications.get(connection, number) for number in applications.numbers(connection)]


def revocation_completed(connection: store.Connection, revocation_id: str) -> revocations.Revocation | None:
    """Return the decision with the moment of its publication, once there is one."""
    return revocations.get(connection, revocation_id)

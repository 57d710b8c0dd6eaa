"""Carrying out what was approved, each half on its own day and in its own transaction (requirements A6, A9).

The schedule asks for the steps that are due, urgent applications first, and takes them one by one. A half that fails
stays due and holds up no other: a CN that is lost is revoked even where no number is left for the one that replaces it.
The certificates that one application asks for are numbered together or not at all.
"""

import dataclasses
import datetime
from enum import StrEnum

from ca_server import store
from ca_server.clock import day_in_tokyo
from ca_server.domain.administrators import Half
from ca_server.domain.applications import Application, Filed, Item, Status, status_of_halves
from ca_server.domain.approvals import Trust
from ca_server.domain.calendar import Calendar
from ca_server.domain.credentials import CredentialKind
from ca_server.errors import AlreadyRevoked, NotAllowed, NotEntitled
from ca_server.language import sentence
from ca_server.operations import administrators, invitation
from ca_server.operations.revocation import Decision, EntryMaker, revoke_seat
from ca_server.store import applications, approvals, audit, changes, institutions, seats
from protocol.names import MAX_NUMBER, CommonName

_SCHEDULE = "schedule"


@dataclasses.dataclass(frozen=True)
class Terms:
    """What the operator configured for carrying out: the pairs, two officers or one, the calendar, M1's safeguard."""

    pair: invitation.Terms
    two_officers: bool
    calendar: Calendar = dataclasses.field(default_factory=Calendar)
    change_business_days: int = 1
    trust: Trust | None = None
    """Whose signatures count, where decisions must be signed."""


class Part(StrEnum):
    """What of an application a step carries out."""

    REVOCATION = "revocation"
    ISSUANCE = "issuance"
    CHANGE = "change"
    NOTHING = "nothing"
    """All that is left waits for its date, and the application says so."""


@dataclasses.dataclass(frozen=True)
class Step:
    """One thing to carry out: a part of an application, and of which of its items (from 1; 0 where all go together)."""

    number: int
    part: Part
    position: int = 0


def steps(connection: store.Connection, terms: Terms, now: int) -> list[Step]:
    """Return what is due, urgent applications first."""
    numbers = applications.perhaps_due(connection, day_in_tokyo(now))
    return [step for number in numbers for step in _steps_of(applications.get(connection, number), terms, now)]


def _steps_of(filed: Filed, terms: Terms, now: int) -> list[Step]:
    form, today = filed.application, day_in_tokyo(now)
    found = [
        Step(filed.number, Part.REVOCATION, position)
        for position, item in enumerate(form.items, start=1)
        if item.revocation_is_due(today)
    ]
    if any(item.issuance_is_due(today) for item in form.items):
        found.append(Step(filed.number, Part.ISSUANCE))
    if _change_is_due(filed, terms, today):
        found.append(Step(filed.number, Part.CHANGE))
    if not found and filed.status is not status_of_halves(form.halves):
        found.append(Step(filed.number, Part.NOTHING))
    return found


def _change_is_due(filed: Filed, terms: Terms, today: datetime.date) -> bool:
    change = filed.application.change
    if change is None or change.half is Half.DONE or filed.approved_at is None:
        return False
    return today >= change.earliest(day_in_tokyo(filed.approved_at), terms.calendar, terms.change_business_days)


def carry_out(connection: store.Connection, step: Step, terms: Terms, entry: EntryMaker, now: int) -> Filed:
    """Carry one step out if it is still due, and return the application as it stands then.

    Raises NotEntitled when it was not approved, or not signed, as the running server's own rules demand, NotAllowed
    when it cannot be carried out, TryLater while something stands in the way.
    """
    filed = applications.get(connection, step.number)
    if filed.status not in (Status.APPROVED, Status.WAITING) or step not in _steps_of(filed, terms, now):
        return filed
    _require_approved(filed, two_officers=terms.two_officers)
    if terms.trust is not None:
        terms.trust.require(filed, approvals.of(connection, step.number))
    match step.part:
        case Part.REVOCATION:
            _revoke(connection, filed, step.position, entry, now)
        case Part.ISSUANCE:
            _issue(connection, filed, terms, now)
        case Part.CHANGE:
            administrators.change(connection, filed, terms.pair, now, _SCHEDULE)
    return _settled(connection, step.number, now)


def record_failure(connection: store.Connection, step: Step, sentence: str, now: int) -> None:
    """Mark what could not be carried out; it stays due and is tried again."""
    filed = applications.get(connection, step.number)
    if step.part is Part.CHANGE and changes.fail(connection, step.number, sentence):
        _record_failure(connection, step, sentence, now)
    today = day_in_tokyo(now)
    for position, item in enumerate(filed.application.items, start=1):
        after = item
        if step.part is Part.REVOCATION and step.position == position:
            after = dataclasses.replace(item, revocation=Half.FAILED, failure=sentence)
        if step.part is Part.ISSUANCE and item.issuance_is_due(today):
            after = dataclasses.replace(item, issuance=Half.FAILED, failure=sentence)
        if after != item:
            applications.write_item(connection, step.number, position, after)
            _record_failure(connection, step, sentence, now)
    _settled(connection, step.number, now)


def _record_failure(connection: store.Connection, step: Step, sentence: str, now: int) -> None:
    subject, part = f"application:{step.number}", str(step.part)
    audit.record(
        connection, now, _SCHEDULE, "carrying out failed", subject, result=audit.FAILED, part=part, why=sentence
    )


def _require_approved(filed: Filed, *, two_officers: bool) -> None:
    """Look at the approval once more, where the running server's own rules hold: a command line brings its own.

    Raises NotEntitled, so that nothing is carried out and an alarm says so.
    """
    alone = filed.approved_by in (None, filed.filed_by, filed.examined_by)
    if (two_officers and alone) or filed.application.content_sha256 != filed.content_sha256:
        raise NotEntitled(
            sentence(
                "Application {number} was not approved as the rules demand; nothing is carried out.",
                number=filed.number,
            )
        )


def _settled(connection: store.Connection, number: int, now: int) -> Filed:
    filed = applications.get(connection, number)
    status = status_of_halves(filed.application.halves)
    if filed.status not in (Status.APPROVED, Status.WAITING) or status is filed.status:
        return filed
    moved = dataclasses.replace(filed, status=status)
    applications.move(connection, filed, moved, now, _SCHEDULE)
    return moved


def _revoke(connection: store.Connection, filed: Filed, position: int, entry: EntryMaker, now: int) -> None:
    item = filed.application.items[position - 1]
    if item.cn is None or item.reason is None:
        raise NotAllowed(
            sentence(
                "Item {position} of application {number} names no certificate.", position=position, number=filed.number
            )
        )
    outcome = revoke_seat(connection, item.cn, Decision(item.reason.code, _SCHEDULE, now, filed.number), entry)
    if isinstance(outcome, AlreadyRevoked):
        audit.record(connection, now, _SCHEDULE, "already revoked", str(item.cn), application=filed.number)
    done = dataclasses.replace(item, revocation=Half.DONE, failure=None)
    applications.write_item(connection, filed.number, position, done)


def _issue(connection: store.Connection, filed: Filed, terms: Terms, now: int) -> None:
    form, today = filed.application, day_in_tokyo(now)
    if institutions.find(connection, form.institution) is None:  # one officer approved it alone, as these rules allow
        administrators.register(connection, form, now, _SCHEDULE)
    due = [(place, item) for place, item in enumerate(form.items, start=1) if item.issuance_is_due(today)]
    for (position, item), cn in zip(due, _take_names(connection, form, len(due)), strict=True):
        seats.add(connection, cn, filed.number, now, _SCHEDULE)
        invitation.invite(connection, cn, CredentialKind.ENROL, terms.pair, now, _SCHEDULE)
        applications.write_item(connection, filed.number, position, _issued(item, cn))


def _issued(item: Item, cn: CommonName) -> Item:
    return dataclasses.replace(item, issuance=Half.DONE, new_cn=cn, failure=None)


def _take_names(connection: store.Connection, form: Application, count: int) -> list[CommonName]:
    """Take the next numbers of the institution, all of them or none (requirements N1)."""
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

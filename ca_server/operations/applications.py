"""Applications 申請書 as officers decide them: file, examine, return, withdraw, approve; `carrying_out` does the rest.

What is refused when it is filed leaves no application, only an entry in the log, and whoever may be the victim of it is
told: a form may name another administrator, or another institution's certificate, by mistake or in order to steal. An
urgent form that names the wrong administrator is kept, as returned, so that an officer can hold its CN on it (A7).
"""

import dataclasses
from collections.abc import Sequence

from ca_server import store
from ca_server.domain.administrators import CallBack
from ca_server.domain.applications import OPEN, Application, Filed, Kind, Receipt
from ca_server.domain.approvals import RECORDED, Act, Signing
from ca_server.domain.attempts import Attempt
from ca_server.domain.officers import Acting
from ca_server.domain.seats import SeatStatus
from ca_server.errors import Invalid, NotAllowed, NotEntitled
from ca_server.language import Sentence, choose, sentence
from ca_server.notices.messages import NoticeKind
from ca_server.operations.administrators import register, strange
from ca_server.operations.approvals import signs_afterwards, vouch
from ca_server.operations.notice import tell, tell_applicant
from ca_server.store import applications, audit, calls, changes, institutions, officers, seats
from ca_server.store.institutions import Institution
from protocol.names import MAX_NUMBER, CommonName

_LONGEST_REASON = 500
_DECISIONS = frozenset({"application examined", "application approved"})


def file(connection: store.Connection, application: Application, receipt: Receipt, now: int) -> Filed | Invalid:
    """Put an application on record and tell the administrator that it came.

    Returns Invalid, naming every field, when the administrator is not the registered one, the numbers are exhausted,
    or a CN is not known, revoked, or named by another application under way; that much is logged and committed, and
    the registered administrator is told of a stranger. An urgent form of a stranger is put on record as returned.
    """
    institution = institutions.find(connection, application.institution)
    stranger = strange(application, institution)
    fields = _wrong_facts(connection, application, institution) | _filed_before(connection, receipt)
    if stranger and institution is not None:
        warn_registered(connection, application, now)
        if application.urgent and not fields:
            filed = applications.file(connection, application, receipt, now)
            why = sentence("The administrator named on the form is not the registered one.")
            return _sent_back(connection, filed, receipt.by, choose(institution.language, {}).say(why), now)
    fields |= stranger
    if fields:
        refuse(connection, receipt, application.kind, sorted(fields), now)
        return Invalid(fields)
    filed = applications.file(connection, application, receipt, now)
    is_change = application.kind is Kind.ADMINISTRATOR_CHANGE
    tell_applicant(connection, filed, NoticeKind.CHANGE_RECEIVED if is_change else NoticeKind.RECEIVED, now)
    return filed


def judge(connection: store.Connection, application: Application) -> dict[str, Sentence]:
    """Return what the records say against an application, whatever else may be wrong with its form."""
    institution = institutions.find(connection, application.institution)
    return strange(application, institution) | _wrong_facts(connection, application, institution)


def _wrong_facts(
    connection: store.Connection, application: Application, institution: Institution | None
) -> dict[str, Sentence]:
    fields = _wrong_numbers(connection, application, institution)
    if institution is None:
        return fields
    return fields | _wrong_names(connection, application) | _wrong_change(connection, application)


def _filed_before(connection: store.Connection, receipt: Receipt) -> dict[str, Sentence]:
    """Return that the very file was filed before; one whose application came to nothing may be filed again."""
    before = None if receipt.file is None else applications.of_file(connection, receipt.file.sha256)
    if before is None:
        return {}
    return {"file": sentence("This very file was filed as application {number} before.", number=before)}


def refuse(connection: store.Connection, receipt: Receipt, kind: str, places: Sequence[str], now: int) -> None:
    """Log that a form was refused and where it was wrong, without a word that stood on it (requirements A5)."""
    audit.record(
        connection,
        now,
        receipt.by.actor,
        "application refused",
        f"form:{kind}",
        result=audit.REFUSED,
        places=list(places),
        channel=receipt.channel,
        reference=receipt.reference,
        file=None if receipt.file is None else receipt.file.sha256,
    )


def warn_registered(connection: store.Connection, application: Application, now: int) -> None:
    """Tell the registered administrator that a form named somebody else; it was refused."""
    tell(connection, application.institution, NoticeKind.ATTEMPT, now, attempt=Attempt.WRONG_ADMINISTRATOR)


def warn_owners(connection: store.Connection, strangers: Sequence[CommonName], now: int) -> None:
    """Tell the administrators of CNs that another institution's form named; the form was refused."""
    for cn in strangers:
        if seats.find(connection, cn) is not None:
            tell(connection, cn.institution, NoticeKind.ATTEMPT, now, cn=str(cn), attempt=Attempt.FOREIGN_CN)


def _wrong_numbers(
    connection: store.Connection, application: Application, institution: Institution | None
) -> dict[str, Sentence]:
    taken = 0 if institution is None else institution.last_number
    promised = applications.asked_for(connection, application.institution)
    if application.asks_for == 0 or taken + promised + application.asks_for <= MAX_NUMBER:
        return {}
    return {
        "count": sentence(
            "Only {left} of the {most} numbers of {institution} are left.",
            left=max(0, MAX_NUMBER - taken - promised),
            most=MAX_NUMBER,
            institution=application.institution,
        )
    }


def _wrong_names(connection: store.Connection, application: Application) -> dict[str, Sentence]:
    """Return which CNs cannot be named (requirements A8): an urgent form overrides one that is not urgent."""
    fields: dict[str, Sentence] = {}
    for item in application.items:
        if item.cn is None or item.reason is None:
            continue
        seat = seats.find(connection, item.cn)
        other = applications.open_for(connection, item.cn)
        if seat is None:
            fields[f"cn {item.cn}"] = sentence("This CN was never assigned; see the list of certificates.")
        elif other is not None and (other[1].urgent or not item.reason.urgent):
            fields[f"cn {item.cn}"] = sentence(
                "Application {other} names this CN already; wait for it or have it withdrawn.", other=other[0]
            )
        elif seat.status is SeatStatus.REVOKED and not calls.form_owed(connection, str(item.cn)):
            fields[f"cn {item.cn}"] = sentence("This CN is revoked already.")
    return fields


def _wrong_change(connection: store.Connection, application: Application) -> dict[str, Sentence]:
    other = applications.open_change(connection, application.institution)
    if application.change is None or other is None:
        return {}
    return {
        "change": sentence(
            "Application {other} changes this administrator already; wait for it or have it withdrawn.", other=other
        )
    }


def examine(
    connection: store.Connection, number: int, by: Acting, now: int, signing: Signing = RECORDED
) -> Filed | NotEntitled:
    """Record that an officer examined the application, or put the officer's signature under that afterwards.

    Returns NotEntitled for a signature that does not count, which is logged. Raises NotFound or NotAllowed, and
    NotEntitled without a signature where one is demanded.
    """
    before = applications.get(connection, number)
    if signs_afterwards(before, Act.EXAMINED, by, signing):
        return vouch(connection, before, Act.EXAMINED, by, signing, now) or before
    after = before.examined(by.id)
    refused = vouch(connection, after, Act.EXAMINED, by, signing, now)
    if refused is not None:
        return refused
    applications.move(connection, before, after, now, by.actor)
    return after


def send_back(connection: store.Connection, number: int, by: Acting, why: str, now: int) -> Filed:
    """Return the application 差戻し with a reason, and mail it. Raises NotFound, NotAllowed, or Invalid without one."""
    return _sent_back(connection, applications.get(connection, number), by, _reason(why), now)


def _sent_back(connection: store.Connection, before: Filed, by: Acting, why: str, now: int) -> Filed:
    after = before.returned()
    applications.move(connection, before, after, now, by.actor, why)
    tell_applicant(connection, after, NoticeKind.RETURNED, now)
    return after


def withdraw(connection: store.Connection, number: int, by: Acting, why: str, now: int) -> Filed:
    """Take the application back at the applicant's wish, and mail that; what was carried out stays.

    Raises NotFound, NotAllowed once all was carried out, or Invalid without a reason.
    """
    before = applications.get(connection, number)
    after = before.withdrawn()
    applications.move(connection, before, after, now, by.actor, _reason(why))
    tell_applicant(connection, after, NoticeKind.WITHDRAWN, now)
    return after


def _reason(text: str) -> str:
    why = text.strip()
    if not why or not why.isprintable() or len(why) > _LONGEST_REASON:
        raise Invalid({"reason": sentence("Say in one printable line why; the administrator is told.")})
    return why


def approve(
    connection: store.Connection, number: int, by: Acting, now: int, signing: Signing = RECORDED, *, four_eyes: bool
) -> Filed | NotEntitled:
    """Approve the application; by a second officer the first of an institution registers it and its administrator.

    An officer who approved it before signs that afterwards. Returns NotEntitled when the four eyes are two, or the
    signature does not count; both are logged. Raises NotFound or NotAllowed, and NotEntitled without a signature where
    one is demanded.
    """
    before = applications.get(connection, number)
    if signs_afterwards(before, Act.APPROVED, by, signing):
        return vouch(connection, before, Act.APPROVED, by, signing, now) or before
    try:
        after = before.approved(by.id, four_eyes=four_eyes)
    except NotEntitled as refused:
        audit.record(connection, now, by.actor, "approval refused", f"application:{number}", result=audit.REFUSED)
        return refused
    unsigned = vouch(connection, after, Act.APPROVED, by, signing, now)
    if unsigned is not None:
        return unsigned
    form = after.application
    institution = institutions.find(connection, form.institution)
    if institution is None:
        if by.id not in (before.filed_by, before.examined_by):  # whether one officer is enough, the schedule judges
            register(connection, form, now, by.actor)
    elif strange(form, institution):
        raise NotAllowed(
            sentence(
                "Application {number} does not name the institution and its administrator as registered meanwhile "
                "(`warifu-ca institution show {code}`); return it.",
                number=number,
                code=form.institution,
            )
        )
    applications.move(connection, before, after, now, by.actor)
    return applications.get(connection, number)


def logins(connection: store.Connection, number: int) -> set[str]:
    """Return the logins from which officers examined and approved the application, as the audit log has them."""
    told = audit.of_subject(connection, f"application:{number}")
    return {actor.rpartition("@")[2] for _, actor, action, _ in told if action in _DECISIONS}


def call_back(connection: store.Connection, number: int, by: Acting, spoken: tuple[str, str], now: int) -> Filed:
    """Record that an officer called (number on file, person) back about a DCM905, which ends its wait (M1).

    The officer is another than the one who filed it: whoever brought a form does not vouch for it. Raises NotEntitled,
    NotFound, NotAllowed for another form or one that is over, Invalid, or Conflict at a second call.
    """
    filed = applications.get(connection, number)
    if filed.application.change is None or filed.status not in OPEN:
        raise NotAllowed(sentence("Application {number} is no change of administrator under way.", number=number))
    if by.id == filed.filed_by:
        raise NotEntitled(
            sentence("Another officer than the one who filed application {number} calls back.", number=number)
        )
    dialled, person = (" ".join(text.split()) for text in spoken)
    wrong = {
        name: sentence("Fill this field in.")
        for name, text in (("number", dialled), ("spoke-to", person))
        if not text or not text.isprintable() or len(text) > _LONGEST_REASON
    }
    if wrong:
        raise Invalid(wrong)
    changes.call_back(connection, number, CallBack(by.id, dialled, person, now))
    audit.record(connection, now, by.actor, "called back", f"application:{number}")
    return applications.get(connection, number)


def show(connection: store.Connection, number: int) -> Filed:
    """Return the application. Raises NotFound."""
    return applications.get(connection, number)


@dataclasses.dataclass(frozen=True)
class Course:
    """How an application came, who moved it, and why it came to nothing, if it did."""

    channel: str
    reference: str | None
    filed_at: int
    officers: tuple[str | None, str | None, str | None]
    """The names of who filed, examined and approved it."""
    why: str | None
    is_strange: bool
    """Whether it names the institution or its administrator otherwise than they are registered by now."""
    registers: bool
    """Whether carrying it out registers its institution, which is not registered yet."""
    beside: tuple[int, ...]
    """The numbers of the institution's other applications under way: one may be the same form, filed twice."""


def course(connection: store.Connection, filed: Filed) -> Course:
    """Return what whoever examines or approves an application wants to know besides what it says."""
    names = {officer.id: officer.name for officer in officers.all_officers(connection)}
    who = tuple(names.get(each or "") for each in (filed.filed_by, filed.examined_by, filed.approved_by))
    why = applications.return_reason(connection, filed.number)
    code = filed.application.institution
    registered, is_open = institutions.find(connection, code), filed.status in OPEN
    is_strange = is_open and registered is not None and bool(strange(filed.application, registered))
    registers = is_open and registered is None
    beside = tuple(number for number in applications.open_of(connection, code) if number != filed.number)
    receipt = applications.receipt(connection, filed.number)
    return Course(*receipt, (who[0], who[1], who[2]), why, is_strange, registers, beside)


def listed(connection: store.Connection, *, only_open: bool = False) -> list[Filed]:
    """Return every application, or those that are not over, urgent ones first."""
    found = [applications.get(connection, number) for number in applications.numbers(connection)]
    if only_open:
        return [filed for filed in found if filed.status in OPEN]
    return sorted(found, key=lambda filed: (not (filed.application.urgent and filed.status in OPEN), filed.number))


def kept_file(connection: store.Connection, number: int) -> tuple[str, bytes] | None:
    """Return (SHA-256, sealed bytes) of the file that the application came in, None when there is none (any more)."""
    kept = applications.kept_file(connection, number)
    return None if kept is None or kept[1] is None else (kept[0], kept[1])

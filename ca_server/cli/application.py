"""`warifu-ca application`: file (in `filing`), examine, approve, return, withdraw, and look."""

import dataclasses
import datetime
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from ca_server import store
from ca_server.cli import filing
from ca_server.cli.audit_list import escaped
from ca_server.cli.front import Group
from ca_server.cli.options import acting, common, now, officer_option, open_records, settings
from ca_server.cli.output import answer, answer_table, say, spoken, warn
from ca_server.cli.signing import key_options, own_key, signed
from ca_server.clock import day_in_tokyo
from ca_server.config import Config
from ca_server.domain.administrators import Change, Half
from ca_server.domain.applications import Channel, Filed, Item, Status
from ca_server.domain.approvals import Act, Approval, Signing
from ca_server.domain.officers import Acting
from ca_server.errors import Refusal
from ca_server.language import Sentence, sentence
from ca_server.officer_keys import trust_of
from ca_server.operations import applications
from ca_server.store import approvals

_LONGEST_ON_THE_WAY = 31
"""Days. Desired dates count from that of the form, so an old one opens days that are closed by now."""

Decide = Callable[[store.Connection, Acting], Filed | Refusal]


@click.group(cls=Group)
@common
def application() -> None:
    """File and decide applications (申請書)."""


for _command in (filing.submit, filing.issue, filing.revoke, filing.file):
    application.add_command(_command)


def _decided(decide: Decide, told: Callable[[Filed], Sentence]) -> None:
    """Have an officer decide in one transaction, and tell what came of it; a refusal that was logged is raised then."""

    def operation(connection: store.Connection) -> Filed | Refusal:
        return decide(connection, acting(connection))

    outcome = open_records(settings().config()).write(operation)
    if isinstance(outcome, Refusal):
        raise outcome
    answer(filing.document(outcome), [told(outcome)])


def _signing(number: int, act: Act, key_place: str | None, passphrase_file: Path | None) -> Signing:
    """Return by what a decision is vouched for: with a key, the application is shown, and what was shown is signed."""
    config = settings().config()
    demanded = config.applications.signed
    if key_place is None:
        return Signing(demanded=demanded)
    trust, records = trust_of(config), open_records(config)
    filed, by = records.read(lambda connection: (applications.show(connection, number), acting(connection)))
    for line in _words(config, records, filed):
        say(line)
    with own_key(key_place, passphrase_file) as key:
        return Signing(trust, demanded, signed(trust, filed, act, by.id, key))


@application.command()
@click.argument("number", type=int)
@key_options
@officer_option
@common
def examine(number: int, key_place: str | None, passphrase_file: Path | None) -> None:
    """Record that an application was examined; with a key, shown and signed."""
    signing = _signing(number, Act.EXAMINED, key_place, passphrase_file)
    _decided(
        lambda connection, by: applications.examine(connection, number, by, now(), signing),
        lambda _: sentence("Application {number} is examined. Another officer approves it.", number=number),
    )


@application.command()
@click.argument("number", type=int)
@key_options
@officer_option
@common
def approve(number: int, key_place: str | None, passphrase_file: Path | None) -> None:
    """Approve an application; a running `serve` carries it out on its day.

    With a key it is shown and signed.
    """
    two = settings().config().applications.two_officers
    signing = _signing(number, Act.APPROVED, key_place, passphrase_file)
    _decided(
        lambda connection, by: applications.approve(connection, number, by, now(), signing, four_eyes=two),
        lambda _: sentence("Application {number} is approved; `warifu-ca serve` carries it out.", number=number),
    )
    if two:
        _tell_of_one_login(number)


def _tell_of_one_login(number: int) -> None:
    """Warn where both decisions came from one login: four eyes are two people whom the machine can tell apart."""
    logins = open_records(settings().config()).read(applications.logins, number)
    if len(logins) == 1:
        warn(
            sentence(
                "One login, {login}, decided twice; each officer needs one (--os-user).",
                login=logins.pop(),
            )
        )


@application.command("return")
@click.argument("number", type=int)
@click.option("--reason", required=True, help="What the applicant must correct.")
@officer_option
@common
def send_back(number: int, reason: str) -> None:
    """Return an application (差戻し) with a reason, by mail."""
    _decided(
        lambda connection, by: applications.send_back(connection, number, by, reason, now()),
        lambda _: sentence("Application {number} is returned; the administrator is told why.", number=number),
    )


@application.command()
@click.argument("number", type=int)
@click.option("--reason", required=True, help="Why the applicant takes it back.")
@officer_option
@common
def withdraw(number: int, reason: str) -> None:
    """Take back an application (取下げ) as its applicant wishes, but for what is done."""
    _decided(
        lambda connection, by: applications.withdraw(connection, number, by, reason, now()),
        lambda _: sentence("Application {number} is withdrawn; the administrator is told.", number=number),
    )


@application.command("call-back")
@click.argument("number", type=int)
@click.option("--number", "dialled", required=True, help="The telephone number on file that was called.")
@click.option("--spoke-to", "person", required=True, help="Who confirmed the change.")
@officer_option
@common
def call_back(number: int, dialled: str, person: str) -> None:
    """Record a call-back about an administrator change (DCM905): it need not wait then.

    Call a number that was on file before the form came, never one that the form or its mail names.
    """
    _decided(
        lambda connection, by: applications.call_back(connection, number, by, (dialled, person), now()),
        lambda _: sentence(
            "The call-back is on record; application {number} no longer waits for a business day.", number=number
        ),
    )


@application.command("list")
@click.option("--open", "only_open", is_flag=True, help="Only those that are not over.")
@officer_option
@common
def list_applications(only_open: bool) -> None:
    """Show applications, urgent ones that are not over first."""
    listed = open_records(settings().config()).read(applications.listed, only_open=only_open)
    rows = [
        (
            str(filed.number),
            filed.application.kind,
            str(filed.application.institution),
            str(len(filed.application.items) or ""),
            filed.status,
            sentence("urgent") if filed.application.urgent else "",
        )
        for filed in listed
    ]
    heads = (
        sentence("No."),
        sentence("Form"),
        sentence("Institution"),
        sentence("Items"),
        sentence("Status"),
        "",
    )
    answer_table([filing.document(filed) for filed in listed], heads, rows, sentence("There are no applications."))


@application.command()
@click.argument("number", type=int)
@officer_option
@common
def show(number: int) -> None:
    """Show what one application says and how far each half of it is."""
    config = settings().config()
    records = open_records(config)
    filed = records.read(applications.show, number)
    course = records.read(applications.course, filed)
    person = dataclasses.asdict(filed.application.administrator)
    signatures = [
        {"act": each.act, "officer": each.officer, "at": each.at, "key_sha256": each.key_sha256}
        for each in records.read(approvals.of, number)
    ]
    whole = {"administrator": person, "course": dataclasses.asdict(course), "signatures": signatures}
    answer(filing.document(filed) | whole, _words(config, records, filed))


def _words(config: Config, records: store.SynchronousDatabase, filed: Filed) -> list[str]:
    """Return what an officer reads of an application before deciding on it, with what does not print as an escape.

    A carriage return written into the records would show a terminal another application than the one that is signed.
    """
    form = filed.application
    words: list[str] = [
        sentence(
            "Application {number}: {kind}, {institution} {name}, {status}",
            number=filed.number,
            kind=form.kind,
            institution=form.institution,
            name=form.institution_name,
            status=filed.status,
        ),
        *_course_lines(records.read(applications.course, filed), form.applied_on),
        *_signature_lines(records.read(approvals.of, filed.number)),
        sentence(
            "  applied on {day} by {name} ({furigana}), {email}",
            day=form.applied_on,
            name=form.administrator.name,
            furigana=form.administrator.furigana,
            email=form.administrator.email,
        ),
    ]
    decided = filed.status in (Status.APPROVED, Status.WAITING, Status.DONE)
    words += [_line(item, decided) for item in form.items]
    if form.change is not None:
        rules = config.applications
        day = None
        if decided and filed.approved_at is not None and form.change.half is not Half.DONE:
            approved_on = day_in_tokyo(filed.approved_at)
            day = form.change.earliest(approved_on, rules.calendar, rules.change_business_days)
        words += _change_lines(form.change, day)
    return [escaped(spoken(line)) for line in words]


def _signature_lines(found: Sequence[Approval]) -> list[str]:
    return [
        sentence(
            "  {act}: signed on {day} by the key {key}…",
            act=each.act,
            day=day_in_tokyo(each.at),
            key=each.key_sha256[:16],
        )
        for each in found
    ]


def _course_lines(course: applications.Course, applied_on: datetime.date) -> list[str]:
    filed, examined, approved = (name or "—" for name in course.officers)
    lines: list[str] = [
        sentence(
            "  received {day} ({channel}), reference {reference}",
            day=day_in_tokyo(course.filed_at),
            channel=next((known for known in Channel if known == course.channel), course.channel),
            reference=course.reference or "—",
        ),
        sentence(
            "  filed by {filed}, examined by {examined}, approved by {approved}",
            filed=filed,
            examined=examined,
            approved=approved,
        ),
    ]
    if course.is_strange:
        lines.append(sentence("  WARNING: the institution or its administrator is registered otherwise by now"))
    late = (day_in_tokyo(course.filed_at) - applied_on).days
    if late > _LONGEST_ON_THE_WAY:
        lines.append(sentence("  WARNING: it is dated {days} days before it came", days=late))
    if course.registers:
        lines.append(sentence("  the institution is not registered yet; this application registers it"))
    if course.beside:
        others = ", ".join(map(str, course.beside))
        lines.append(sentence("  under way besides, of the same institution: {others}", others=others))
    return lines + ([sentence("  reason given: {why}", why=course.why)] if course.why else [])


def _line(item: Item, decided: bool) -> str:
    name = item.cn or item.new_cn or spoken(sentence("(no CN yet)"))
    parts = [] if item.reason is None else [spoken(item.reason.label)]
    for half, state, on in (
        (sentence("revocation"), item.revocation, item.revocation_on),
        (sentence("issuance"), item.issuance, item.issuance_on),
    ):
        if state is not None:
            told = decided or state is Half.DONE
            where = sentence("not yet") if state is Half.WAITING and on is None else state
            said = spoken(sentence("{half} {state}", half=half, state=where) if told else half)
            parts.append(said if on is None else spoken(sentence("{said} (desired on {day})", said=said, day=on)))
    if item.cn is not None and item.new_cn is not None:
        parts.append(f"→ {item.new_cn}")
    return f"  {name}: {', '.join(parts)} {item.failure or ''}".rstrip()


def _change_lines(change: Change, day: datetime.date | None) -> list[str]:
    successor = change.successor
    lines: list[str] = [
        sentence("  reason: {reason}", reason=change.reason.label),
        sentence(
            "  new administrator: {name} ({furigana}), {email}",
            name=successor.name,
            furigana=successor.furigana,
            email=successor.email,
        ),
    ]
    if change.desired_on is not None:
        lines.append(sentence("  desired on {day}", day=change.desired_on))
    if change.call_back is not None:
        lines.append(
            sentence(
                "  called back on {number}, spoke to {person}",
                number=change.call_back.number,
                person=change.call_back.spoke_to,
            )
        )
    if change.half is Half.DONE:
        lines.append(sentence("  carried out"))
    elif day is not None:
        lines.append(sentence("  carried out on {day} at the earliest", day=day))
    return lines + ([f"  {change.failure}"] if change.failure else [])

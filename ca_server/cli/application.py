"""`warifu-ca application`: file, examine, approve, return, and look."""

import click

from ca_server import store
from ca_server.cli.front import Group
from ca_server.cli.options import acting, common, not_a_code, now, officer_option, open_records, settings
from ca_server.cli.output import answer, answer_table, spoken
from ca_server.clock import day_in_tokyo
from ca_server.domain import applications as forms
from ca_server.domain.applications import Administrator, Application, Filed, Reason
from ca_server.domain.officers import Role
from ca_server.errors import Invalid
from ca_server.language import sentence
from ca_server.notices.messages import UnsafeAddress, require_safe_address
from ca_server.operations import applications
from ca_server.store import institutions
from protocol.names import BadName, InstitutionCode

_CHANNEL = "command line"


@click.group(cls=Group)
@common
def application() -> None:
    """File and decide applications (申請書)."""


def document(filed: Filed) -> dict[str, object]:
    """Return the application as scripts read it."""
    return {
        "number": filed.number,
        "kind": filed.application.kind,
        "status": filed.status,
        "institution": str(filed.application.institution),
        "urgent": filed.application.urgent,
        "certificates": [
            {
                "cn": str(item.cn or item.new_cn) if item.cn or item.new_cn else None,
                "new_cn": str(item.new_cn) if item.new_cn else None,
                "reason": item.reason,
                "revocation": item.revocation,
                "issuance": item.issuance,
                "failure": item.failure,
            }
            for item in filed.application.items
        ],
    }


def _told(filed: Filed, words: str) -> None:
    answer(document(filed), [words])


@application.command()
@click.argument("institution")
@click.option("--institution-name", required=True)
@click.option("--administrator-family-name", "family_name", required=True)
@click.option("--administrator-given-name", "given_name", required=True)
@click.option("--furigana", required=True)
@click.option("--email", required=True)
@click.option("--count", type=int, required=True, help="How many certificates, 1 to 100.")
@click.option("--language", type=click.Choice(["ja", "en"]), default="ja", show_default=True)
@click.option("--reference", help="The sender's own reference.")
@officer_option
@common
def issue(  # noqa: PLR0913 - the fields of the form
    institution: str,
    institution_name: str,
    family_name: str,
    given_name: str,
    furigana: str,
    email: str,
    count: int,
    language: str,
    reference: str | None,
    officer_name: str,
) -> None:
    """File an application for new certificates (DCM902 新規発行)."""
    fields: dict[str, str] = {}
    try:
        require_safe_address(email.strip())
    except UnsafeAddress as error:
        fields["email"] = error.args[0]
    administrator = Administrator(family_name, given_name, furigana, email)
    today = day_in_tokyo(now())
    try:
        form = forms.issuance(institution, institution_name, administrator, count, language=language, today=today)
    except Invalid as error:  # every wrong field is named at once
        raise Invalid(error.fields | fields) from error
    if fields:
        raise Invalid(fields)
    _file(form, officer_name, reference)


@application.command()
@click.argument("institution")
@click.option("--cn", "cns", multiple=True, required=True, help="A certificate's CN; up to ten.")
@click.option("--reason", type=click.Choice([reason.value for reason in Reason]), required=True)
@click.option("--reference", help="The sender's own reference.")
@officer_option
@common
def revoke(institution: str, cns: tuple[str, ...], reason: str, reference: str | None, officer_name: str) -> None:
    """File an application to revoke certificates (DCM903 失効)."""
    records = open_records(settings().config())
    form = forms.revocation(institution, cns, reason, records.read(_registered, institution), day_in_tokyo(now()))
    _file(form, officer_name, reference)


def _registered(connection: store.Connection, institution: str) -> tuple[str, Administrator, str]:
    try:
        found = institutions.find(connection, InstitutionCode.parse(institution))
    except BadName as error:
        raise Invalid({"institution": not_a_code(institution)}) from error
    if found is None:
        raise Invalid(
            {
                "institution": sentence(
                    "{institution} is not registered; its first application is a DCM902.", institution=institution
                )
            }
        )
    return found.name, found.administrator, found.language


def _file(form: Application, officer_name: str, reference: str | None) -> None:
    records = open_records(settings().config())

    def operation(connection: store.Connection) -> Filed:
        officer = acting(connection, officer_name, Role.REGISTRATION)
        return applications.file(connection, form, applications.Receipt(officer.id, _CHANNEL, reference), now())

    filed = records.write(operation)
    _told(
        filed,
        sentence(
            "Received as application {number}. Next: `warifu-ca application examine {number}`.", number=filed.number
        ),
    )


@application.command()
@click.argument("number", type=int)
@officer_option
@common
def examine(number: int, officer_name: str) -> None:
    """Record that an application was examined."""

    def operation(connection: store.Connection) -> Filed:
        officer = acting(connection, officer_name, Role.REGISTRATION)
        return applications.examine(connection, number, officer.id, now())

    filed = open_records(settings().config()).write(operation)
    _told(filed, sentence("Application {number} is examined. Another officer approves it.", number=number))


@application.command()
@click.argument("number", type=int)
@officer_option
@common
def approve(number: int, officer_name: str) -> None:
    """Approve an application; a running `serve` carries it out."""
    config = settings().config()
    two = config.applications.two_officers

    def operation(connection: store.Connection) -> Filed:
        officer = acting(connection, officer_name, Role.REGISTRATION)
        return applications.approve(connection, number, officer.id, now(), four_eyes=two)

    filed = open_records(config).write(operation)
    _told(filed, sentence("Application {number} is approved; `warifu-ca serve` carries it out.", number=number))


@application.command("return")
@click.argument("number", type=int)
@click.option("--reason", required=True, help="What the applicant must correct.")
@officer_option
@common
def send_back(number: int, reason: str, officer_name: str) -> None:
    """Return an application (差戻し) with a reason, by mail."""

    def operation(connection: store.Connection) -> Filed:
        officer = acting(connection, officer_name, Role.REGISTRATION)
        return applications.send_back(connection, number, officer.id, reason, now())

    filed = open_records(settings().config()).write(operation)
    _told(filed, sentence("Application {number} is returned; the administrator is told why.", number=number))


@application.command("list")
@common
def list_applications() -> None:
    """Show every application, urgent ones first."""
    listed = open_records(settings().config()).read(applications.listed)
    rows = [
        (
            str(filed.number),
            filed.application.kind,
            str(filed.application.institution),
            str(len(filed.application.items)),
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
    answer_table([document(filed) for filed in listed], heads, rows, sentence("There are no applications."))


@application.command()
@click.argument("number", type=int)
@common
def show(number: int) -> None:
    """Show one application and how far each certificate of it is."""
    filed = open_records(settings().config()).read(applications.show, number)
    form = filed.application
    words: list[str] = [
        sentence(
            "Application {number}: {kind}, {institution} {name}, {status}",
            number=number,
            kind=form.kind,
            institution=form.institution,
            name=form.institution_name,
            status=filed.status,
        )
    ]
    for item in form.items:
        name = item.cn or item.new_cn or spoken(sentence("(no CN yet)"))
        halves = [
            spoken(sentence("{half} {state}", half=half, state=state))
            for half, state in ((sentence("revocation"), item.revocation), (sentence("issuance"), item.issuance))
            if state
        ]
        words.append(f"  {name}: {', '.join(halves)} {item.failure or ''}".rstrip())
    answer(document(filed), words)

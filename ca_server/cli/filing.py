"""How applications are filed: as a workbook, or by the options of `application issue` and `application revoke`.

However a form came, its texts are read by the one set of rules in `domain.forms`, and whatever is refused is logged.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from ca_server import keyring, store
from ca_server.cli.front import Command
from ca_server.cli.options import acting, common, not_a_code, now, officer_option, open_records, settings
from ca_server.cli.output import PERSON, Stop, answer
from ca_server.clock import DAY, day_in_tokyo
from ca_server.config import Config
from ca_server.domain import forms
from ca_server.domain.applications import Application, Channel, Filed, KeptFile, Kind, Receipt, Status
from ca_server.domain.reasons import Reason
from ca_server.errors import Invalid, NotFound, Refusal
from ca_server.language import sentence
from ca_server.operations import applications
from ca_server.store import SynchronousDatabase, institutions
from ca_server.store.institutions import Institution
from protocol.names import BadName, InstitutionCode


def document(filed: Filed) -> dict[str, object]:
    """Return the application as scripts read it."""
    form = filed.application
    return {
        "number": filed.number,
        "kind": form.kind,
        "status": filed.status,
        "institution": str(form.institution),
        "applied_on": form.applied_on.isoformat(),
        "urgent": form.urgent,
        "certificates": [
            {
                "cn": str(item.cn or item.new_cn) if item.cn or item.new_cn else None,
                "new_cn": str(item.new_cn) if item.new_cn else None,
                "reason": item.reason,
                "revocation": item.revocation,
                "revocation_on": None if item.revocation_on is None else item.revocation_on.isoformat(),
                "issuance": item.issuance,
                "issuance_on": None if item.issuance_on is None else item.issuance_on.isoformat(),
                "failure": item.failure,
            }
            for item in form.items
        ],
        "change": None if form.change is None else _change(filed),
    }


def _change(filed: Filed) -> dict[str, object]:
    change = filed.application.change
    assert change is not None  # noqa: S101 - asked for by who saw one
    return {
        "reason": change.reason,
        "administrator": change.successor.name,
        "email": change.successor.email,
        "desired_on": None if change.desired_on is None else change.desired_on.isoformat(),
        "state": change.half,
        "called_back": change.call_back is not None,
        "failure": change.failure,
    }


@click.command(cls=Command)
@click.argument("workbook", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--reference", required=True, help="The sender's own reference.")
@click.option("--channel", default=Channel.ONLINE.value, show_default=True, help="How the file came.")
@officer_option
@common
def submit(workbook: Path, reference: str, channel: str) -> None:
    """File an application that came as a workbook (DCM902 to DCM905, .xlsx)."""
    from ca_server.forms.package import MOST_BYTES
    from ca_server.forms.reading import read_workbook

    config = settings().config()
    if not workbook.is_file():
        raise Invalid({"workbook": sentence("There is no file {path}.", path=workbook)})
    if not reference.strip() or not reference.isprintable():
        raise Invalid({"reference": sentence("Give the sender's reference, in printable characters.")})
    with workbook.open("rb") as file:
        content = file.read(MOST_BYTES + 1)  # one more than may be: then it is refused for its size
    digest = hashlib.sha256(content).hexdigest()
    sealed = keyring.load_sealer(config).seal(content, digest.encode())
    kept = KeptFile(digest, sealed, now() + config.applications.retention_days * DAY)
    desk = _Desk(config, channel, reference, kept)
    desk.file("workbook", lambda: read_workbook(content, rules(config)))


@click.command(cls=Command)
@click.argument("institution")
@click.option("--institution-name", required=True, help="The institution's name.")
@click.option("--administrator-family-name", "family_name", required=True, help="The administrator's family name.")
@click.option("--administrator-given-name", "given_name", required=True, help="The administrator's given name.")
@click.option("--furigana", required=True, help="How the administrator's name is read, in hiragana.")
@click.option("--email", required=True, help="Where the mails go: the administrator's address.")
@click.option("--count", type=int, required=True, help="How many certificates, 1 to 100.")
@click.option(
    "--language", type=click.Choice(["ja", "en"]), default="ja", show_default=True, help="The language of the mails."
)
@click.option("--reference", help="The sender's own reference.")
@officer_option
@common
def issue(count: int, language: str, reference: str | None, **texts: str) -> None:
    """File an application for new certificates (DCM902 新規発行).

    INSTITUTION is the code of the institution: F and six digits.
    """
    config = settings().config()
    sheet = texts | {forms.COUNT.name: str(count), forms.APPLIED_ON.name: str(day_in_tokyo(now()))}
    desk = _Desk(config, Channel.COMMAND_LINE, reference, None)
    desk.file(Kind.ISSUANCE, lambda: forms.read(forms.FORMS[Kind.ISSUANCE], [sheet], language, rules(config)))


@click.command(cls=Command)
@click.argument("institution")
@click.option("--cn", "cns", multiple=True, required=True, help="A certificate's CN; up to ten.")
@click.option("--reason", type=click.Choice([reason.value for reason in Reason]), required=True)
@click.option("--date", "revocation_on", default="", help="The desired date of the revocation.")
@click.option("--reference", help="The sender's own reference.")
@officer_option
@common
def revoke(
    institution: str,
    cns: tuple[str, ...],
    reason: str,
    revocation_on: str,
    reference: str | None,
) -> None:
    """File an application to revoke certificates (DCM903 失効) for the registered administrator."""
    config = settings().config()
    registered = open_records(config).read(_registered, institution)
    person = registered.administrator
    first = {
        forms.APPLIED_ON.name: str(day_in_tokyo(now())),
        forms.INSTITUTION.name: str(registered.code),
        forms.INSTITUTION_NAME.name: registered.name,
        forms.FURIGANA.name: person.furigana,
        forms.FAMILY_NAME.name: person.family_name,
        forms.GIVEN_NAME.name: person.given_name,
        forms.ADDRESS.name: person.email,
    }
    item = {forms.REASON.name: reason, forms.REVOCATION_ON.name: revocation_on}
    sheets = [item | {forms.CN.name: cn} for cn in cns]
    sheets[0] |= first
    form = forms.FORMS[Kind.REVOCATION]
    if len(cns) > form.sheets:
        raise Invalid({"cn": sentence("Name 1 to {most} certificates.", most=form.sheets)})
    desk = _Desk(config, Channel.COMMAND_LINE, reference, None)
    desk.file(Kind.REVOCATION, lambda: forms.read(form, sheets, registered.language, rules(config)))


def _registered(connection: store.Connection, institution: str) -> Institution:
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
    return found


@click.command(cls=Command)
@click.argument("number", type=int)
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Where to write it.")
@officer_option
@common
def file(number: int, output: Path) -> None:
    """Give back the file that an application came in, as it came."""
    config = settings().config()
    kept = open_records(config).read(applications.kept_file, number)
    if kept is None:
        raise NotFound(sentence("Application {number} did not come as a file, or its time is over.", number=number))
    digest, sealed = kept
    if output.exists():
        raise Invalid({"output": sentence("{path} exists; it is never overwritten.", path=output)})
    output.touch(mode=0o600)
    output.write_bytes(keyring.load_sealer(config).open(sealed, digest.encode()))
    answer(
        {"number": number, "output": str(output), "sha256": digest},
        [sentence("{path} is the file of application {number}.", path=output, number=number)],
    )


def rules(config: Config) -> forms.Rules:
    """Return the rules by which forms are read here and now."""
    return forms.Rules(config.applications.calendar, day_in_tokyo(now()), config.applications.most_certificates)


class _Desk:
    """Files what an officer received: the receipt is the same whether the form is taken or refused."""

    def __init__(self, config: Config, channel: str, reference: str | None, kept: KeptFile | None) -> None:
        self._records: SynchronousDatabase = open_records(config)
        self._how = (channel, reference)
        self._kept = kept
        self._signed = config.applications.signed

    def _receipt(self, connection: store.Connection) -> Receipt:
        return Receipt(acting(connection), *self._how, self._kept)

    def file(self, kind: str, read: Callable[[], Application]) -> None:
        """Read a form and put it on record, tell what comes next; or log what is wrong with it and raise that."""
        try:
            form = read()
        except Refusal as refused:
            raise self._records.write(self._refused, kind, refused) from refused
        outcome = self._records.write(
            lambda connection: applications.file(connection, form, self._receipt(connection), now())
        )
        if isinstance(outcome, Invalid):
            raise Invalid(self._told(outcome.fields, form))
        if outcome.status is Status.RETURNED:
            _tell_of_return(outcome)
        answer(
            document(outcome),
            [
                sentence(
                    "Received as application {number}. Next: `warifu-ca application examine {number} {by}`.",
                    number=outcome.number,
                    by=sentence("--key KEY --officer NAME") if self._signed else sentence("--officer NAME"),
                )
            ],
        )

    def _refused(self, connection: store.Connection, kind: str, refused: Refusal) -> Refusal:
        """Log a form that could not be read, and return all that is wrong with it, by its texts and by the records."""
        places = sorted(refused.fields) if isinstance(refused, Invalid) else [type(refused).__name__]
        applications.refuse(connection, self._receipt(connection), kind, places, now())
        faulty = refused if isinstance(refused, forms.Faulty) else refused.__cause__
        if not isinstance(faulty, forms.Faulty) or not isinstance(refused, Invalid):
            return refused
        applications.warn_owners(connection, faulty.foreign, now())
        if faulty.legible is None:
            return refused
        judged = applications.judge(connection, faulty.legible)
        if "administrator" in judged:
            applications.warn_registered(connection, faulty.legible, now())
        return Invalid(refused.fields | self._told(judged, faulty.legible))

    def _told(self, fields: Mapping[str, str], form: Application) -> dict[str, str]:
        """Return what the records say against a form as whoever filled it in is told: a workbook by its cells."""
        if self._kept is None:
            return dict(fields)
        from ca_server.forms.reading import in_places

        return in_places(fields, form)


def _tell_of_return(filed: Filed) -> None:
    """Tell that an urgent form of a stranger was returned, and how its CNs can be held on it meanwhile."""
    words: list[str] = [
        sentence(
            "Application {number} is urgent, but names another administrator than the registered one: returned.",
            number=filed.number,
        )
    ]
    words += [
        sentence(
            "  to hold {cn} for some days: `warifu-ca certificate suspend {cn} --application {number} --officer NAME`",
            cn=item.cn,
            number=filed.number,
        )
        for item in filed.application.items
        if item.reason is not None and item.reason.urgent
    ]
    answer(document(filed), words)
    raise Stop(PERSON)

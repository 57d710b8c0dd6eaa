"""`warifu-ca institution`: who is registered."""

import dataclasses

import click

from ca_server.cli.front import Group
from ca_server.cli.options import common, not_a_code, officer_option, open_records, settings
from ca_server.cli.output import answer, answer_table
from ca_server.clock import minute_in_tokyo, rfc3339
from ca_server.errors import NotFound
from ca_server.language import sentence
from ca_server.store import institutions
from ca_server.store.institutions import Institution
from protocol.names import BadName, InstitutionCode


@click.group(cls=Group)
@common
def institution() -> None:
    """Look at the registered institutions and their administrators."""


def _document(one: Institution) -> dict[str, object]:
    return {
        "code": str(one.code),
        "name": one.name,
        "language": one.language,
        "registered_at": rfc3339(one.registered_at),
        "last_number": one.last_number,
        "administrator": dataclasses.asdict(one.administrator),
    }


@institution.command("list")
@officer_option
@common
def list_institutions() -> None:
    """Show every institution."""
    listed = open_records(settings().config()).read(institutions.all_institutions)
    rows = [(str(one.code), one.name, one.administrator.email, str(one.last_number)) for one in listed]
    heads = (sentence("Code"), sentence("Name"), sentence("Administrator's mail"), sentence("CNs"))
    answer_table([_document(one) for one in listed], heads, rows, sentence("No institution is registered."))


@institution.command()
@click.argument("code")
@officer_option
@common
def show(code: str) -> None:
    """Show one institution and its administrator."""
    try:
        parsed = InstitutionCode.parse(code)
    except BadName as error:
        raise NotFound(not_a_code(code)) from error
    one = open_records(settings().config()).read(institutions.find, parsed)
    if one is None:
        raise NotFound(sentence("{code} is not registered.", code=code))
    person = one.administrator
    words = [
        sentence("{code} {name}, registered {at}", code=one.code, name=one.name, at=minute_in_tokyo(one.registered_at)),
        sentence("  administrator: {family_name} {given_name} ({furigana}), {email}", **dataclasses.asdict(person)),
        sentence("  mails in: {language}; CNs assigned: {count}", language=one.language, count=one.last_number),
    ]
    answer(_document(one), words)

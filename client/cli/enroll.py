"""`warifu enroll` gets a certificate; `warifu eab` lets another ACME client get it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from client.config import Settings
from client.console import Console
from client.errors import Misuse
from client.front import Command
from client.language import sentence
from client.options import COMMON_NAME, export_options, password_options, settings_options, store_options, yes_option
from client.password import PasswordSource

if TYPE_CHECKING:
    from client.export import Export
    from protocol.names import CommonName
    from protocol.resources import Seat


@dataclass(frozen=True, slots=True)
class _AtKeyboard:
    """The person who runs the command."""

    console: Console
    passwords: PasswordSource
    yes: bool

    def given_password(self) -> str | None:
        return self.passwords.given()

    def password(self) -> str:
        return self.passwords.password(self.console)

    def agrees(self, seat: "Seat") -> bool:
        facts = {"cn": seat.common_name, "institution": seat.institution_name}
        if seat.renewal:
            self.console.tell("This URL renews the certificate {cn} of {institution}.", **facts)
        else:
            self.console.tell("This URL is for the certificate {cn} of {institution}.", **facts)
        return self.yes or self.console.confirmed("Install it on this PC? It cannot be moved to another one later.")

    def tell(self, text: str, **facts: object) -> None:
        self.console.tell(text, **facts)


@click.command(
    cls=Command, help=sentence("Get the certificate that a one-time URL and its password stand for, or go on with it.")
)
@click.argument("url")
@settings_options
@store_options
@password_options
@export_options
@yes_option
def enroll(
    console: Console, settings: Settings, url: str, passwords: PasswordSource, export: "Export | None", yes: bool
) -> None:
    import asyncio

    from client.cli.seats import store_of
    from client.enrolment import enrol
    from client.listing import describe_whole, lines_of
    from client.stores.custody import chosen_custody

    if export is not None:
        export.require_exportable(chosen_custody(settings))
    if passwords.stdin and not yes:
        raise Misuse(
            "noAnswer",
            sentence("Standard input brings the password and cannot answer the question too."),
            sentence("Give --yes to go on without it."),
            fields={"--yes": "missing"},
        )
    enrolled = asyncio.run(enrol(url, store_of(settings), _AtKeyboard(console, passwords, yes), settings))
    live = enrolled.live
    if export is not None:
        export.write(live, enrolled.folder.path.name)
    document = {
        **describe_whole(enrolled.folder, live),
        "action": "enrolled" if enrolled.fresh else "nothing",
        "p12": None if export is None else str(export.path),
    }
    if enrolled.fresh:
        first = console.say("The certificate {cn} is installed.", cn=document["cn"])
    else:
        first = console.say("The certificate {cn} was installed with this URL before.", cn=document["cn"])
    console.result(document, [first, *lines_of(document, console)])
    _suggest_schedule(console, settings)


def _suggest_schedule(console: Console, settings: Settings) -> None:
    """Tell a person at a terminal how it renews itself, where that is not set up."""
    import sys

    from client.cli.schedule import is_scheduled

    if not console.json and sys.stderr.isatty() and is_scheduled(settings) is False:
        console.tell("`warifu schedule install` has it renewed by itself from now on.")


@click.command(cls=Command, help=sentence("Show kid, HMAC key and command lines for other ACME clients."))
@click.argument("url")
@click.option("--cn", type=COMMON_NAME, help=sentence("The CN to write into the command lines."))
@settings_options
@password_options
def eab(console: Console, settings: Settings, url: str, cn: "CommonName | None", passwords: PasswordSource) -> None:
    import asyncio

    from client.enrolment import address_of, directory_of
    from client.other_clients import Binding
    from protocol.credential import kid_of_url

    kid = kid_of_url(url)
    address_of(url, kid)  # what is wrong with it is told before the password is asked for
    password = passwords.password(console)
    ca_file = None if settings.ca_file is None else str(settings.ca_file.absolute())
    directory = asyncio.run(directory_of(url, settings, console.tell))
    binding = Binding(directory, kid, password, ca_file, None if cn is None else str(cn))
    document = {
        "directory": binding.directory,
        "kid": binding.kid,
        "hmac_key": binding.hmac_key,
        "commands": binding.commands(),
    }
    lines = [f"directory: {binding.directory}", f"kid: {binding.kid}", f"HMAC key: {binding.hmac_key}"]
    for client, commands in binding.commands().items():
        lines += ["", f"# {client}", *commands]
    if cn is None:
        console.tell("Put the CN of the mail in place of CN-OF-THE-MAIL, or give it with --cn.")
    console.tell("Whoever has the HMAC key and the kid has the certificate; show them to nobody.")
    console.result(document, lines)

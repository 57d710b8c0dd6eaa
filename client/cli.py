"""The command `warifu`. Each command parses, calls one procedure, and shows what came of it.

Imports stand in the commands that need them: what only prints the version loads no cryptography.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from client.config import NAME, Settings
from client.console import Console
from client.errors import ClientError, Misuse, Refused
from client.front import Front
from client.language import sentence
from client.options import (
    COMMON_NAME,
    export_options,
    json_option,
    lang_option,
    password_options,
    settings_options,
    yes_option,
)
from client.password import PasswordSource
from protocol.vocabulary import HOLDERS_REASONS, RevocationReason

if TYPE_CHECKING:
    from client.export import Export
    from client.renewal import NotDue, Renewed
    from client.stores.files import FilesStore
    from client.stores.folder import SeatFolder
    from protocol.names import CommonName
    from protocol.resources import Seat


@click.group(
    cls=Front,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    help=sentence("Gets, keeps, renews and revokes the client certificates of this PC."),
)
@json_option
@lang_option
@click.version_option(package_name=NAME, prog_name=NAME, message="%(prog)s %(version)s")
def main() -> None:
    """Stand above the commands."""


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


@main.command(help=sentence("Get the certificate that a one-time URL and its password stand for, or go on with it."))
@click.argument("url")
@settings_options
@password_options
@export_options
@yes_option
def enroll(
    console: Console, settings: Settings, url: str, passwords: PasswordSource, export: "Export | None", yes: bool
) -> None:
    import asyncio

    from client.enrolment import enrol
    from client.listing import describe_whole, lines_of

    if passwords.stdin and not yes:
        raise Misuse(
            "noAnswer",
            sentence("Standard input brings the password and cannot answer the question too."),
            sentence("Give --yes to go on without it."),
            fields={"--yes": "missing"},
        )
    enrolled = asyncio.run(enrol(url, _store(settings), _AtKeyboard(console, passwords, yes), settings))
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


@main.command(help=sentence("List the certificates of this PC."))
@settings_options
def status(console: Console, settings: Settings) -> None:
    from client.listing import certificates, describe, table

    store = _store(settings)
    documents = [describe(folder, each) for folder, each in certificates(store.seats())]
    seats = [folder.record().seat for folder in store.pending()]
    waiting = [{"cn": None if seat is None else str(seat.common_name)} for seat in seats]
    lines = table(documents, console) if documents else [console.say("There is no certificate on this PC.")]
    if waiting:
        lines.append(console.say("{count} enrolment(s) under way; run `warifu enroll URL` again.", count=len(waiting)))
    console.result({"certificates": documents, "under_way": waiting}, lines)


@main.command(help=sentence("Show the certificates of this PC, or of one CN, with names, fingerprint and files."))
@click.argument("common_name", metavar="[CN]", type=COMMON_NAME, required=False)
@settings_options
def show(console: Console, settings: Settings, common_name: "CommonName | None") -> None:
    from client.listing import certificates, describe_whole, lines_of

    store = _store(settings)
    folders = store.seats() if common_name is None else [store.seat(common_name)]
    documents = [describe_whole(folder, each) for folder, each in certificates(folders)]
    blocks = ["\n".join(lines_of(each, console)) for each in documents]
    lines = ["\n\n".join(blocks) or console.say("There is no certificate on this PC.")]
    console.result({"certificates": documents}, lines)


@main.command(help=sentence("Renew the certificates that are due, or one CN; nothing due is no failure."))
@click.argument("common_name", metavar="[CN]", type=COMMON_NAME, required=False)
@click.option("--force", is_flag=True, help=sentence("Do not ask whether it is due; the server may still refuse."))
@settings_options
def renew(console: Console, settings: Settings, common_name: "CommonName | None", force: bool) -> int:
    import asyncio

    from client.renewal import renew_all

    store = _store(settings)
    with store.lock():
        folders = store.seats() if common_name is None else [store.seat(common_name)]
        outcomes = asyncio.run(renew_all(folders, settings, console.tell, force=force))
    failures = [outcome for _, outcome in outcomes if isinstance(outcome, ClientError)]
    if common_name is not None and failures:
        raise failures[0]
    documents, lines = [], []
    for folder, outcome in outcomes:
        document, line = _renewal(folder, outcome, console)
        documents.append(document)
        lines.append(line)
    console.result({"certificates": documents}, lines or [console.say("There is no certificate on this PC.")])
    return max((failure.exit_code for failure in failures), default=0)


def _renewal(
    folder: "SeatFolder", outcome: "Renewed | NotDue | ClientError", console: Console
) -> tuple[dict[str, object], str]:
    """Return what became of one seat's renewal, as a document and as a line."""
    from client.console import error_document
    from client.listing import describe
    from client.renewal import Renewed
    from protocol.members import rfc3339

    cn = folder.path.name
    if isinstance(outcome, ClientError):
        detail = " ".join(console.say(each, **outcome.facts) for each in (outcome.sentence, outcome.remedy) if each)
        return {"cn": cn, "action": "failed", **error_document(outcome, detail)}, f"{cn}: {detail}"
    if isinstance(outcome, Renewed):
        document = describe(folder, outcome.generation)
        line = console.say("{cn}: renewed; valid to {until}.", cn=cn, until=document["not_after"])
        return {**document, "action": "renewed"}, line
    due_at = rfc3339(outcome.due_at)
    line = console.say("{cn}: nothing to do before {due_at}.", cn=cn, due_at=due_at)
    return {**describe(folder, outcome.generation), "action": "nothing", "due_at": due_at}, line


@main.command(help=sentence("Revoke every certificate of a CN on this PC; this cannot be undone."))
@click.argument("common_name", metavar="[CN]", type=COMMON_NAME, required=False)
@click.option(
    "--reason",
    type=click.Choice([each.name for each in sorted(HOLDERS_REASONS)]),
    default=RevocationReason.unspecified.name,
    help=sentence("Why (RFC 5280)."),
)
@settings_options
@yes_option
def revoke(console: Console, settings: Settings, common_name: "CommonName | None", reason: str, yes: bool) -> None:
    import asyncio

    from client.listing import serial_of
    from client.revocation import revoke as revoke_all

    store = _store(settings)
    with store.lock():
        folder = _one(store, common_name)
        cn = folder.path.name
        if not yes and not console.confirmed("Revoke the certificate {cn}? This cannot be undone.", cn=cn):
            raise ClientError("declined", sentence("Nothing was revoked."))
        revoked = asyncio.run(revoke_all(folder, RevocationReason[reason], settings, console.tell))
        serials = [serial_of(each) for each in revoked]
    line = console.say("{cn}: {count} certificate(s) revoked.", cn=cn, count=len(serials))
    console.result({"cn": cn, "revoked": serials, "reason": reason}, [line])


@main.command(help=sentence("Delete a revoked certificate and its key from this PC."))
@click.argument("common_name", metavar="[CN]", type=COMMON_NAME, required=False)
@settings_options
@yes_option
def delete(console: Console, settings: Settings, common_name: "CommonName | None", yes: bool) -> None:
    import asyncio

    from client.revocation import is_over, not_ended

    store = _store(settings)
    with store.lock():
        folder = _one(store, common_name)
        cn = folder.path.name
        if yes:
            if not_ended(folder):
                console.tell("Warning: {cn} is not revoked as far as this PC knows; it is deleted all the same.", cn=cn)
        elif not asyncio.run(is_over(folder, settings, console.tell)):
            raise Refused(
                "notRevoked",
                sentence("{cn} is still valid; deleted, it could be neither used nor revoked from here."),
                sentence("Revoke it first (`warifu revoke {cn}`), or give --yes."),
                facts={"cn": cn},
            )
        store.discard(folder)
    console.result({"cn": cn, "action": "deleted"}, [console.say("{cn}: deleted from this PC.", cn=cn)])


@main.command(help=sentence("Show kid, HMAC key and command lines for other ACME clients."))
@click.argument("url")
@click.option("--cn", type=COMMON_NAME, help=sentence("The CN to write into the command lines."))
@settings_options
@password_options
def eab(console: Console, settings: Settings, url: str, cn: "CommonName | None", passwords: PasswordSource) -> None:
    import asyncio

    from client.enrolment import directory_of
    from client.other_clients import Binding
    from protocol.credential import kid_of_url

    kid, password = kid_of_url(url), passwords.password(console)
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
        console.tell("Put the CN of the mail in place of F123456-001, or give it with --cn.")
    console.tell("Whoever has the HMAC key and the kid has the certificate; show them to nobody.")
    console.result(document, lines)


def _store(settings: Settings) -> "FilesStore":
    from client.stores.files import FilesStore

    return FilesStore(settings.home)


def _one(store: "FilesStore", common_name: "CommonName | None") -> "SeatFolder":
    """Return the seat named, or the only one. Raises Misuse when it is not clear which."""
    if common_name is not None:
        return store.seat(common_name)
    seats = store.seats()
    if len(seats) != 1:
        raise Misuse(
            "whichCertificate", sentence("Say which CN: `warifu status` lists them."), fields={"CN": "missing"}
        )
    return seats[0]

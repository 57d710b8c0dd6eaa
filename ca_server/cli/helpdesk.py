"""`warifu-ca helpdesk`: find a CN and its history, resend a mail, unlock or replace a pair, send the list (M2, M3)."""

import dataclasses
import unicodedata
from collections.abc import Callable, Sequence
from typing import TypeVar

import click

from ca_server import store
from ca_server.cli import timeline
from ca_server.cli.front import Group
from ca_server.cli.inventory import code_of, day, document
from ca_server.cli.options import acting, common, now, officer_option, open_records, patient, settings
from ca_server.cli.output import answer, say
from ca_server.cli.table import draw
from ca_server.domain.help_desk import Caller, MailedHalf
from ca_server.domain.inventory import Entry
from ca_server.errors import Invalid, Refusal
from ca_server.language import sentence
from ca_server.operations import help_desk, history, inventory
from ca_server.operations.help_desk import Done, Replacing
from protocol.names import BadName, CommonName

F = TypeVar("F", bound=Callable[..., None])


@click.group(cls=Group)
@common
def helpdesk() -> None:
    """Help an institution that calls; mails go to its registered administrator only."""


@helpdesk.command()
@click.argument("text")
@officer_option
@common
def find(text: str) -> None:
    """Find CNs by CN, institution's code or name, mail address, or application.

    Of a name or an address a part is enough.
    """
    config = settings().config()
    entries = open_records(config).read(inventory.found, text, config.times, now())
    if settings().json or not entries:
        answer([document(each) for each in entries], [sentence("Nothing was found.")])
        return
    _show(entries)


@helpdesk.command("history")
@click.argument("cn")
@officer_option
@common
def show_history(cn: str) -> None:
    """Show all that happened to a CN, and the ledger of each pair of URL and password."""
    config = settings().config()
    told = open_records(config).read(history.of, _cn(cn), config.times, now())
    if settings().json:
        whole = document(told.entry) | {
            "events": [timeline.document(event) for event in told.events],
            "pairs": [timeline.pair_document(pair) for pair in told.pairs],
        }
        answer(whole, ())
        return
    _show([told.entry])
    timeline.show(told.events)
    for place, pair in enumerate(told.pairs, start=1):
        say(timeline.pair_words(place, pair))
        timeline.show(pair.events)


def _show(entries: Sequence[Entry]) -> None:
    rows = [
        (
            str(each.cn),
            each.institution_name,
            "\n".join(filter(None, (each.label, each.host_name))),
            each.state_words,
            day(each.not_after),
        )
        for each in entries
    ]
    heads = (sentence("CN"), sentence("Institution"), sentence("PC"), sentence("Status"), sentence("Valid until"))
    draw(heads, rows, unbroken=(0, 4))


@dataclasses.dataclass(frozen=True)
class _Said:
    """What the caller said, as the command line names it."""

    institution_name: str
    address: str | None

    def answered(self, decide: Callable[[store.Connection, Caller], Done | Refusal]) -> Done:
        """Have it decided, committed either way, and return what was done. Raises the refusal."""

        def operation(connection: store.Connection) -> Done | Refusal:
            by = acting(connection)
            return decide(connection, Caller(self.institution_name, self.address, by))

        outcome = patient(open_records(settings().config()), operation)
        if isinstance(outcome, Refusal):
            raise outcome
        return outcome


def _caller_options(function: F) -> F:
    """Add what the caller says, and --officer."""
    name = click.option(
        "--institution-name", required=True, metavar="NAME", help="The institution's name, as the caller gives it."
    )
    address = click.option("--address", help="The mail address that the caller asks for, if any.")
    return name(address(officer_option(function)))


@helpdesk.command()
@click.argument("cn")
@click.argument("half", type=click.Choice([half.value for half in MailedHalf]), metavar="url|password")
@_caller_options
@common
def resend(cn: str, half: str, institution_name: str, address: str | None) -> None:
    """Mail the URL or the password of a CN again, at most three times each."""
    name, times = _cn(cn), settings().config().times
    done = _Said(institution_name, address).answered(
        lambda connection, caller: help_desk.resend(connection, name, MailedHalf(half), caller, times, now())
    )
    words = sentence(
        "The mail of {cn} is sent again, to {address}. Times left: {left}.",
        cn=name,
        address=done.address,
        left=done.left,
    )
    answer({"cn": str(name), "half": half, "address": done.address, "left": done.left}, [words])


@helpdesk.command()
@click.argument("cn")
@_caller_options
@common
def unlock(cn: str, institution_name: str, address: str | None) -> None:
    """Open a URL again that wrong passwords had locked."""
    name, times = _cn(cn), settings().config().times
    _Said(institution_name, address).answered(
        lambda connection, caller: help_desk.unlock(connection, name, caller, times, now())
    )
    words = sentence("The URL of {cn} is open again, with all its tries.", cn=name)
    answer({"cn": str(name), "unlocked": True}, [words])


@helpdesk.command()
@click.argument("cn")
@_caller_options
@common
def replace(cn: str, institution_name: str, address: str | None) -> None:
    """Mail a fresh pair of URL and password; the former one is of no use any more."""
    from ca_server.app import pair_terms
    from ca_server.keyring import load_sealer

    config, name = settings().config(), _cn(cn)
    by = Replacing(pair_terms(config, load_sealer(config)), config.times)
    done = _Said(institution_name, address).answered(
        lambda connection, caller: help_desk.replace(connection, name, caller, by, now())
    )
    words = sentence(
        "A fresh pair of {cn} is sent to {address}; the former one is void.", cn=name, address=done.address
    )
    answer({"cn": str(name), "address": done.address}, [words])


@helpdesk.command("send-inventory")
@click.argument("institution")
@_caller_options
@common
def send_inventory(institution: str, institution_name: str, address: str | None) -> None:
    """Mail an institution the list of its CNs."""
    code = code_of(institution)
    done = _Said(institution_name, address).answered(
        lambda connection, caller: help_desk.send_inventory(connection, code, caller, now())
    )
    words = sentence("The list of {code} is sent to {address}.", code=code, address=done.address)
    answer({"institution": str(code), "address": done.address}, [words])


def _cn(text: str) -> CommonName:
    """Return the CN, also one that was typed in wide or small letters. Raises Invalid."""
    try:
        return CommonName.parse(unicodedata.normalize("NFKC", text).strip().upper())
    except BadName as error:
        raise Invalid(
            {"cn": sentence("{text!r} is not a common name: it looks like F123456-001.", text=text)}
        ) from error

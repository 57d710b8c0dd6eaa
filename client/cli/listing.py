"""`warifu status` and `warifu show`: what this PC has."""

from typing import TYPE_CHECKING

import click

from client.config import Settings
from client.console import Console
from client.front import Command
from client.language import sentence
from client.options import COMMON_NAME, settings_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from protocol.names import CommonName


@click.command(cls=Command, help=sentence("List the certificates of this PC."))
@click.option("--online", is_flag=True, help=sentence("Ask the server too: is one suspended or revoked?"))
@settings_options
def status(console: Console, settings: Settings, online: bool) -> int:
    from client.cli.seats import store_of
    from client.listing import certificates, describe, holdings, table

    store = store_of(settings)
    pairs = certificates(store.seats())
    documents = [describe(folder, each) for folder, each in pairs]
    if online:
        import asyncio

        from client.standing import ask_about

        documents = asyncio.run(ask_about(pairs, documents, settings, console.tell))
    seats = [folder.record().seat for folder in store.pending()]
    waiting = [{"cn": None if seat is None else str(seat.common_name)} for seat in seats]
    lines = table(documents, console) if documents else [console.say("There is no certificate on this PC.")]
    lines += holdings(pairs, console)
    if waiting:
        lines += _under_way(len(waiting), console)
    console.result({"certificates": documents, "under_way": waiting}, lines)
    return _gravest(documents) if online else 0


def _gravest(documents: "Sequence[dict[str, object]]") -> int:
    """Return the exit code of what the server says of the certificates: of one that is fine, 0."""
    from client.errors import NeedsPerson, TryLater
    from client.listing import SUSPENDED, VALID

    words = {document["status"] for document in documents if document["live"]}
    if words - {VALID, SUSPENDED}:
        return NeedsPerson.exit_code
    is_sure = all(document["asked"] for document in documents if document["status"] == VALID)
    return 0 if is_sure and SUSPENDED not in words else TryLater.exit_code


def _under_way(count: int, console: Console) -> list[str]:
    from client.columns import wrapped

    text = sentence(
        "{count} enrolment(s) under way: run `warifu enroll URL` again, or drop what is no longer wanted with `warifu "
        "delete --under-way`."
    )
    return wrapped(console.say(text, count=count))


@click.command(
    cls=Command, help=sentence("Show the certificates of this PC, or of one CN, with names, fingerprint and files.")
)
@click.argument("common_name", metavar="[CN]", type=COMMON_NAME, required=False)
@settings_options
def show(console: Console, settings: Settings, common_name: "CommonName | None") -> None:
    from client.cli.seats import seats_of, store_of
    from client.listing import certificates, describe_whole, holdings, lines_of

    store = store_of(settings)
    folders = seats_of(store, common_name)
    pairs = certificates(folders)
    documents = [describe_whole(*each) for each in pairs]
    blocks = ["\n".join([*lines_of(describe_whole(*each), console), *holdings([each], console)]) for each in pairs]
    lines = ["\n\n".join(blocks) or console.say("There is no certificate on this PC.")]
    console.result({"certificates": documents}, lines)

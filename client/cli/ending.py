"""`warifu revoke` and `warifu delete`: the end of a certificate."""

from typing import TYPE_CHECKING

import click

from client.config import Settings
from client.console import Console
from client.errors import ClientError, Refused
from client.front import Command
from client.language import sentence
from client.options import COMMON_NAME, settings_options, yes_option
from protocol.vocabulary import HOLDERS_REASONS, RevocationReason

if TYPE_CHECKING:
    from client.stores.files import FilesStore
    from client.stores.folder import SeatFolder
    from protocol.names import CommonName


@click.command(cls=Command, help=sentence("Revoke every certificate of a CN on this PC; this cannot be undone."))
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

    from client.cli.seats import one_seat, store_of
    from client.listing import serial_of
    from client.revocation import revoke as revoke_all

    store = store_of(settings)
    with store.lock():
        folder = one_seat(store, common_name)
        cn = folder.path.name
        if not yes and not console.confirmed("Revoke the certificate {cn}? This cannot be undone.", cn=cn):
            raise ClientError("declined", sentence("Nothing was revoked."))
        revoked = asyncio.run(revoke_all(folder, RevocationReason[reason], settings, console.tell))
        serials = [serial_of(each) for each in revoked]
    line = (
        console.say("{cn}: {count} certificate(s) revoked.", cn=cn, count=len(serials))
        if serials
        else console.say("{cn}: every certificate has ended or was revoked before.", cn=cn)
    )
    console.result({"cn": cn, "revoked": serials, "reason": reason}, [line])


@click.command(cls=Command, help=sentence("Delete a revoked certificate and its key from this PC."))
@click.argument("common_name", metavar="[CN]", type=COMMON_NAME, required=False)
@click.option(
    "--under-way", is_flag=True, help=sentence("Drop enrolments that were begun and not finished, with their keys.")
)
@settings_options
@yes_option
def delete(console: Console, settings: Settings, common_name: "CommonName | None", under_way: bool, yes: bool) -> None:
    import asyncio

    from client.cli.seats import one_seat, store_of
    from client.revocation import is_over

    store = store_of(settings)
    if under_way:
        _drop(store, common_name, console, yes=yes)
        return
    with store.lock():
        folder = one_seat(store, common_name)
        cn = folder.path.name
        if yes:
            _warn_of_what_is_valid(console, settings, folder)
        elif not asyncio.run(is_over(folder, settings)):
            raise Refused(
                "notRevoked",
                sentence("{cn} is still valid; deleted, it could be neither used nor revoked from here."),
                sentence("Revoke it first (`warifu revoke {cn}`), or give --yes."),
                facts={"cn": cn},
            )
        elif not console.confirmed(
            "Delete the certificate {cn} and its key from this PC? They cannot be had again.", cn=cn
        ):
            raise ClientError("declined", sentence("Nothing was deleted."))
        store.discard(folder)
    console.result({"cn": cn, "action": "deleted"}, [console.say("{cn}: deleted from this PC.", cn=cn)])


def _warn_of_what_is_valid(console: Console, settings: Settings, folder: "SeatFolder") -> None:
    """Warn before a certificate goes that is not revoked, by the authority's word or, without one, our record."""
    import asyncio
    from dataclasses import replace

    from client.config import Patience
    from client.revocation import is_over, not_ended

    try:
        if not asyncio.run(is_over(folder, replace(settings, patience=Patience(give_up=5, answer=5)))):
            console.tell("Warning: {cn} is not revoked; it is deleted all the same.", cn=folder.path.name)
    except ClientError:
        if not_ended(folder):
            console.tell(
                "Warning: {cn} is not revoked as far as this PC knows; it is deleted all the same.", cn=folder.path.name
            )


def _drop(store: "FilesStore", common_name: "CommonName | None", console: Console, *, yes: bool) -> None:
    """Delete the enrolments under way, or those of one CN."""
    with store.lock():
        seats = [(folder, folder.record().seat) for folder in store.pending()]
        chosen = [
            folder
            for folder, seat in seats
            if common_name is None or (seat is not None and seat.common_name == common_name)
        ]
        question = sentence("Drop {count} enrolment(s)? A certificate that was issued meanwhile is lost with its key.")
        if chosen and not yes and not console.confirmed(question, count=len(chosen)):
            raise ClientError("declined", sentence("Nothing was dropped."))
        for folder in chosen:
            store.discard(folder)
    line = console.say("{count} enrolment(s) dropped.", count=len(chosen))
    console.result({"action": "dropped", "count": len(chosen)}, [line])

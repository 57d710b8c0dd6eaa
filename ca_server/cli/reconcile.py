"""`warifu-ca reconcile`: the books that must balance. Reads only, beside a running service or without one."""

import dataclasses
from pathlib import Path
from typing import Final

import click
from rich.cells import set_cell_size

from ca_server import keyring
from ca_server.authority.signer import Signer
from ca_server.checkpoint_key import published_keys
from ca_server.cli.front import Command
from ca_server.cli.options import common, open_records, settings
from ca_server.cli.output import PERSON, Stop, answer, spoken
from ca_server.clock import MINUTE, SystemClock
from ca_server.config import Config, IssuingAuthority
from ca_server.language import sentence
from ca_server.officer_keys import demanded_trust
from ca_server.operations.books.clear_text import Places
from ca_server.operations.books.ocsp import Desk
from ca_server.operations.reconcile import Balance, Premises, balance
from ca_server.responder.answers import Issuing
from ca_server.responder.ready import ReadyStore
from ca_server.responder.shelf import Shelf


@click.command(cls=Command)
@common
def reconcile() -> None:
    """Balance the books: what the records say, what was signed, published and mailed.

    Exit code 0 when they balance, 5 and a list of what does not. The CA's key is not opened.
    """
    config = settings().config()
    found = open_records(config).read(balance, premises(config), SystemClock())
    whole = {
        "balanced": found.balanced,
        "books": [dataclasses.asdict(book) for book in found.books],
        "warnings": list(found.warnings),
    }
    answer(whole, _words(found))
    if not found.balanced:
        raise Stop(PERSON)


_BOOKS: Final = {
    str(name): name
    for name in (
        sentence("applications"),
        sentence("files"),
        sentence("seats"),
        sentence("credentials"),
        sentence("plans"),
        sentence("claims"),
        sentence("certificates"),
        sentence("profile"),
        sentence("revocations"),
        sentence("root CRL"),
        sentence("OCSP ready"),
        sentence("mails"),
        sentence("audit"),
        sentence("audit tree"),
        sentence("secrets"),
    )
}
"""What the books are called; CRL and OCSP are so in every language."""


def _words(found: Balance) -> list[str]:
    wrong = sum(len(book.findings) for book in found.books)
    words: list[str] = [
        sentence("The books balance.")
        if found.balanced
        else sentence("The books do not balance: {count} findings.", count=wrong)
    ]
    for book in found.books:
        name = set_cell_size(spoken(_BOOKS.get(book.name, book.name)), 20)
        words.append(sentence("  {name}{count:>8} checked", name=name, count=book.checked))
        words += [f"    {spoken(finding)}" for finding in book.findings]
    return words + [sentence("WARNING: {warning}", warning=warning) for warning in found.warnings]


def premises(config: Config) -> Premises:
    """Return what the records of this configuration are compared with. Raises KeysError for a missing certificate."""
    authority, server = config.authority, config.server
    ready = ReadyStore.found(config.responder.ready_folder)
    return Premises(
        desks=tuple(_desk(each, authority.ocsp_answer_minutes * MINUTE, ready) for each in config.authorities),
        root=keyring.load_certificate(authority.root_certificate),
        sealer=keyring.load_sealer(config),
        public_folder=server.public_folder,
        places=_places(config),
        four_eyes=config.applications.two_officers,
        trust=demanded_trust(config),
        note_keys=published_keys(config) if config.audit.key.exists() else (),
    )


def _places(config: Config) -> Places:
    database = config.server.database
    maildir = config.mail.maildir if config.mail.transport == "maildir" else None
    if isinstance(database, Path):
        return Places(database.parent, database, maildir)
    return Places(config.path.parent, None, maildir)


def _desk(authority: IssuingAuthority, answer_seconds: int, ready: ReadyStore | None) -> Desk:
    def signer() -> Signer:
        return keyring.load_signer(authority.ocsp_certificate, authority.ocsp_key, authority.ocsp_passphrase_file)

    issuing = keyring.load_certificate(authority.issuing_certificate)
    kept = None if ready is None else Shelf(ready, Issuing(authority.issuer, issuing, signer))
    return Desk(authority.issuer, issuing, signer, answer_seconds, kept)

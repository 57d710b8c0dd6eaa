"""Shows the certificates of this PC, to programs as documents and to people as lines of at most 80 columns."""

from collections.abc import Sequence
from datetime import datetime
from io import StringIO
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256

from client.clock import day, minute, now
from client.columns import WIDTH, columns
from client.console import Console
from client.language import sentence
from client.stores.folder import SeatFolder
from client.stores.generation import CERTIFICATE, CHAIN, Generation
from client.stores.key_slot import KeySlot
from protocol.members import rfc3339

VALID: Final = "valid"
EXPIRED: Final = "expired"
REVOKED: Final = "revoked"

SUSPENDED: Final = "suspended"
UNKNOWN: Final = "unknown"

_WORDS = {
    VALID: sentence("valid"),
    EXPIRED: sentence("expired"),
    REVOKED: sentence("revoked"),
    SUSPENDED: sentence("suspended"),
    UNKNOWN: sentence("unknown to the server"),
}
_LABELS = {
    "cn": sentence("CN"),
    "institution": sentence("Institution"),
    "not_after": sentence("Valid to"),
    "status": sentence("Status"),
    "subject": sentence("Subject"),
    "issuer": sentence("Issuer"),
    "serial": sentence("Serial"),
    "not_before": sentence("Valid from"),
    "sha256": sentence("SHA-256"),
    "key": sentence("Private key"),
    "certificate": sentence("Certificate"),
    "chain": sentence("Chain"),
}


def serial_of(generation: Generation) -> str:
    """Return a certificate's serial number, lower-case hex without leading zeros."""
    return f"{generation.certificate().serial_number:x}"


def describe(folder: SeatFolder, generation: Generation) -> dict[str, object]:
    """Return the document of one certificate, with the words that the authority's own listing has."""
    certificate, seat = generation.certificate(), folder.record().seat
    return {
        "cn": folder.path.name,
        "serial": serial_of(generation),
        "status": _status(generation),
        "not_before": rfc3339(certificate.not_valid_before_utc),
        "not_after": rfc3339(certificate.not_valid_after_utc),
        "institution": None if seat is None else seat.institution_name,
        "generation": int(generation.path.name),
        "live": folder.live() == generation,
        "holding": generation.slot.store,
        "copyable": generation.slot.holding().copyable,
    }


def describe_whole(folder: SeatFolder, generation: Generation) -> dict[str, object]:
    """Return the document of one certificate with its names, its fingerprint and its files."""
    certificate = generation.certificate()
    return {
        **describe(folder, generation),
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "sha256": certificate.fingerprint(SHA256()).hex(),
        "key": generation.slot.holding().address,
        "certificate": str(generation.path / CERTIFICATE),
        "chain": str(generation.path / CHAIN),
        "account_holding": folder.account_slot.store,
        "account_copyable": folder.account_slot.holding().copyable,
    }


def certificates(folders: Sequence[SeatFolder]) -> list[tuple[SeatFolder, Generation]]:
    """Return every certificate of some seats, old and renewed."""
    return [(folder, each) for folder in folders for each in folder.generations() if each.complete]


def holdings(pairs: Sequence[tuple[SeatFolder, Generation]], console: Console) -> list[str]:
    """Return how the keys of some certificates are held, and those of their accounts, each way once."""
    lines: dict[str, None] = {}
    for folder, generation in pairs:
        certified, account = (_held(each, console) for each in (generation.slot, folder.account_slot))
        if certified == account:
            lines[console.say("Private keys: {held}", held=certified)] = None
        else:
            lines[console.say("Keys of certificates: {held}", held=certified)] = None
            lines[console.say("Keys of accounts: {held}", held=account)] = None
    return list(lines)


def _held(slot: KeySlot, console: Console) -> str:
    holding = slot.holding()
    return console.say(holding.sentence, **holding.facts)


def lines_of(document: dict[str, object], console: Console) -> list[str]:
    """Return one certificate's document as lines; paths stay whole, so that they can be copied."""
    moments = {name: minute(datetime.fromisoformat(str(document[name]))) for name in ("not_before", "not_after")}
    shown = {**document, **moments, "status": console.say(_WORDS[str(document["status"])])}
    return [f"{console.say(label)}: {shown[name]}" for name, label in _LABELS.items() if shown.get(name) is not None]


def table(documents: Sequence[dict[str, object]], console: Console) -> list[str]:
    """Return the certificates as a table; wide characters count twice, and long names are cut."""
    from rich.console import Console as Screen
    from rich.table import Table

    drawn = Table(box=None, pad_edge=False, show_edge=False, header_style="")
    labels = (
        _LABELS["cn"],
        _LABELS["status"],
        sentence("Until"),
        sentence("Days"),
        _LABELS["serial"],
        sentence("In use"),
    )
    headings = [console.say(each) for each in labels]
    rows = [_row(each, console) for each in documents]
    taken = sum(max(columns(row[place]) for row in (headings, *rows)) + 2 for place in range(len(headings)))
    for heading in headings:
        drawn.add_column(heading, no_wrap=True)
    institution, room = _LABELS["institution"], WIDTH - taken
    drawn.add_column(console.say(institution), no_wrap=True, overflow="ellipsis", max_width=room)
    for row in rows:
        drawn.add_row(*row)
    screen = Screen(file=StringIO(), width=WIDTH, no_color=True, color_system=None, markup=False, highlight=False)
    with screen.capture() as capture:
        screen.print(drawn)
    return [line.rstrip() for line in capture.get().splitlines()]


def _row(document: dict[str, object], console: Console) -> list[str]:
    """Return one line's columns; the serial's first digits tell two certificates of one CN apart."""
    not_after = datetime.fromisoformat(str(document["not_after"]))
    return [
        str(document["cn"]),
        console.say(_WORDS[str(document["status"])]),
        day(not_after),
        str((not_after - now()).days),
        str(document["serial"])[:8],
        "*" if document["live"] else "",
        str(document["institution"] or ""),
    ]


def _status(generation: Generation) -> str:
    if generation.revoked_at() is not None:
        return REVOKED
    return EXPIRED if now() > generation.certificate().not_valid_after_utc else VALID

"""Renewal (証明書の更新): a new certificate with a new key for the same seat, before the old one ends (RFC 9773).

The account key proves whose seat it is, also after the certificate's end. The server suggests a window (§4.2); within
it each certificate has a moment of its own, drawn from its identifier, so that PCs spread and every run agrees. Without
an answer the last 30 days count. The old certificate stays valid and stays on the PC (U4).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509

from client.account import Account, connected
from client.config import Settings
from client.errors import ClientError, NeedsPerson, TryLater, from_keys, from_problem
from client.language import sentence
from client.order import obtain
from client.stores.folder import SeatFolder, make_live
from client.stores.generation import Generation, give_up_generation
from client.transport import Tell, Transport
from keys.errors import KeysError
from protocol.names import CommonName
from protocol.problems import Problem
from protocol.renewal_info import certificate_id
from protocol.requests import NewOrder
from protocol.resources import Identifier, RenewalInfo
from protocol.vocabulary import IdentifierType

FALLBACK: Final = timedelta(days=30)
"""How long before the end a certificate is due when the server does not say."""


@dataclass(frozen=True, slots=True)
class Renewed:
    """A seat has a new certificate."""

    generation: Generation


@dataclass(frozen=True, slots=True)
class NotDue:
    """The live certificate will do until `due_at`."""

    generation: Generation
    due_at: datetime


async def renew_all(
    folders: Sequence[SeatFolder], settings: Settings, tell: Tell, *, force: bool
) -> list[tuple[SeatFolder, Renewed | NotDue | ClientError]]:
    """Renew several seats and return what became of each, for the trouble of one is none of the others'."""
    return [(folder, await _outcome(folder, settings, tell, force=force)) for folder in folders]


async def _outcome(
    folder: SeatFolder, settings: Settings, tell: Tell, *, force: bool
) -> Renewed | NotDue | ClientError:
    try:
        async with connected(folder, settings, tell) as transport:
            return await renew(folder, CommonName.parse(folder.path.name), transport, force=force)
    except Problem as problem:
        return from_problem(problem)
    except KeysError as error:
        return from_keys(error)
    except ClientError as error:
        return error


async def renew(folder: SeatFolder, common_name: CommonName, transport: Transport, *, force: bool) -> Renewed | NotDue:
    """Renew the live certificate of a seat if it is due, or if forced; a renewal under way is always gone on with.

    Raises NeedsPerson when the certificate is revoked or lapsed, Problem as the server refuses.
    """
    live, generation = folder.live(), folder.under_way()
    assert live is not None  # noqa: S101  a seat has a certificate
    predecessor = identifier(live.certificate())
    if generation is None:
        if not force:
            due_at = await due(transport, live.certificate(), common_name)
            if datetime.now(UTC) < due_at:
                return NotDue(live, due_at)
        generation = folder.next_generation()
    account = Account(transport, folder.account_key(), folder.record().account or "")
    name = Identifier(IdentifierType.PERMANENT_IDENTIFIER, str(common_name))
    try:
        await obtain(account, NewOrder((name,), predecessor), generation, common_name)
    except Problem:
        if generation.order() is None:  # nothing was ordered: its key is of no use, and being under way it would be due
            give_up_generation(generation)
        raise
    make_live(folder, generation)
    return Renewed(generation)


async def due(transport: Transport, certificate: x509.Certificate, common_name: CommonName) -> datetime:
    """Return the moment from which a certificate should be renewed.

    Raises NeedsPerson when the server has nothing to renew: it is revoked, lapsed or unknown (404, protocol.md).
    """
    name = identifier(certificate)
    info = await _renewal_info(transport, name, common_name)
    if info is None:
        return certificate.not_valid_after_utc - FALLBACK
    fraction = int.from_bytes(hashlib.sha256(name.encode("ascii")).digest()[:8]) / 2**64
    return info.window_start + (info.window_end - info.window_start) * fraction


def identifier(certificate: x509.Certificate) -> str:
    """Return how a certificate is named to ask about it (RFC 9773 §4.1). Raises ClientError when it cannot be."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    except (x509.ExtensionNotFound, ValueError) as error:
        raise ClientError("noIssuerKey", sentence("The certificate does not say which key issued it.")) from error
    return certificate_id(extension.value.key_identifier or b"", certificate.serial_number)


async def _renewal_info(transport: Transport, name: str, common_name: CommonName) -> RenewalInfo | None:
    if transport.directory.renewal_info is None:
        return None
    try:
        return RenewalInfo.parse((await transport.get(f"{transport.directory.renewal_info}/{name}")).json())
    except Problem as problem:
        if problem.status != 404:
            return None
    except TryLater:
        return None
    raise NeedsPerson(
        "nothingToRenew",
        sentence("The server has no certificate {cn} to renew: it is revoked, or its time to be renewed is over."),
        sentence("Ask your administrator for a new certificate, or call the help desk named in the mail."),
        facts={"cn": common_name},
    )

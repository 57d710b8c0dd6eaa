"""Revocation by the holder (RFC 8555 §7.6): every certificate of a seat on this PC that has not ended.

Signed by the account's key; where the account has ended before (revoking the last certificate ends it), by the key of
the certificate itself. A certificate found revoked already is as good as done.
"""

from cryptography.hazmat.primitives.serialization import Encoding

from client import ocsp
from client.account import connected
from client.clock import now
from client.config import Settings
from client.stores.folder import SeatFolder
from client.stores.generation import Generation
from client.transport import Tell, Transport
from protocol.members import rfc3339
from protocol.problems import Problem, ProblemType
from protocol.requests import RevokeCertificate
from protocol.vocabulary import RevocationReason


async def revoke(folder: SeatFolder, reason: RevocationReason, settings: Settings, tell: Tell) -> list[Generation]:
    """Revoke what of a seat has not ended, and return it, also what was revoked before the server was asked.

    Raises Problem as the server refuses.
    """
    revoked = not_ended(folder)
    async with connected(folder, settings, tell) as transport:
        for generation in revoked:
            await _revoke(folder, generation, transport, reason)
            generation.remember_revocation(rfc3339(now()), reason.name)
    return revoked


def not_ended(folder: SeatFolder) -> list[Generation]:
    """Return the seat's certificates that are neither expired nor revoked from here."""
    return [
        each
        for each in folder.generations()
        if each.complete and each.revoked_at() is None and each.certificate().not_valid_after_utc > now()
    ]


async def is_over(folder: SeatFolder, settings: Settings) -> bool:
    """Tell whether no certificate of the seat is in force any more, by our own record or the authority's signed word.

    Raises TryLater when the authority cannot be asked, ClientError when its answer cannot be believed.
    """
    return all([await _is_revoked(each, settings) for each in not_ended(folder)])


async def _is_revoked(generation: Generation, settings: Settings) -> bool:
    standing = await ocsp.ask(generation.certificate(), next(iter(generation.chain()), None), settings)
    return standing.word is ocsp.Word.REVOKED


async def _revoke(folder: SeatFolder, generation: Generation, transport: Transport, reason: RevocationReason) -> None:
    request = RevokeCertificate(generation.certificate().public_bytes(Encoding.DER), reason).render()
    url = transport.directory.revoke_cert
    try:
        try:
            await transport.post(url, folder.account_key(), request, folder.record().account)
        except Problem as problem:
            if problem.status != 401:
                raise
            await transport.post(url, generation.key(), request, None)
    except Problem as problem:
        if problem.type is not ProblemType.ALREADY_REVOKED:
            raise

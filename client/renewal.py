"""Renewal (証明書の更新): a new certificate with a new key for the same seat, before the old one ends (RFC 9773).

The account key proves whose seat it is, also after the certificate's end. The server suggests a window (§4.2); within
it each certificate has a moment of its own, drawn from its identifier, so that PCs spread and every run agrees. Without
an answer that moment lies 35 to 31 days before the end, ahead of the renewal mails. The old certificate stays valid and
stays on the PC to its end (U4).

What the server says for good (revoked, lapsed, renewed elsewhere) is remembered; once the same was said again after
three days, it is asked for once a week. A certificate that has not ended is ordered when due whatever was said of its
window: an order is refused soundly.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509

from client.account import Account, connected, this_device
from client.clock import now
from client.config import Settings
from client.errors import ClientError, NeedsPerson, TryLater, from_problem
from client.language import sentence
from client.order import obtain
from client.renewal_memory import NOTHING_TO_RENEW, Memory, recall, remember
from client.stores.folder import SeatFolder, make_live
from client.stores.generation import CHAIN, Generation, give_up_generation
from client.transport import Tell, Transport
from protocol.names import CommonName
from protocol.problems import Problem, ProblemType
from protocol.renewal_info import certificate_id
from protocol.requests import NewOrder
from protocol.resources import Identifier, RenewalInfo
from protocol.vocabulary import IdentifierType, RefusalReason

FALLBACK: Final = (timedelta(days=35), timedelta(days=31))
"""The window, counted back from the end, in which a certificate is due when the server does not say."""

_LAST_WORDS = ("accountEnded", "alreadyRevoked", "alreadyReplaced", RefusalReason.LAPSED)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Due:
    """The live certificate is to be renewed now, or its renewal is under way."""

    generation: Generation


@dataclass(frozen=True, slots=True)
class NotDue:
    """The live certificate will do until `due_at`; the server has just refused to renew it before, if `refused`."""

    generation: Generation
    due_at: datetime
    refused: bool = False


async def decide(
    folder: SeatFolder, settings: Settings, tell: Tell, *, force: bool, keep: Callable[[SeatFolder, Memory], None]
) -> Due | NotDue:
    """Tell whether a seat's live certificate is to be renewed; `keep` writes down what the server said, or does not.

    Raises NeedsPerson when the certificate is revoked or lapsed, TryLater when the server is away.
    """
    live = _live(folder)
    if live.revoked_at() is not None:
        raise _revoked(folder)
    memory = recall(folder, identifier(live.certificate()))
    if force:
        return Due(live)
    word = memory.settled(now())
    if word is not None:
        tell(sentence("This answer has not changed; it is asked for once a week, or by `warifu renew --force`."))
        raise word.error()
    if folder.under_way() is not None:
        return Due(live)
    if memory.asks(now()):
        memory = await _asked(folder, memory, settings, tell)
        keep(folder, memory)
    due_at = _moment(memory, live.certificate())
    is_due = now() >= due_at
    if memory.last_word is not None and memory.nothing_to_renew and (_is_over(live) or not is_due):
        raise memory.last_word.error()
    return Due(live) if is_due else NotDue(live, due_at)


async def renew(folder: SeatFolder, settings: Settings, tell: Tell) -> Generation | NotDue:
    """Renew the live certificate of a seat, or go on with the renewal under way, and return the new one.

    NotDue is returned for one that the server finds too early to renew. Raises ClientError as the server refuses; what
    is final is remembered.
    """
    live = _live(folder)
    memory = recall(folder, identifier(live.certificate()))
    try:
        async with connected(folder, settings, tell) as transport:
            return await _renewed(folder, memory, transport)
    except Problem as problem:
        if problem.extra.get("reason") == RefusalReason.TOO_EARLY:
            return await _opening(live, folder, memory, settings, tell)
        error = _refusal(problem, folder)
    except ClientError as failure:
        error = failure
    if error.type in _LAST_WORDS:
        remember(folder, memory.answered(now(), error))
    raise error


def identifier(certificate: x509.Certificate) -> str:
    """Return how a certificate is named to ask about it (RFC 9773 §4.1). Raises ClientError when it cannot be."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    except (x509.ExtensionNotFound, ValueError) as error:
        raise ClientError("noIssuerKey", sentence("The certificate does not say which key issued it.")) from error
    return certificate_id(extension.value.key_identifier or b"", certificate.serial_number)


async def outlived(folder: SeatFolder, settings: Settings) -> list[Generation]:
    """Return what a seat no longer needs: certificates whose time is over, attempts that an enrolment overtook.

    Never the one in use: it is what a renewal after its end is asked for with. Nor one whose end, a day ago or more,
    the server's clock does not bear out now: this PC's may be wrong, and a key is not to be had again.
    """
    live = _live(folder)
    others = [each for each in folder.generations() if each != live]
    overtaken = [each for each in others if not (each.path / CHAIN).exists() and each.path.name < live.path.name]
    ended = [each for each in others if each.complete and _is_over(each)]
    if ended:
        moment = min(now(), await _time_of_server(folder, settings))
        ended = [each for each in ended if each.certificate().not_valid_after_utc + _DAY < moment]
    return [*overtaken, *ended]


async def _time_of_server(folder: SeatFolder, settings: Settings) -> datetime:
    """Return the server's time, the beginning of all time when it does not tell."""
    never = datetime.min.replace(tzinfo=UTC)
    try:
        async with connected(folder, settings, lambda *_, **__: None) as transport:
            return transport.server_time or never
    except (ClientError, Problem):
        return never


def _is_over(generation: Generation) -> bool:
    return generation.certificate().not_valid_after_utc < now()


async def _opening(live: Generation, folder: SeatFolder, memory: Memory, settings: Settings, tell: Tell) -> NotDue:
    """Return when a certificate that it is too early to renew will be due, by the window; tomorrow at the earliest."""
    asked = await _asked(folder, memory, settings, tell)
    remember(folder, asked)
    return NotDue(live, max(_moment(asked, live.certificate()), now() + _DAY), refused=True)


async def _renewed(folder: SeatFolder, memory: Memory, transport: Transport) -> Generation:
    # 1. A key, and a note that programs will have to be told of its certificate.
    generation = folder.under_way() or folder.next_generation()
    remember(folder, replace(memory, deploy=generation.path.name, deploy_tries=0))
    # 2. The certificate, in place of the one that it names (§5).
    common_name = CommonName.parse(folder.path.name)
    account = Account(transport, folder.account_key(), folder.record().account or "")
    name = Identifier(IdentifierType.PERMANENT_IDENTIFIER, str(common_name))
    request = NewOrder((name,), memory.certificate, this_device(folder.record().custody.store))
    try:
        await obtain(account, request, generation, common_name)
    except Problem:
        if generation.order() is None:  # nothing was ordered: its key is of no use, and being under way it would be due
            give_up_generation(generation)
        raise
    # 3. It is the one to be used.
    make_live(folder, generation)
    return generation


async def _asked(folder: SeatFolder, memory: Memory, settings: Settings, tell: Tell) -> Memory:
    """Ask for the suggested window and return what is to be remembered. Raises TryLater when the server is away."""
    async with connected(folder, settings, tell) as transport:
        if transport.directory.renewal_info is None:
            return memory.asked(now(), None, None)
        try:
            answer = await transport.get(f"{transport.directory.renewal_info}/{memory.certificate}")
            info = RenewalInfo.parse(answer.json())
        except Problem as problem:
            asked = memory.asked(now(), None, None)
            # Not what something on the way says; nor in place of what an order was answered, while one can be tried.
            final = problem.status == 404 and problem.type is not ProblemType.BLANK
            by_order = memory.last_word is not None and not memory.nothing_to_renew and not _is_over(_live(folder))
            return asked.answered(now(), _nothing_to_renew(folder)) if final and not by_order else asked
        except TryLater:  # it answers, but not about this (§4.3.3)
            return memory.asked(now(), None, None)
    if info.explanation_url is not None:
        tell(sentence("The server explains when to renew: {url}"), url=info.explanation_url)
    return memory.asked(now(), info, answer.retry_after)


def _moment(memory: Memory, certificate: x509.Certificate) -> datetime:
    """Return the moment from which the certificate should be renewed; one that is past means now."""
    start, end = memory.window_start, memory.window_end
    if start is None or end is None:
        start, end = (certificate.not_valid_after_utc - each for each in FALLBACK)
    fraction = int.from_bytes(hashlib.sha256(memory.certificate.encode("ascii")).digest()[:8]) / 2**64
    return start + (end - start) * fraction


def _live(folder: SeatFolder) -> Generation:
    live = folder.live()
    assert live is not None  # noqa: S101  a seat has a certificate
    return live


def _revoked(folder: SeatFolder) -> NeedsPerson:
    return NeedsPerson(
        "revoked",
        sentence("{cn} was revoked on this PC, and what is revoked is not renewed."),
        sentence("`warifu delete {cn}` removes it. If you still need one, your administrator applies for a new one."),
        facts={"cn": folder.path.name},
    )


def _nothing_to_renew(folder: SeatFolder) -> NeedsPerson:
    return NeedsPerson(
        NOTHING_TO_RENEW,
        sentence("The server has no certificate {cn} to renew: it is revoked, or its time to be renewed is over."),
        sentence("Ask your administrator for a new certificate, or call the help desk named in the mail."),
        facts={"cn": folder.path.name},
    )


def _refusal(problem: Problem, folder: SeatFolder) -> ClientError:
    if problem.extra.get("reason") == RefusalReason.SUSPENDED:
        return TryLater(
            "suspended",
            sentence("{cn} is suspended; it is renewed as soon as it is released."),
            facts={"cn": folder.path.name},
        )
    return from_problem(problem)

"""Finds out about one seat: its keys and certificates here, what authority and server say of them.

No PIN is asked for, and what does not answer in time counts as not asked.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from client import ocsp, renewal
from client.account import Account, connected
from client.config import Settings
from client.doctor.facts import AccountState, Certificate, Key, KeyState, Renewal, Seat, Server
from client.doctor.probes import LONGEST, aside, failure_to_find
from client.errors import ClientError, NeedsPerson, TryLater, from_any
from client.language import sentence
from client.renewal import NotDue
from client.renewal_memory import recall
from client.stores.folder import SeatFolder
from client.stores.generation import Generation
from client.stores.token_uri import TokenUri
from keys.algorithms import PrivateKey
from keys.errors import KeysError
from protocol.problems import Problem

_GONE: Final = ("missingKey", "lostKey")
_TROUBLES: Final = (ClientError, KeysError, OSError, Problem)


def _not_in_time() -> TryLater:
    return TryLater("slow", sentence("There was no answer in time."))


async def seat_of(folder: SeatFolder, settings: Settings, servers: "Mapping[str, asyncio.Task[Server]]") -> Seat:
    """Return what is found out about a seat; `servers` are being probed, by their directory."""
    cn = folder.path.name
    try:
        record = folder.record()
        generations = [each for each in folder.generations() if each.complete]
        here = [_certificate(each, folder, settings) for each in generations]
        certificates, online = await asyncio.gather(
            asyncio.gather(*here), _online(folder, settings, servers[record.directory])
        )
    except _TROUBLES as error:
        return Seat(cn, "", "", "", (), damage=from_any(error))
    account, foreseen = online
    return Seat(
        cn,
        "" if record.seat is None else record.seat.institution_name,
        urlsplit(record.directory).netloc,
        record.custody.store,
        tuple(certificates),
        account,
        foreseen,
        record.seat is not None and record.seat.renewal and [each.path.name for each in generations] == ["0001"],
    )


async def _certificate(generation: Generation, folder: SeatFolder, settings: Settings) -> Certificate:
    certificate, live = generation.certificate(), folder.live() == generation
    key, (standing, unasked) = await asyncio.gather(_key(generation, folder), _standing(generation, live, settings))
    revoked_here = generation.revoked_at() is not None
    return Certificate(certificate.not_valid_after_utc, live, key, revoked_here, standing, unasked)


async def _key(generation: Generation, folder: SeatFolder) -> Key:
    """Compare a private key with its certificate, where that needs no PIN."""
    try:
        copyable = generation.slot.holding().copyable
        if needs_pin(folder):
            return Key(KeyState.UNASKED, None, copyable)
        key: PrivateKey = await aside(generation.key, LONGEST)
    except TimeoutError:
        return Key(KeyState.AWAY, _not_in_time())
    except (ClientError, KeysError, OSError) as error:
        trouble = from_any(error)
        return Key(KeyState.MISSING if trouble.type in _GONE else KeyState.AWAY, trouble)
    matches = key.public_key() == generation.certificate().public_key()
    return Key(KeyState.MATCHES if matches else KeyState.FOREIGN, None, copyable)


def needs_pin(folder: SeatFolder) -> bool:
    """Tell whether a seat's keys are in a token whose PIN a person types."""
    custody = folder.record().custody
    return custody.store == "pkcs11" and TokenUri.parse(custody.place).pin_file is None


async def _standing(
    generation: Generation, live: bool, settings: Settings
) -> tuple[ocsp.Standing | None, ClientError | None]:
    """Ask the authority about the certificate in use."""
    if not live:
        return None, None
    try:
        certificate = generation.certificate()
        parts = urlsplit(ocsp.address_of(certificate) or "")
        reason = await failure_to_find(parts.hostname or "localhost", parts.port or 80)
        if reason is not None:
            return None, TryLater(
                "unreachable", sentence("The authority is not found ({reason})."), facts={"reason": reason}
            )
        async with asyncio.timeout(LONGEST):
            return await ocsp.ask(certificate, next(iter(generation.chain()), None), settings), None
    except TimeoutError:
        return None, _not_in_time()
    except ClientError as error:
        return None, error


async def _online(folder: SeatFolder, settings: Settings, server: Awaitable[Server]) -> tuple[AccountState, Renewal]:
    """Ask the server about account and renewal, if it is to be had."""
    live = folder.live()
    if live is None or not live.complete:
        return AccountState.UNASKED, Renewal()
    memory = recall(folder, renewal.identifier(live.certificate()))
    remembered = Renewal(
        under_way=folder.under_way() is not None, final=None if memory.last_word is None else memory.last_word.type
    )
    if (await server).failed is not None:
        return AccountState.UNASKED, remembered
    account, foreseen = await asyncio.gather(_account(folder, settings), _foreseen(folder, settings, remembered))
    return account, foreseen


async def _account(folder: SeatFolder, settings: Settings) -> AccountState:
    """Read the account by POST-as-GET (RFC 8555 §6.3)."""
    url = folder.record().account
    if url is None or needs_pin(folder):
        return AccountState.UNASKED
    try:
        key = await aside(folder.account_key, LONGEST)
        async with asyncio.timeout(LONGEST), connected(folder, settings, _nothing) as transport:
            await Account(transport, key, url).fetch(url)
    except Problem as problem:
        return AccountState.ENDED if problem.status == 401 else AccountState.UNASKED
    except (ClientError, KeysError, OSError, TimeoutError):
        return AccountState.UNASKED
    return AccountState.VALID


async def _foreseen(folder: SeatFolder, settings: Settings, remembered: Renewal) -> Renewal:
    """Ask as the agent would (RFC 9773), and write nothing down."""
    try:
        async with asyncio.timeout(LONGEST):
            decided = await renewal.decide(folder, settings, _nothing, force=False, keep=lambda *_: None)
    except TimeoutError:
        return replace(remembered, trouble=_not_in_time())
    except NeedsPerson as error:
        return replace(remembered, final=error.type)
    except _TROUBLES as error:
        return replace(remembered, trouble=from_any(error))
    return replace(remembered, due_at=decided.due_at if isinstance(decided, NotDue) else None)


def _nothing(*_: object, **__: object) -> None:
    """Tell nobody how it goes."""

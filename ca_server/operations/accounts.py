"""ACME accounts (RFC 8555 §7.3): the two halves bind an account key to one seat; the key is all a PC needs afterwards.

Each operation runs in one transaction. A refusal that leaves a mark, the wrong password counted, is returned instead
of raised, so that it is committed; whoever called raises it afterwards.
"""

import dataclasses
from collections.abc import Callable

from ca_server import store
from ca_server.domain.credentials import wrong_password
from ca_server.domain.seats import SeatStatus, issues_nothing
from ca_server.errors import (
    AccountUnknown,
    CredentialRefused,
    CredentialUnknown,
    Invalid,
    KeyBlocked,
    KeyCertified,
    KeyInUse,
    TryLater,
)
from ca_server.language import sentence
from ca_server.notices.messages import NoticeKind
from ca_server.operations.notice import tell
from ca_server.store import accounts, certificates, credentials, known_keys
from ca_server.store.accounts import AccountRow, NewAccountRow
from ca_server.store.known_keys import KnownKey
from keys.sealing import Sealer
from protocol.names import CommonName
from protocol.vocabulary import AccountStatus

_SECONDS_OF_A_PLAN = 3


@dataclasses.dataclass(frozen=True)
class Binding:
    """What newAccount brings, parsed: the new account's id and key, the kid, the check of its MAC, the PC.

    `names_key` tells whether what the MAC covers is the account's key.
    """

    account_id: str
    thumbprint: str
    jwk: str
    spki_sha256: str
    kid: str
    mac_is_right: Callable[[str, str], bool]
    names_key: bool
    contact: str
    binding: bytes
    device: str
    address: str


@dataclasses.dataclass(frozen=True)
class Bound:
    """The account that newAccount ends with; `fresh` tells 201 from 200."""

    account: AccountRow
    fresh: bool


def existing(connection: store.Connection, thumbprint: str) -> Bound:
    """Return the account that has the key (RFC 8555 §7.3.1). Raises AccountUnknown or AccountUnusable."""
    account = accounts.by_thumbprint(connection, thumbprint)
    if account is None:
        raise AccountUnknown(sentence("No account has this key."))
    return Bound(account, fresh=False)


def known(connection: store.Connection, thumbprint: str) -> AccountRow | None:
    """Return the account that has the key, None for a new key (RFC 8555 §7.3.1). Raises AccountUnusable."""
    return accounts.by_thumbprint(connection, thumbprint)


def bind(
    connection: store.Connection, request: Binding, sealer: Sealer, limit: int, now: int
) -> Bound | CredentialRefused:
    """Bind a new account key to the seat of a credential, or return the account that the key has already.

    The checks in the order of protocol.md: kid, state, MAC, key; only a wrong MAC counts, and the `limit`th locks. A
    seat that is suspended binds nothing; a plan under way makes a takeover wait. A takeover revokes the former account.
    """
    key = known_keys.look(connection, request.thumbprint, request.spki_sha256)
    if key.account is not None:
        return existing(connection, request.thumbprint)
    _require_unused(key)
    found = credentials.by_kid(connection, request.kid)
    if found is None:
        raise CredentialUnknown
    credential = found.credential
    credential.require_open(now)
    if not request.mac_is_right(*found.halves.opened(sealer, credential.id)):
        return wrong_password(credentials.count_failure(connection, credential, limit, now), limit)
    if not request.names_key:
        raise Invalid({"externalAccountBinding": "Its payload must be the account's public key."})
    if found.seat_status not in (SeatStatus.APPROVED, SeatStatus.ACTIVE):
        raise issues_nothing(str(credential.cn), found.seat_status)
    if credential.account_id is not None:
        if certificates.plan_stands(connection, credential.account_id):
            raise TryLater(
                _SECONDS_OF_A_PLAN, sentence("A certificate is being issued on this URL; try again in a moment.")
            )
        actor = f"credential:{credential.id}"
        accounts.end(connection, credential.account_id, AccountStatus.REVOKED, now, actor)
    recorded = _recorded(request, str(credential.cn), credential.id, sealer)
    accounts.add(connection, recorded, now)
    credentials.bind(connection, credential.id, request.account_id)
    return Bound(_account(recorded, found, now), fresh=True)


def _require_unused(key: KnownKey) -> None:
    if key.is_blocked:
        raise KeyBlocked
    if key.is_certified:
        raise KeyCertified


def _recorded(request: Binding, cn: str, credential_id: str, sealer: Sealer) -> NewAccountRow:
    return NewAccountRow(
        id=request.account_id,
        thumbprint=request.thumbprint,
        jwk=request.jwk,
        cn=cn,
        credential_id=credential_id,
        contact=request.contact,
        binding_sealed=sealer.seal(request.binding, request.account_id.encode()),
        device=request.device,
        address=request.address,
    )


def _account(recorded: NewAccountRow, found: credentials.Found, now: int) -> AccountRow:
    """Return the account as it would be read again."""
    return AccountRow(
        id=recorded.id,
        status=AccountStatus.VALID,
        jwk=recorded.jwk,
        cn=recorded.cn,
        credential_id=recorded.credential_id,
        contact=recorded.contact,
        binding_sealed=recorded.binding_sealed,
        created_at=now,
        institution_name=found.institution_name,
        credential_kind=found.credential.kind,
        seat_status=found.seat_status,
    )


def show(connection: store.Connection, account_id: str) -> AccountRow:
    """Return a valid account. Raises AccountUnknown or AccountUnusable."""
    return accounts.get(connection, account_id)


def change_contact(connection: store.Connection, account_id: str, contact: str, now: int) -> AccountRow:
    """Write the account's contacts and return it (RFC 8555 §7.3.2)."""
    account = accounts.get(connection, account_id)
    accounts.change_contact(connection, account_id, contact, now)
    return dataclasses.replace(account, contact=contact)


def deactivate(connection: store.Connection, account_id: str, now: int) -> AccountRow:
    """End the account at its holder's wish (RFC 8555 §7.3.6); its certificates live on."""
    account = accounts.get(connection, account_id)
    accounts.end(connection, account_id, AccountStatus.DEACTIVATED, now, f"account:{account_id}")
    return dataclasses.replace(account, status=AccountStatus.DEACTIVATED)


@dataclasses.dataclass(frozen=True)
class KeyChanged:
    """What keyChange brings, parsed: the thumbprint of the old key, and the new key in its three forms."""

    before: str
    thumbprint: str
    jwk: str
    spki_sha256: str


def change_key(connection: store.Connection, account_id: str, change: KeyChanged, now: int) -> AccountRow:
    """Give the account another key (RFC 8555 §7.3.5).

    Raises KeyInUse, naming the account, when the new key is or was any account's, KeyBlocked after a compromise.
    """
    accounts.require_valid(connection, account_id)
    key = known_keys.look(connection, change.thumbprint, change.spki_sha256)
    if key.account is not None:
        raise KeyInUse(key.account)
    _require_unused(key)
    accounts.change_key(connection, account_id, change.before, change.thumbprint, change.jwk, now)
    account = accounts.get(connection, account_id)
    tell(connection, CommonName.parse(account.cn).institution, NoticeKind.KEY_CHANGED, now, cn=account.cn)
    return account

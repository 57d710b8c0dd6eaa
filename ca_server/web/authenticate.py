"""Who sent a request: the checks of RFC 8555 §6.2 to §6.5 in the order of protocol.md, Verifying a request.

strict JWS → algorithm → jwk xor kid → url is this resource's → nonce opens → key → signature → nonce redeemed. Whether
the account is valid, and the resource its own, is looked at in the transaction that decides, and before anything else
is refused (`Front.signed`), so that a dead account is told so first.
"""

import json
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from ca_server import store
from ca_server.errors import AccountUnknown
from ca_server.language import sentence
from ca_server.store import accounts
from ca_server.web.nonces import Pool
from ca_server.web.render import Urls
from keys.algorithms import PublicKey
from protocol import jws
from protocol.jws import Jws
from protocol.problems import Problem, ProblemType

_MOST_KEYS = 2_000


class Signer(Enum):
    """How a resource lets its sender name the key."""

    ACCOUNT = "kid"
    KEY = "jwk"
    EITHER = "either"


class Signed(NamedTuple):
    """A request whose signature is right: by an account (`account_id`) or by a bare key (`jwk`)."""

    message: Jws
    path: Mapping[str, str]
    query: Mapping[str, str]
    address: str
    agent: str
    url: str
    public_key: PublicKey
    account_id: str | None

    @property
    def account(self) -> str:
        """Return the account's id, where the resource demands one."""
        assert self.account_id is not None  # noqa: S101 - Signer.ACCOUNT was checked
        return self.account_id

    @property
    def is_read(self) -> bool:
        """Tell whether it is a POST-as-GET (RFC 8555 §6.3): an empty payload, which `{}` is not."""
        return self.message.payload == b""

    def require_read(self) -> None:
        """Do nothing for a POST-as-GET. Raises Problem malformed for any other."""
        if not self.is_read:
            raise Problem(ProblemType.MALFORMED, "This resource is read by a POST with an empty payload (§6.3).")

    def members(self) -> Mapping[str, object]:
        """Return the payload as a JSON object. Raises Problem malformed for any other."""
        value = jws.strict_json(self.message.payload) if self.message.payload else None
        if not isinstance(value, dict):
            raise Problem(ProblemType.MALFORMED, "The payload must be a JSON object.")
        return value


class Authenticator:
    """Verifies requests; keeps the public keys of accounts, which do not change but by keyChange."""

    def __init__(self, database: store.Database, urls: Urls, nonces: Pool) -> None:
        self._database = database
        self._urls = urls
        self._nonces = nonces
        self._keys: dict[str, PublicKey] = {}
        self._changes = 0
        self._forgotten = 0
        """How often keys were forgotten: one that was looked up before that is not remembered after it."""

    async def verify(self, body: bytes, url: str, signer: Signer) -> tuple[Jws, PublicKey, str | None]:
        """Return the message, the key that signed it, and the account that names it.

        Raises Problem for whatever is wrong, AccountUnknown for a kid that is none of ours.
        """
        message = jws.parse(body)
        self._require_signer(message, signer)
        if message.protected.get("url") != url:
            raise Problem(ProblemType.UNAUTHORIZED, "The url in the header is not the one of this resource.")
        nonce = self._nonces.opened(message.protected.get("nonce"))
        if nonce is None:
            raise Problem(ProblemType.BAD_NONCE)
        key, account_id = await self._verified(message)
        if not await self._nonces.redeem(nonce):
            raise Problem(ProblemType.BAD_NONCE)
        return message, key, account_id

    async def require_valid(self, account_id: str | None) -> None:
        """Do nothing where no account signed, or a valid one. Raises AccountUnusable for a dead one."""
        if account_id is not None:
            await self._database.lookup(accounts.require_valid, account_id)

    def remember(self, account_id: str, key: PublicKey) -> None:
        """Keep the key of an account, which was just made or looked up."""
        if len(self._keys) >= _MOST_KEYS:
            self._keys.clear()
        self._keys[account_id] = key

    def forget(self, account_id: str) -> None:
        """Forget an account's key, which it changed."""
        self._keys.pop(account_id, None)
        self._forgotten += 1

    async def look_for_changes(self) -> None:
        """Forget all keys when an account has changed its own at another server."""
        changes = await self._database.lookup(accounts.key_changes)
        if changes != self._changes:
            self._changes = changes
            self._keys.clear()
            self._forgotten += 1

    def _require_signer(self, message: Jws, signer: Signer) -> None:
        if signer is not Signer.EITHER and signer.value not in message.protected:
            wanted = "kid, the account's URL" if signer is Signer.ACCOUNT else "jwk, the account's key"
            raise Problem(ProblemType.MALFORMED, f"The header of this request names its key by {wanted}.")

    async def _verified(self, message: Jws) -> tuple[PublicKey, str | None]:
        """Return the key that the signature is right under, and its account.

        One that is kept may have been changed at another server a moment ago, so a wrong signature is looked at twice.
        """
        key, account_id = await self._key(message)
        try:
            jws.verify(message, key)
        except Problem:
            if account_id is None:
                raise
            self.forget(account_id)
            recorded, _ = await self._key(message)
            if recorded == key:
                raise
            key = recorded
            jws.verify(message, key)
        return key, account_id

    async def _key(self, message: Jws) -> tuple[PublicKey, str | None]:
        if "jwk" in message.protected:
            jwk = message.protected["jwk"]
            return jws.public_key(jwk if isinstance(jwk, dict) else {}), None
        prefix = self._urls.account("")
        kid = message.protected["kid"]
        if not isinstance(kid, str) or not kid.startswith(prefix):
            raise AccountUnknown(sentence("The kid is not the URL of an account of this service."))
        account_id = kid[len(prefix) :]
        key = self._keys.get(account_id)
        if key is None:
            forgotten = self._forgotten
            jwk_text = await self._database.lookup(accounts.key, account_id)
            if jwk_text is None:
                raise AccountUnknown(sentence("There is no such account."))
            key = jws.public_key(json.loads(jwk_text))
            if forgotten == self._forgotten:
                self.remember(account_id, key)
        return key, account_id

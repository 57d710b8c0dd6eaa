"""Accounts (RFC 8555 §7.3): newAccount with its binding, reading and updating, deactivation, keyChange."""

import dataclasses
import json

from ca_server import logs, store
from ca_server.clock import Clock
from ca_server.errors import CredentialRefused, CredentialUnknown
from ca_server.ids import new_id
from ca_server.operations import accounts, enrolment
from ca_server.store.accounts import AccountRow
from ca_server.web import render
from ca_server.web.authenticate import Authenticator, Signed
from ca_server.web.limits import Window, network_of
from ca_server.web.render import Answer, Urls
from keys.algorithms import PublicKey
from keys.errors import KeysError
from keys.policy import require_strong, spki_sha256
from keys.sealing import Sealer
from protocol import jws
from protocol.credential import BadCredential, mac_key, normalise_kid
from protocol.problems import Problem, ProblemType
from protocol.requests import AccountUpdate, Device, KeyChange, NewAccount
from protocol.vocabulary import Relation

_ORDERS_A_PAGE = 50


@dataclasses.dataclass(frozen=True)
class AccountHandlers:
    """The handlers of accounts."""

    database: store.Database
    authenticator: Authenticator
    sealer: Sealer
    urls: Urls
    clock: Clock
    accounts_an_hour: Window
    changes_an_hour: Window
    wrong_passwords: int

    async def create(self, signed: Signed) -> Answer:
        """newAccount (§7.3): a key that is known first, then terms and binding."""
        self.accounts_an_hour.require(network_of(signed.address))
        self.accounts_an_hour.count(network_of(signed.address))
        asked = NewAccount.parse(signed.members())
        thumbprint = jws.thumbprint(signed.public_key)
        if asked.only_return_existing:
            found = await self.database.lookup(accounts.existing, thumbprint)
            return self._answer(found.account, location=True)
        try:
            request = self._binding(asked, signed, thumbprint)
        except (Problem, CredentialUnknown):
            known = await self.database.lookup(accounts.known, thumbprint)  # which needs none of what is wrong
            if known is None:
                raise
            return self._answer(known, location=True)
        now = self.clock.now()
        outcome = await self.database.write(accounts.bind, request, self.sealer, self.wrong_passwords, now)
        if isinstance(outcome, CredentialRefused):
            raise outcome
        if not outcome.fresh:
            return self._answer(outcome.account, location=True)
        self.authenticator.remember(outcome.account.id, signed.public_key)
        return self._answer(outcome.account, status=201, location=True)

    def _binding(self, asked: NewAccount, signed: Signed, thumbprint: str) -> accounts.Binding:
        _require_strong(signed.public_key)
        if not asked.terms_of_service_agreed:
            raise Problem(ProblemType.USER_ACTION_REQUIRED, "Set termsOfServiceAgreed to accept the CP/CPS.")
        return _request(asked, signed, thumbprint, self.urls.of("/acme/new-account"))

    async def update(self, signed: Signed) -> Answer:
        """Read (§6.3), update the contacts of (§7.3.2), or deactivate (§7.3.6) the account that signed."""
        self._require_own(signed)
        asked = AccountUpdate() if signed.is_read else AccountUpdate.parse(signed.members())
        if asked.status is not None:
            account = await self.database.write(accounts.deactivate, signed.account, self.clock.now())
        elif asked.contact is not None:
            self.changes_an_hour.require(signed.account)
            contacts, now = json.dumps(asked.contact), self.clock.now()
            account = await self.database.write(accounts.change_contact, signed.account, contacts, now)
            self.changes_an_hour.count(signed.account)
        else:
            account = await self.database.lookup(accounts.show, signed.account)
        return self._answer(account)

    async def orders(self, signed: Signed) -> Answer:
        """List the account's orders by pages, without invalid ones (§7.1.2.1)."""
        self._require_own(signed)
        signed.require_read()
        cursor, now = signed.query.get("cursor", ""), self.clock.now()
        page = await self.database.lookup(enrolment.listed, signed.account, cursor, _ORDERS_A_PAGE, now)
        links: tuple[tuple[str, str], ...] = ()
        if page.next_cursor is not None:
            links = ((f"{self.urls.account(signed.account)}/orders?cursor={page.next_cursor}", Relation.NEXT),)
        return Answer({"orders": [self.urls.order(facts.id) for facts in page.orders]}, links=links)

    async def change_key(self, signed: Signed) -> Answer:
        """Change the account's key: the checks of §7.3.5, one line each."""
        self.changes_an_hour.require(signed.account)
        inner = jws.parse_members(signed.members())
        if "jwk" not in inner.protected or "nonce" in inner.protected:
            raise Problem(ProblemType.MALFORMED, "The inner JWS of keyChange has a jwk and no nonce.")
        new_key = jws.public_key(inner.protected["jwk"])
        jws.verify(inner, new_key)
        if inner.protected.get("url") != signed.url:
            raise Problem(ProblemType.MALFORMED, "The inner JWS of keyChange has the same url as the outer one.")
        asked = KeyChange.parse(jws.strict_json(inner.payload))
        if asked.account != self.urls.account(signed.account):
            raise Problem(ProblemType.MALFORMED, "`account` must be the URL of the account that signs.")
        before = jws.thumbprint(signed.public_key)
        if jws.thumbprint(jws.public_key(asked.old_key)) != before:
            raise Problem(ProblemType.MALFORMED, "`oldKey` must be the key that the account has now.")
        _require_strong(new_key)
        jwk = json.dumps(jws.jwk(new_key))
        change = accounts.KeyChanged(before, jws.thumbprint(new_key), jwk, spki_sha256(new_key))
        account = await self.database.write(accounts.change_key, signed.account, change, self.clock.now())
        self.authenticator.forget(signed.account)
        self.changes_an_hour.count(signed.account)
        return self._answer(account)

    def _require_own(self, signed: Signed) -> None:
        if signed.path["account"] != signed.account:
            raise Problem(ProblemType.UNAUTHORIZED, "This account is not the one that signed the request.")

    def _answer(self, account: AccountRow, *, status: int = 200, location: bool = False) -> Answer:
        logs.concerns(account.id, account.cn)
        binding = json.loads(self.sealer.open(account.binding_sealed, account.id.encode()))
        body = render.account(account, binding, self.urls)
        return Answer(body, status=status, location=self.urls.account(account.id) if location else None)


def _require_strong(key: PublicKey) -> None:
    try:
        require_strong(key)
    except KeysError as error:
        raise Problem(ProblemType.BAD_PUBLIC_KEY, str(error)) from error


def _request(asked: NewAccount, signed: Signed, thumbprint: str, url: str) -> accounts.Binding:
    binding = _binding(asked, url)
    device = Device() if asked.device is None else asked.device
    return accounts.Binding(
        account_id=new_id(),
        thumbprint=thumbprint,
        jwk=json.dumps(jws.jwk(signed.public_key)),
        spki_sha256=spki_sha256(signed.public_key),
        kid=_kid(binding),
        mac_is_right=lambda kid, password: jws.verify_mac(binding, mac_key(kid, password)),
        names_key=_names_key(binding, signed, thumbprint),
        contact=json.dumps(asked.contact),
        binding=json.dumps(binding.render()).encode(),
        device=json.dumps(device.render()),
        address=signed.address,
    )


def _binding(asked: NewAccount, url: str) -> jws.Jws:
    """Return the external account binding after the first checks of §7.3.4: its shape and its url."""
    if asked.external_account_binding is None:
        raise Problem(
            ProblemType.EXTERNAL_ACCOUNT_REQUIRED,
            "Accounts are bound by the one-time URL and password that were mailed (externalAccountBinding).",
        )
    binding = jws.parse_members(asked.external_account_binding)
    if binding.algorithm != jws.MAC_ALGORITHM or "kid" not in binding.protected or "nonce" in binding.protected:
        raise Problem(ProblemType.MALFORMED, "The binding is an HS256 JWS with kid and url and without a nonce.")
    if binding.protected.get("url") != url:
        raise Problem(ProblemType.UNAUTHORIZED, "The binding's url is not that of newAccount.")
    return binding


def _names_key(binding: jws.Jws, signed: Signed, thumbprint: str) -> bool:
    """Tell whether the payload is the account's key; what is no key at all is not.

    Most clients write it member for member as in the outer header, which saves reading the key a second time.
    """
    try:
        named = jws.strict_json(binding.payload)
        return named == signed.message.protected["jwk"] or jws.thumbprint(jws.public_key(named)) == thumbprint
    except Problem:
        return False


def _kid(binding: jws.Jws) -> str:
    try:
        return normalise_kid(str(binding.protected["kid"]))
    except BadCredential as error:
        raise CredentialUnknown from error

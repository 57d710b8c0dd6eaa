"""Enrolment (証明書の取得): a one-time URL and its password become a certificate on this PC (protocol.md, Enrolment).

Both keys are on disk before newAccount is sent; each step after it may be repeated. So a process killed anywhere is
gone on with by running it again: the account is found by its key without the password (RFC 8555 §7.3.1), the order is
polled, the certificate downloaded again. An account that has ended never binds again; a new key is tried once (State,
rule 2).
"""

from dataclasses import dataclass, replace
from typing import Protocol
from urllib.parse import urlsplit

from client.account import Account, open_account, this_device
from client.config import Settings
from client.errors import CALL_HELP_DESK, ClientError, Misuse
from client.language import sentence
from client.order import obtain
from client.stores.custody import chosen_custody
from client.stores.files import FilesStore, credential_name
from client.stores.folder import Record, SeatFolder, renew_account_key
from client.stores.generation import Generation
from client.transport import Tell, Transport, open_transport
from protocol import jws
from protocol.credential import PATH, as_meant, kid_of_url, mac_key
from protocol.problems import Problem, ProblemType
from protocol.requests import NewAccount, NewOrder
from protocol.resources import Account as AccountState
from protocol.resources import Identifier, Invitation, Seat
from protocol.vocabulary import IdentifierType, RefusalReason

_DEAD_URL = (RefusalReason.EXPIRED, RefusalReason.USED, RefusalReason.REPLACED)


class Person(Protocol):
    """Who enrols: gives the password, says yes or no, watches."""

    def given_password(self) -> str | None:
        """Return the password from where the command line said, normalised; None when it is to be asked for."""

    def password(self) -> str:
        """Return the password, normalised, asking for it if need be."""

    def agrees(self, seat: Seat) -> bool:
        """Tell whether this PC shall be that seat."""

    def tell(self, text: str, **facts: object) -> None:
        """Show how it goes."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """The seat that this PC has now; `fresh` is False when it was enrolled with this URL before."""

    folder: SeatFolder
    fresh: bool

    @property
    def live(self) -> Generation:
        """Return the generation in use."""
        live = self.folder.live()
        assert live is not None  # noqa: S101  a seat has a certificate
        return live


async def enrol(url: str, store: FilesStore, person: Person, settings: Settings) -> Enrolled:
    """Get the certificate that a one-time URL stands for, from wherever an earlier attempt was left.

    Raises BadCredential before anything is sent when URL or password are mistyped, Problem as the server refuses,
    ClientError for what else goes wrong, a "no" among it.
    """
    kid = kid_of_url(url)
    address = address_of(url, kid)
    with store.lock():
        seat = store.enrolled_with(credential_name(kid))
        if seat is not None:
            return Enrolled(seat, fresh=False)
        folder = store.pending_with(credential_name(kid))
        custody = chosen_custody(settings) if folder is None else folder.record().custody
        password = person.password() if folder is None else person.given_password()
        if folder is not None:
            _require_same_server(address, folder)
        ca_file = settings.ca_file or (None if folder is None else folder.trusted)
        async with open_transport(settings, ca_file, address, person.tell) as transport:
            if folder is None:
                found = await _invitation(transport, address, kid)
                trusted = None if settings.ca_file is None else settings.ca_file.read_bytes()
                folder = store.begin(Record(found.directory, credential_name(kid), custody=custody), trusted)
            attempt = _Attempt(transport, folder, store, person, kid, password)
            return Enrolled(await attempt.run(), fresh=True)


def _require_same_server(address: str, folder: SeatFolder) -> None:
    """Do nothing when the URL is of the server that an earlier attempt began with. Raises ClientError otherwise."""
    typed, begun = urlsplit(address).netloc, urlsplit(folder.record().directory).netloc
    if typed != begun:
        raise ClientError(
            "otherServer",
            sentence("The pending enrolment of this URL is with {host}, not with {other}."),
            sentence("Give the URL as it stands in the mail."),
            facts={"host": begun, "other": typed},
        )


async def _invitation(transport: Transport, address: str, kid: str) -> Invitation:
    """Ask a one-time URL which directory it belongs to; that uses nothing up. Raises ClientError for another's."""
    found = Invitation.parse((await transport.get(address)).json())
    if found.kid != kid:
        raise ClientError("badInvitation", sentence("The server answers for another URL."), CALL_HELP_DESK)
    return found


async def directory_of(url: str, settings: Settings, tell: Tell) -> str:
    """Return the directory that a one-time URL belongs to, for another client that will use it."""
    kid = kid_of_url(url)
    address = address_of(url, kid)
    async with open_transport(settings, settings.ca_file, address, tell) as transport:
        return (await _invitation(transport, address, kid)).directory


def address_of(url: str, kid: str) -> str:
    """Return the one-time URL without what pasting added to it. Raises Misuse for one that is not https."""
    parts = urlsplit(as_meant(url))
    if parts.scheme != "https":
        what = sentence("The URL does not begin with https://.")
        raise Misuse(
            "insecureUrl", what, sentence("Copy it from the mail as it stands there."), fields={"url": "https"}
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rpartition(PATH)[0]}{PATH}{kid}"


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One run at a URL, from binding to installing; `password` is None as long as nobody had to give it."""

    transport: Transport
    folder: SeatFolder
    store: FilesStore
    person: Person
    kid: str
    password: str | None

    async def run(self) -> SeatFolder:
        await self.transport.connect(self.folder.record().directory)
        try:
            return await self._twice()
        except Problem as problem:
            if problem.extra.get("reason") in _DEAD_URL or self._is_unknown(problem):
                self.store.discard(self.folder)
            raise

    def _is_unknown(self, problem: Problem) -> bool:
        """Tell whether the server refused the URL itself, of which it says no more, and not the password."""
        refused = problem.type is ProblemType.UNAUTHORIZED and not {"reason", "triesLeft"} & problem.extra.keys()
        return refused and self.folder.record().account is None

    async def _twice(self) -> SeatFolder:
        try:
            return await self._once()
        except Problem as problem:
            if problem.status != 401:
                raise
        self.person.tell(sentence("The server no longer takes this PC's key; trying once more with a new one."))
        renew_account_key(self.folder)
        return await self._once()

    async def _once(self) -> SeatFolder:
        account = await self._bound()
        seat = self._agreed()
        generation = self.folder.generations()[-1]
        self.person.tell(sentence("Ordering the certificate {cn}."), cn=seat.common_name)
        identifier = Identifier(IdentifierType.PERMANENT_IDENTIFIER, str(seat.common_name))
        await obtain(account, NewOrder((identifier,)), generation, seat.common_name)
        return self.store.promote(self.folder)

    async def _bound(self) -> Account:
        """Return the account, bound to its seat; the password is asked for only if no earlier attempt got so far."""
        record, key = self.folder.record(), self.folder.account_key()
        if record.account is not None:
            return Account(self.transport, key, record.account)
        if self.password is None:
            try:
                found = await open_account(self.transport, key, NewAccount(only_return_existing=True))
            except Problem as problem:
                if problem.type is not ProblemType.ACCOUNT_DOES_NOT_EXIST:
                    raise
            else:
                return self._remembered(*found)
        self.person.tell(sentence("Binding this PC to the URL."))
        mac = mac_key(self.kid, self.password or self.person.password())
        device = this_device(self.folder.record().custody.store)
        binding = jws.bind(self.kid, mac, self.transport.directory.new_account, key.public_key())
        request = NewAccount(terms_of_service_agreed=True, external_account_binding=binding, device=device)
        return self._remembered(*await open_account(self.transport, key, request))

    def _remembered(self, account: Account, state: AccountState) -> Account:
        if state.seat is None:
            raise ClientError("noSeat", sentence("The server does not say whose certificate this is."), CALL_HELP_DESK)
        self.folder.write(replace(self.folder.record(), account=account.url, seat=state.seat))
        return account

    def _agreed(self) -> Seat:
        """Return the seat once a person said yes to it. "No" leaves nothing on the PC and the URL as good as before."""
        record = self.folder.record()
        assert record.seat is not None  # noqa: S101  written together with the account
        if not record.agreed:
            if record.seat.renewal and not self._has_predecessor(record.seat):
                self.person.tell(
                    sentence(
                        "Warning: the certificate {cn}, which this URL renews, is not on this PC. If another PC holds "
                        "it, say no and open the URL there; if that PC was replaced, your administrator files a DCM904."
                    ),
                    cn=record.seat.common_name,
                )
            if not self.person.agrees(record.seat):
                self.store.discard(self.folder)
                raise ClientError(
                    "declined",
                    sentence("Nothing was installed. The URL can still be used, here or on the right PC."),
                )
            self.folder.write(replace(record, agreed=True))
        return record.seat

    def _has_predecessor(self, seat: Seat) -> bool:
        return any(each.path.name == str(seat.common_name) for each in self.store.seats())

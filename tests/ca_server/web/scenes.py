"""Seats of two institutions in every state that account, order and seat can have, for the matrix of who gets what."""

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from cryptography import x509

from ca_server import app, keyring, store
from ca_server.app import crl_entry
from ca_server.clock import day_in_tokyo
from ca_server.domain.applications import Filed, Receipt
from ca_server.domain.officers import Acting
from ca_server.domain.seats import SeatStatus
from ca_server.operations import applications, carrying_out, issuance
from ca_server.store import credentials, officers
from keys.algorithms import PrivateKey
from keys.csr import build_signing_request
from keys.generate import generate
from protocol.names import CommonName
from protocol.vocabulary import AccountStatus, OrderStatus
from tests.ca_server.paper import an_issuance
from tests.ca_server.web.caller import Caller, Reply
from tests.ca_server.web.office import INSTITUTION, INSTITUTION_NAME, Folder, Invitation, Office, configured

OTHER_INSTITUTION = "F654321"
SIBLING = 1
"""The seat of the same institution that is no scene's; the scenes' begin behind it."""
SEATS = 20


class Frugal(Caller):
    """A caller who uses the nonce of the answer before, as long as it is good, instead of asking for one."""

    def __init__(self, server: Office, **settings: Any) -> None:
        super().__init__(server, **settings)
        self.office = server
        self._kept: tuple[int, str] | None = None

    async def nonce(self) -> str:
        kept, self._kept = self._kept, None
        return kept[1] if kept is not None and kept[0] == self.office.clock.now() else await super().nonce()

    async def send(self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
        reply = await super().send(method, url, body, headers)
        if method == "POST" and "Replay-Nonce" in reply.headers:
            self._kept = self.office.clock.now(), reply.headers["Replay-Nonce"]
        return reply


def plain(reply: Reply) -> object:
    """Return an answer without what differs from one to the next: nonce, request id and date."""
    headers = {
        name: value for name, value in reply.headers.items() if name not in ("Replay-Nonce", "Request-Id", "Date")
    }
    return reply.status, headers, reply.body


def widened(folder: Folder, place: Path) -> Folder:
    """Return a copy with more seats, and one of another institution; two wrong passwords lock a URL there."""
    config = configured(folder, place, {"credentials": {"wrong_passwords": 2}})
    records, now = store.SynchronousDatabase(config.server.database), folder.made_at
    terms = app.carrying_out_terms(config, keyring.load_sealer(config))
    first, second = (Acting(officer.id, "test") for officer in records.read(officers.all_officers))
    for code, name, count in ((INSTITUTION, INSTITUTION_NAME, SEATS - 3), (OTHER_INSTITUTION, "あおば信用金庫", 1)):
        form = an_issuance(count, now=now, institution=code, institution_name=name, applied_on=str(day_in_tokyo(now)))
        filed = records.write(applications.file, form, Receipt(first, "mail"), now)
        assert isinstance(filed, Filed)
        records.write(applications.examine, filed.number, first, now)
        records.write(applications.approve, filed.number, second, now, four_eyes=True)
    for step in records.read(carrying_out.steps, terms, now):
        records.write(carrying_out.carry_out, step, terms, crl_entry, now)
    records.close()
    return dataclasses.replace(folder, config=config)


def pair_of(office: Office, cn: CommonName) -> Invitation:
    """Return the live pair of any institution's seat."""
    (credential,) = office.look(credentials.live_of_seat, cn)
    found = office.look(credentials.by_id, credential.id)
    assert found is not None
    kid, password = found[1].opened(office.sealer, credential.id)
    return Invitation(str(credential.cn), kid, password, credential.id)


async def member(office: Office, cn: str) -> Frugal:
    """Return whoever holds the account of a seat that is no scene's."""
    holder = Frugal(office)
    (await holder.bind(pair_of(office, CommonName.parse(cn)))).must(201)
    return holder


@dataclasses.dataclass
class Scene:
    """One seat: whoever holds its account, the newest order, and the certificate with its key if there is one."""

    number: int
    pair: Invitation
    holder: Frugal
    order: dict[str, Any]
    order_url: str
    certificate_url: str | None = None
    certificate: x509.Certificate | None = None
    key: PrivateKey | None = None

    async def enrol(self) -> None:
        """Finalize the order and download what was issued."""
        self.key = generate("P-256")
        csr = build_signing_request(self.key, self.holder.cn)
        self.order = (await self.holder.finalize(self.order, csr)).must(200).document
        self.certificate_url = str(self.order["certificate"])
        self.certificate = (await self.holder.download(self.certificate_url))[0]


@dataclasses.dataclass(frozen=True)
class State:
    """How scenes come about, and what must be so then."""

    account: AccountStatus
    order: OrderStatus
    seat: SeatStatus
    issued: bool = False
    meanwhile: "Passing | None" = None
    """What passes once for all scenes of the state."""
    changes: tuple["Change", ...] = ()
    """What happens to each of them after that."""


class Stage:
    """Makes scenes, each on a seat that no other has."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self._numbers = iter(range(SIBLING + 1, SEATS + 1))

    async def scenes(self, state: State, count: int) -> list[Scene]:
        """Return so many scenes in a state."""
        made = [await self._scene(state.issued) for _ in range(count)]
        if state.meanwhile is not None:
            await state.meanwhile(self.office)
        for scene in made:
            for change in state.changes:
                await change(self.office, scene)
        return made

    async def _scene(self, issued: bool) -> Scene:
        number = next(self._numbers)
        holder, pair = Frugal(self.office), self.office.invitation(number)
        (await holder.bind(pair)).must(201)
        reply = (await holder.order()).must(201)
        scene = Scene(number, pair, holder, reply.document, reply.location)
        if issued:
            await scene.enrol()
        return scene


Change = Callable[[Office, Scene], Awaitable[None]]
Passing = Callable[[Office], Awaitable[None]]


async def suspended(office: Office, scene: Scene) -> None:
    await office.suspend(scene.number)


async def revoked(office: Office, scene: Scene) -> None:
    await office.revoke_seat(scene.number)


async def deactivated(_: Office, scene: Scene) -> None:
    (await scene.holder.post(str(scene.holder.account), {"status": "deactivated"})).must(200)


async def taken_over(office: Office, scene: Scene) -> None:
    (await Frugal(office).bind(scene.pair)).must(201)


async def given_up(_: Office, scene: Scene) -> None:
    (await scene.holder.post(scene.order["authorizations"][0], {"status": "deactivated"})).must(200)


async def planned(office: Office, scene: Scene) -> None:
    """Have a certificate planned and not yet signed."""

    async def gone(*_: object) -> None:
        raise RuntimeError("the server is gone between plan and signature")

    kept, issuance.issue = issuance.issue, gone  # type: ignore[assignment]
    try:
        assert (await scene.holder.finalize(scene.order)).status == 500
    finally:
        issuance.issue = kept


async def a_week(office: Office) -> None:
    """Let orders expire."""
    office.clock.pass_by(days=7)


async def too_long(office: Office) -> None:
    """Let the time to renew pass, and a CRL prove that it did."""
    office.clock.pass_by(days=395 + 91)
    await office.publish()
    office.clock.pass_by(days=2)
    await office.ask_for_renewal()


async def a_year(office: Office) -> None:
    """Let the time to renew begin."""
    office.clock.pass_by(days=395 - 40)


async def ordered_again(_: Office, scene: Scene) -> None:
    reply = (await scene.holder.order()).must(201)
    scene.order, scene.order_url = reply.document, reply.location


VALID, READY = AccountStatus.VALID, OrderStatus.READY
STATES = {
    "bound": State(VALID, READY, SeatStatus.APPROVED),
    "given up": State(VALID, OrderStatus.INVALID, SeatStatus.APPROVED, changes=(given_up,)),
    "planned": State(VALID, OrderStatus.PROCESSING, SeatStatus.APPROVED, changes=(planned,)),
    "late": State(VALID, OrderStatus.INVALID, SeatStatus.APPROVED, meanwhile=a_week),
    "bound, on hold": State(VALID, READY, SeatStatus.SUSPENDED, changes=(suspended,)),
    "bound, revoked": State(AccountStatus.REVOKED, OrderStatus.INVALID, SeatStatus.REVOKED, changes=(revoked,)),
    "taken over": State(AccountStatus.REVOKED, OrderStatus.INVALID, SeatStatus.APPROVED, changes=(taken_over,)),
    "deactivated": State(AccountStatus.DEACTIVATED, OrderStatus.INVALID, SeatStatus.APPROVED, changes=(deactivated,)),
    "enrolled": State(VALID, OrderStatus.VALID, SeatStatus.ACTIVE, True),
    "enrolled, on hold": State(VALID, OrderStatus.VALID, SeatStatus.SUSPENDED, True, changes=(suspended,)),
    "enrolled, revoked": State(AccountStatus.REVOKED, OrderStatus.VALID, SeatStatus.REVOKED, True, changes=(revoked,)),
    "enrolled, deactivated": State(
        AccountStatus.DEACTIVATED, OrderStatus.VALID, SeatStatus.ACTIVE, True, changes=(deactivated,)
    ),
    "renewing": State(VALID, READY, SeatStatus.ACTIVE, True, a_year, (ordered_again,)),
    "renewing, on hold": State(VALID, READY, SeatStatus.SUSPENDED, True, a_year, (ordered_again, suspended)),
    "lapsed": State(VALID, OrderStatus.VALID, SeatStatus.LAPSED, True, too_long),
}

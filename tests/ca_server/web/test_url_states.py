"""Every state of a one-time URL × a right and a wrong password: what binds, and what is told where nothing does."""

import dataclasses
from collections.abc import Awaitable, Callable

import pytest

from ca_server.domain.credentials import CredentialStatus
from ca_server.store import credentials
from protocol.credential import new_kid, new_password
from tests.ca_server.web.office import Invitation, Office
from tests.ca_server.web.scenes import SIBLING, Frugal, Stage, plain

UNAUTHORIZED = (403, "unauthorized")


async def locked(office: Office, pair: Invitation) -> None:
    for _ in range(2):
        await Frugal(office).bind(with_wrong_password(pair))


async def used(office: Office, pair: Invitation) -> None:
    holder = Frugal(office)
    (await holder.bind(pair)).must(201)
    await holder.enrol()


async def too_old(office: Office, _: Invitation) -> None:
    office.clock.pass_by(days=31)


async def replaced(office: Office, _: Invitation) -> None:
    await office.replace_credential(SIBLING)


async def bound(office: Office, pair: Invitation) -> None:
    (await Frugal(office).bind(pair)).must(201)


async def on_hold(office: Office, _: Invitation) -> None:
    await office.suspend(SIBLING)


async def untouched(_: Office, __: Invitation) -> None:
    """Leave it as it was mailed."""


def with_wrong_password(pair: Invitation) -> Invitation:
    return dataclasses.replace(pair, password=new_password())


URLS: dict[str, tuple[Callable[[Office, Invitation], Awaitable[None]], CredentialStatus, str | None]] = {
    "as mailed": (untouched, CredentialStatus.OPEN, None),
    "bound by another key": (bound, CredentialStatus.OPEN, None),
    "of a seat on hold": (on_hold, CredentialStatus.OPEN, "suspended"),
    "locked": (locked, CredentialStatus.LOCKED, "locked"),
    "used": (used, CredentialStatus.USED, "used"),
    "expired": (too_old, CredentialStatus.EXPIRED, "expired"),
    "replaced": (replaced, CredentialStatus.REPLACED, "replaced"),
}
"""What happened to a one-time URL, its status then, and why a right password is refused."""


def test_every_status_of_a_one_time_url_is_met() -> None:
    assert {status for _, status, _ in URLS.values()} == set(CredentialStatus)


@pytest.mark.parametrize("name", URLS)
async def test_a_one_time_url_binds_by_its_state_and_a_wrong_password_never(stage: Stage, name: str) -> None:
    office, (happened, status, refused) = stage.office, URLS[name]
    pair = office.invitation(SIBLING)
    await happened(office, pair)
    found = office.look(credentials.by_id, pair.credential_id)
    assert found is not None
    assert found[0].status_at(office.clock.now()) is status
    wrong = await Frugal(office).bind(with_wrong_password(pair))
    assert wrong.refusal == UNAUTHORIZED
    assert wrong.document["reason"] == ("wrongPassword" if status is CredentialStatus.OPEN else refused)
    right = await Frugal(office).bind(pair)
    assert (None if right.status == 201 else right.document["reason"]) == refused


async def test_an_unknown_url_is_told_one_text_whatever_is_sent_with_it(office: Office) -> None:
    known = office.invitation(SIBLING)
    told = set()
    for kid in (new_kid(), new_kid(), "nothing"):
        pair = Unknown(known.cn, kid, known.mac_key)
        told.add(str(plain(await Frugal(office).bind(pair))))
    assert len(told) == 1


@dataclasses.dataclass(frozen=True)
class Unknown:
    """A pair whose URL is none."""

    cn: str
    kid: str
    mac_key: bytes

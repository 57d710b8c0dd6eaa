"""Plans whose server is gone: whoever holds the schedule signs the same bytes, and gives up after three failures."""

import dataclasses

import pytest
from cryptography import x509

from ca_server.app import crl_entry
from ca_server.operations import issuance
from ca_server.store import certificates
from tests.ca_server.web.caller import Caller
from tests.ca_server.web.office import Office


class Gone(Exception):
    """The server is gone between plan and signature."""


async def gone(*_: object) -> None:
    raise Gone


async def left_behind(office: Office, holder: Caller, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have a plan committed and nothing signed; return the order's URL."""
    order = await holder.order()
    with monkeypatch.context() as patched:
        patched.setattr(issuance, "issue", gone)
        assert (await holder.finalize(order.document)).status == 500
    return order.location


def serial_of(office: Office) -> str:
    (certificate,) = office.look(certificates.of_seat, str(office.cn(1)))
    return certificate.serial


async def test_a_plan_is_left_alone_while_its_lease_lasts(
    office: Office, holder: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await left_behind(office, holder, monkeypatch)
    office.clock.pass_by(seconds=issuance.LEASE_SECONDS - 1)
    await office.wiring._finish_orphans(office.clock.now())
    assert (await holder.post(order)).document["status"] == "processing"


@pytest.mark.parametrize("is_alone", [True, False])
async def test_a_plan_of_another_server_is_an_orphan_at_once_for_who_is_alone_and_for_others_when_its_lease_is_over(
    office: Office, holder: Caller, monkeypatch: pytest.MonkeyPatch, is_alone: bool
) -> None:
    order = await left_behind(office, holder, monkeypatch)
    room = dataclasses.replace(office.wiring._room, server="another", alone=is_alone)
    for seconds, is_finished in ((0, is_alone), (issuance.LEASE_SECONDS, True)):
        office.clock.pass_by(seconds=seconds)
        await issuance.finish_orphans(office.database, room, crl_entry, office.clock.now())
        assert ((await holder.post(order)).document["status"] == "valid") is is_finished


async def test_a_plan_whose_lease_ran_out_becomes_the_certificate_that_was_planned(
    office: Office, holder: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await left_behind(office, holder, monkeypatch)
    planned = office.look(certificates.planned, serial_of(office))
    assert planned is not None
    office.clock.pass_by(seconds=issuance.LEASE_SECONDS)
    await office.wiring._finish_orphans(office.clock.now())
    shown = (await holder.post(order)).must(200).document
    assert shown["status"] == "valid"
    (leaf, *_) = await holder.download(shown["certificate"])
    assert isinstance(leaf, x509.Certificate)
    assert leaf.tbs_certificate_bytes == planned.tbs


async def test_a_plan_is_given_up_after_three_failures_and_its_url_works_again(
    office: Office, holder: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await left_behind(office, holder, monkeypatch)
    serial = serial_of(office)
    with monkeypatch.context() as patched:
        patched.setattr(issuance, "issue", gone)
        for _ in range(3):
            assert (await holder.post(order)).document["status"] == "processing"
            office.clock.pass_by(seconds=issuance.LEASE_SECONDS)
            await office.wiring._finish_orphans(office.clock.now())
    ended = (await holder.post(order)).document
    assert (ended["status"], ended["error"]["detail"]) == ("invalid", "The certificate could not be made; order again.")
    given_up = office.look(certificates.find, serial)
    assert given_up is not None
    assert given_up.status == "aborted"
    await office.publish()
    crl = x509.load_der_x509_crl((office.config.server.public_folder / "issuing-1.crl").read_bytes())
    assert crl.get_revoked_certificate_by_serial_number(int(serial, 16)) is not None
    assert await holder.enrol()

"""Renewal: its window (RFC 9773), who may order it and when, and what it leaves behind (protocol.md, Renewal)."""

import asyncio
from datetime import datetime, timedelta

import pytest
from cryptography import x509

from ca_server.authority.extensions import subject_key_identifier
from ca_server.clock import minute_in_tokyo, moment
from ca_server.domain.certificates import CertificateStatus
from ca_server.store import certificates
from keys.generate import generate
from protocol import renewal_info
from tests.ca_server.web.caller import Caller
from tests.ca_server.web.office import Office

CN = "F123456-001"
MALFORMED = (400, "malformed")
UNAUTHORIZED = (403, "unauthorized")
GONE = (401, "unauthorized")
NOT_FOUND = (404, "malformed")
ALREADY_REPLACED = (409, "alreadyReplaced")
OPENS, START, END = timedelta(days=45), timedelta(days=44), timedelta(days=33)
GRACE = timedelta(days=90)


def identifier(office: Office, serial: int) -> str:
    return renewal_info.certificate_id(subject_key_identifier(office.folder.issuing.public_key).digest, serial)


def url_of(office: Office, serial: int) -> str:
    return f"/acme/renewal-info/{identifier(office, serial)}"


def turn(office: Office, to: datetime) -> None:
    office.clock.set(int(to.timestamp()))


@pytest.fixture
async def leaf(office: Office, holder: Caller) -> x509.Certificate:
    """The certificate of F123456-001, whose renewal has just been opened; `holder` has it."""
    leaf = await holder.enrol()
    turn(office, leaf.not_valid_after_utc - OPENS)
    return leaf


# --- renewalInfo


async def test_the_window_is_told_to_everybody_and_asked_for_again_in_six_hours(
    office: Office, leaf: x509.Certificate
) -> None:
    reply = (await office.caller().send("GET", url_of(office, leaf.serial_number))).must(200)
    window = {name: datetime.fromisoformat(text) for name, text in reply.document["suggestedWindow"].items()}
    end = leaf.not_valid_after_utc
    assert window == {"start": end - START, "end": end - END}
    assert reply.headers["Retry-After"] == "21600"


async def test_the_window_is_read_by_post_too(office: Office, holder: Caller, leaf: x509.Certificate) -> None:
    got = await office.caller().send("GET", url_of(office, leaf.serial_number))
    assert (await holder.post(url_of(office, leaf.serial_number))).must(200).document == got.document


async def test_the_identifier_is_made_of_the_certificates_own_octets(office: Office, leaf: x509.Certificate) -> None:
    found = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert found is not None
    assert renewal_info.certificate_id(found, leaf.serial_number) == identifier(office, leaf.serial_number)


async def test_an_unknown_certificate_has_no_window(office: Office, leaf: x509.Certificate) -> None:
    assert (await office.caller().send("GET", url_of(office, 0x80 << 120))).refusal == NOT_FOUND


async def test_a_certificate_of_another_issuer_has_no_window(office: Office, leaf: x509.Certificate) -> None:
    foreign = renewal_info.certificate_id(b"another key identif.", leaf.serial_number)
    assert (await office.caller().send("GET", f"/acme/renewal-info/{foreign}")).refusal == NOT_FOUND


async def test_a_revoked_certificate_has_no_window(office: Office, holder: Caller, leaf: x509.Certificate) -> None:
    (await holder.revoke(leaf)).must(200)
    assert (await office.caller().send("GET", url_of(office, leaf.serial_number))).refusal == NOT_FOUND


async def test_the_window_is_told_until_the_grace_is_over(office: Office, leaf: x509.Certificate) -> None:
    turn(office, leaf.not_valid_after_utc + GRACE)
    (await office.caller().send("GET", url_of(office, leaf.serial_number))).must(200)
    office.clock.pass_by(seconds=1)
    assert (await office.caller().send("GET", url_of(office, leaf.serial_number))).refusal == NOT_FOUND


@pytest.mark.parametrize(
    "text", ["x", ".", "AAAA", "AAAA.", ".AAAA", "AAAA.AQ==", "AAAA.AAE", "AAAA.gA", "AAAA.AQ.AQ", "A.A"]
)
async def test_a_text_that_is_no_identifier_is_malformed(office: Office, holder: Caller, text: str) -> None:
    assert (await office.caller().send("GET", f"/acme/renewal-info/{text}")).refusal == MALFORMED
    assert (await holder.order(replaces=text)).refusal == MALFORMED


# --- when


async def test_a_renewal_that_comes_too_early_is_told_the_date(
    office: Office, holder: Caller, leaf: x509.Certificate
) -> None:
    office.clock.pass_by(seconds=-1)
    for replaces in (identifier(office, leaf.serial_number), None):
        reply = await holder.order(**({"replaces": replaces} if replaces else {}))
        assert reply.refusal == UNAUTHORIZED
        assert minute_in_tokyo(int((leaf.not_valid_after_utc - OPENS).timestamp()) + 59) in reply.detail
        assert "Retry-After" not in reply.headers


async def test_a_renewal_names_its_predecessor_and_the_order_reflects_it(
    office: Office, holder: Caller, leaf: x509.Certificate
) -> None:
    replaces = identifier(office, leaf.serial_number)
    order = (await holder.order(replaces=replaces)).must(201)
    assert order.document["replaces"] == replaces
    shown = (await holder.finalize(order.document)).must(200).document
    assert shown["replaces"] == replaces
    fresh = (await holder.download(shown["certificate"]))[0]
    assert fresh.subject == leaf.subject
    assert fresh.serial_number != leaf.serial_number
    assert fresh.not_valid_before_utc == moment(office.clock.now() - 3600)
    before = office.look(certificates.find, f"{leaf.serial_number:x}")
    assert before is not None
    assert (before.status, before.successor) == (CertificateStatus.ISSUED, f"{fresh.serial_number:x}")


async def test_a_renewal_without_replaces_finds_its_predecessor(
    office: Office, holder: Caller, leaf: x509.Certificate
) -> None:
    order = (await holder.order()).must(201).document
    assert "replaces" not in order
    (await holder.finalize(order)).must(200)
    before = office.look(certificates.find, f"{leaf.serial_number:x}")
    assert before is not None
    assert before.successor is not None


async def test_an_ended_certificate_is_renewed_within_the_grace(
    office: Office, holder: Caller, leaf: x509.Certificate
) -> None:
    turn(office, leaf.not_valid_after_utc + GRACE)
    (await holder.enrol(replaces=identifier(office, leaf.serial_number)))


@pytest.mark.parametrize("named", [True, False])
async def test_an_ended_certificate_is_not_renewed_after_the_grace(
    office: Office, holder: Caller, leaf: x509.Certificate, named: bool
) -> None:
    turn(office, leaf.not_valid_after_utc + GRACE + timedelta(seconds=1))
    reply = await holder.order(**({"replaces": identifier(office, leaf.serial_number)} if named else {}))
    assert reply.refusal == UNAUTHORIZED
    assert "DCM902" in reply.detail


async def test_an_order_made_within_the_grace_is_not_finalized_after_it(
    office: Office, holder: Caller, leaf: x509.Certificate
) -> None:
    turn(office, leaf.not_valid_after_utc + GRACE)
    order = (await holder.order()).must(201).document
    office.clock.pass_by(seconds=1)
    assert (await holder.finalize(order)).refusal == UNAUTHORIZED


# --- what may be replaced


async def test_a_certificate_is_replaced_once(office: Office, holder: Caller, leaf: x509.Certificate) -> None:
    replaces = identifier(office, leaf.serial_number)
    await holder.enrol(replaces=replaces)
    assert (await holder.order(replaces=replaces)).refusal == ALREADY_REPLACED
    assert (await holder.order()).refusal == UNAUTHORIZED  # the successor is young


async def test_two_renewals_at_once_make_one_successor(office: Office, holder: Caller, leaf: x509.Certificate) -> None:
    named = (await holder.order(replaces=identifier(office, leaf.serial_number))).must(201)
    inferred = (await holder.order()).must(201)
    assert named.location != inferred.location
    replies = await asyncio.gather(holder.finalize(named.document), holder.finalize(inferred.document))
    assert sorted(reply.status for reply in replies) == [200, 403]
    states = [(await holder.post(order.location)).document["status"] for order in (named, inferred)]
    assert sorted(states) == ["invalid", "valid"]
    assert len(office.look(certificates.of_seat, CN)) == 2


async def test_another_seats_certificate_cannot_be_replaced(
    office: Office, holder: Caller, leaf: x509.Certificate
) -> None:
    other = office.caller()
    office.clock.set(office.folder.made_at + 100)
    (await other.bind(office.invitation(2))).must(201)
    foreign = await other.enrol()
    turn(office, leaf.not_valid_after_utc - OPENS)
    assert (await holder.order(replaces=identifier(office, foreign.serial_number))).refusal == NOT_FOUND


async def test_what_was_never_issued_cannot_be_replaced(office: Office, holder: Caller, leaf: x509.Certificate) -> None:
    foreign = renewal_info.certificate_id(b"another key identif.", leaf.serial_number)
    for replaces in (identifier(office, 1), foreign):
        assert (await holder.order(replaces=replaces)).refusal == NOT_FOUND


async def test_a_seat_without_a_certificate_has_nothing_to_replace(office: Office, holder: Caller) -> None:
    assert (await holder.order(replaces=identifier(office, 1))).refusal == NOT_FOUND


async def test_a_revoked_certificate_cannot_be_replaced(office: Office, holder: Caller, leaf: x509.Certificate) -> None:
    fresh = await holder.enrol()
    (await holder.revoke(fresh)).must(200)
    assert (await holder.order(replaces=identifier(office, fresh.serial_number))).refusal == (400, "alreadyRevoked")


async def test_a_suspended_seat_is_not_renewed(office: Office, holder: Caller, leaf: x509.Certificate) -> None:
    await office.suspend()
    reply = await holder.order()
    assert reply.refusal == UNAUTHORIZED
    assert "suspended" in reply.detail
    await office.release()
    await holder.enrol()


# --- the mailed pair


async def test_a_mailed_pair_renews_with_another_key_and_ends_the_former_account(
    office: Office, holder: Caller, leaf: x509.Certificate
) -> None:
    renewer = office.caller()
    (await renewer.bind(await office.renewal_invitation())).must(201)
    (await holder.post(holder.account or "")).must(200)
    fresh = await renewer.enrol()
    assert fresh.subject == leaf.subject
    assert (await holder.post(holder.account or "")).refusal == GONE
    assert (await office.caller(key=holder.key).new_account(onlyReturnExisting=True)).refusal == GONE
    before = office.look(certificates.find, f"{leaf.serial_number:x}")
    assert before is not None
    assert before.status is CertificateStatus.ISSUED


async def test_the_agents_renewal_voids_the_mailed_pair(office: Office, holder: Caller, leaf: x509.Certificate) -> None:
    pair = await office.renewal_invitation()
    renewer = office.caller()
    (await renewer.bind(pair)).must(201)
    await holder.enrol(replaces=identifier(office, leaf.serial_number))
    assert (await renewer.order()).refusal == GONE
    assert (await office.caller().bind(pair)).document["reason"] == "replaced"
    (await holder.post(holder.account or "")).must(200)


async def test_a_mailed_pair_serves_once(office: Office, holder: Caller, leaf: x509.Certificate) -> None:
    pair = await office.renewal_invitation()
    renewer = office.caller()
    (await renewer.bind(pair)).must(201)
    await renewer.enrol()
    assert (await renewer.order()).refusal == UNAUTHORIZED
    assert (await office.caller().bind(pair)).document["reason"] == "used"


async def test_the_same_pc_may_keep_its_certificates_key(office: Office, holder: Caller) -> None:
    key = generate("P-256")
    leaf = await holder.enrol(key)
    turn(office, leaf.not_valid_after_utc - OPENS)
    assert (await holder.enrol(key)).public_key() == leaf.public_key()

"""Revocation over ACME (RFC 8555 §7.6; protocol.md, Revocation)."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ca_server.clock import moment
from ca_server.domain.seats import SeatStatus
from ca_server.store import certificates, revocations, seats
from keys.generate import generate
from protocol import jws
from tests.ca_server.web.caller import Caller, Reply
from tests.ca_server.web.office import Office

CN = "F123456-001"
MALFORMED = (400, "malformed")
GONE = (401, "unauthorized")
NOT_FOUND = (404, "malformed")
ALREADY_REVOKED = (400, "alreadyRevoked")


def status(office: Office, certificate: x509.Certificate) -> tuple[str, int | None]:
    """Return what is on record: status and reason."""
    found = office.look(certificates.state, "issuing-1", f"{certificate.serial_number:x}")
    assert found is not None
    return found[0], found[2]


def seat_status(office: Office) -> SeatStatus:
    return office.look(seats.get, office.cn(1)).status


async def renewed(office: Office, caller: Caller) -> tuple[x509.Certificate, x509.Certificate]:
    """Return a certificate and its successor, both of them good."""
    first = await caller.enrol()
    office.clock.pass_by(days=351)
    return first, await caller.enrol()


async def test_an_account_revokes_its_certificate(office: Office, holder: Caller) -> None:
    leaf = await holder.enrol()
    reply = (await holder.revoke(leaf)).must(200)
    assert reply.body == b""
    assert status(office, leaf) == ("revoked", 0)


async def test_a_revocation_is_on_the_next_crl(office: Office, holder: Caller) -> None:
    leaf = await holder.enrol()
    (await holder.revoke(leaf, reason=5)).must(200)
    (decision,) = office.look(revocations.unpublished)
    assert (decision.cn, decision.serials) == (CN, f"{leaf.serial_number:x}")
    await office.publish()
    assert office.look(revocations.unpublished) == []
    crl = x509.load_der_x509_crl((office.config.server.public_folder / "issuing-1.crl").read_bytes())
    entry = crl.get_revoked_certificate_by_serial_number(leaf.serial_number)
    assert entry is not None
    assert entry.revocation_date_utc == moment(office.clock.now())
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value == "cessationOfOperation"


async def test_the_certificates_own_key_revokes_it(office: Office, holder: Caller) -> None:
    key = generate("P-256")
    leaf = await holder.enrol(key)
    (await office.caller().revoke(leaf, key=key, by="jwk")).must(200)
    assert status(office, leaf) == ("revoked", 0)


async def test_the_certificates_key_revokes_it_after_its_account_ended(office: Office, holder: Caller) -> None:
    key = generate("RSA-2048")
    leaf = await holder.enrol(key)
    (await holder.post(holder.account or "", {"status": "deactivated"})).must(200)
    assert (await holder.revoke(leaf)).refusal == GONE
    (await office.caller().revoke(leaf, key=key, by="jwk")).must(200)


async def test_another_account_of_the_seat_revokes_it(office: Office, holder: Caller) -> None:
    first, _ = await renewed(office, holder)
    renewer = office.caller()
    (await renewer.bind(await office.renewal_invitation())).must(201)
    (await renewer.revoke(first)).must(200)
    assert status(office, first)[0] == "revoked"


async def test_strangers_cannot_tell_a_certificate_from_none(office: Office, holder: Caller) -> None:
    leaf = await holder.enrol()
    other = office.caller()
    (await other.bind(office.invitation(2))).must(201)
    replies: list[Reply] = [
        await other.revoke(leaf),
        await office.caller().revoke(leaf, by="jwk"),
        await office.caller().revoke(leaf, key=holder.key, by="jwk"),
        await other.revoke(office.folder.issuing.certificate),
        await other.revoke(office.folder.ocsp.certificate),
    ]
    assert [reply.refusal for reply in replies] == [NOT_FOUND] * 5
    assert status(office, leaf)[0] == "issued"


async def test_a_certificate_that_is_altered_is_the_one_of_its_serial(office: Office, holder: Caller) -> None:
    """Its signature is not looked at: issuer and serial name it, and the right to revoke comes from the records."""
    leaf = await holder.enrol()
    der = leaf.public_bytes(Encoding.DER)
    (await holder.post("/acme/revoke-cert", {"certificate": jws.encode(der[:-1] + bytes([der[-1] ^ 1]))})).must(200)
    assert status(office, leaf)[0] == "revoked"


async def test_another_issuers_certificate_of_the_same_serial_is_not_ours(office: Office, holder: Caller) -> None:
    leaf = await holder.enrol()
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "other")])
    start, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    foreign = x509.CertificateBuilder(name, leaf.subject, leaf.public_key(), leaf.serial_number, start, end)
    assert (await holder.revoke(foreign.sign(key, SHA256()))).refusal == NOT_FOUND
    assert status(office, leaf)[0] == "issued"


@pytest.mark.parametrize("certificate", [None, 1, "", "AAAA", "=", "-----BEGIN CERTIFICATE-----"])
async def test_what_is_no_certificate_is_malformed(holder: Caller, certificate: object) -> None:
    assert (await holder.post("/acme/revoke-cert", {"certificate": certificate})).refusal == MALFORMED


@pytest.mark.parametrize("reason", [0, 1, 3, 4, 5])
async def test_a_holders_reason_is_recorded(office: Office, holder: Caller, reason: int) -> None:
    leaf = await holder.enrol()
    (await holder.revoke(leaf, reason=reason)).must(200)
    assert status(office, leaf) == ("revoked", reason)


@pytest.mark.parametrize("reason", [2, 6, 7, 8, 9, 10, 11, -1, 2**40])
async def test_an_authoritys_reason_is_refused_and_the_others_are_told(
    office: Office, holder: Caller, reason: int
) -> None:
    leaf = await holder.enrol()
    reply = await holder.revoke(leaf, reason=reason)
    assert reply.refusal == (400, "badRevocationReason")
    assert "0, 1, 3, 4, 5" in reply.detail
    assert status(office, leaf)[0] == "issued"


@pytest.mark.parametrize("reason", ["1", True, 1.5, [1]])
async def test_a_reason_that_is_no_number_is_malformed(holder: Caller, reason: object) -> None:
    leaf = await holder.enrol()
    payload = {"certificate": jws.encode(leaf.public_bytes(Encoding.DER)), "reason": reason}
    assert (await holder.post("/acme/revoke-cert", payload)).refusal == MALFORMED


async def test_a_certificate_is_revoked_once(office: Office, holder: Caller) -> None:
    first, second = await renewed(office, holder)
    (await holder.revoke(first)).must(200)
    assert (await holder.revoke(first)).refusal == ALREADY_REVOKED
    assert (await holder.revoke(first, reason=4)).refusal == ALREADY_REVOKED
    assert status(office, first) == ("revoked", 0)
    assert status(office, second)[0] == "issued"


async def test_a_compromise_is_taken_in_after_the_certificates_revocation_as_well(
    office: Office, holder: Caller
) -> None:
    first, second = await renewed(office, holder)
    (await holder.revoke(first, reason=4)).must(200)
    (await holder.revoke(first, reason=1)).must(200)
    assert status(office, second)[0] == "revoked"
    assert office.look(certificates.key_blocked, certificates_key(office, first))


async def test_a_compromise_told_after_everything_was_revoked_still_blocks_the_key(
    office: Office, holder: Caller
) -> None:
    key = generate("P-256")
    leaf = await holder.enrol(key)
    (await holder.revoke(leaf)).must(200)
    stranger = office.caller(key=key)
    assert (await stranger.revoke(leaf, reason=1, by="jwk")).refusal == ALREADY_REVOKED
    assert office.look(certificates.key_blocked, certificates_key(office, leaf))


def certificates_key(office: Office, certificate: x509.Certificate) -> str:
    found = office.look(certificates.key_of, f"{certificate.serial_number:x}")
    assert found is not None
    return found


async def test_a_sibling_lives_on(office: Office, holder: Caller) -> None:
    first, second = await renewed(office, holder)
    (await holder.revoke(first)).must(200)
    assert status(office, second)[0] == "issued"
    assert seat_status(office) is SeatStatus.ACTIVE
    (await holder.post(holder.account or "")).must(200)


async def test_the_last_valid_certificate_takes_the_seat_with_it(office: Office, holder: Caller) -> None:
    first, second = await renewed(office, holder)
    office.clock.pass_by(days=45)  # the first has ended
    (await holder.revoke(second)).must(200)
    assert seat_status(office) is SeatStatus.REVOKED
    assert status(office, first)[0] == "issued"
    assert (await holder.post(holder.account or "")).refusal == GONE


async def test_a_compromised_key_takes_every_certificate_of_the_seat_with_it(office: Office, holder: Caller) -> None:
    first, second = await renewed(office, holder)
    pair = await office.renewal_invitation()
    (await holder.revoke(first, reason=1)).must(200)
    assert [status(office, each) for each in (first, second)] == [("revoked", 1)] * 2
    assert seat_status(office) is SeatStatus.REVOKED
    assert (await holder.post(holder.account or "")).refusal == GONE
    assert (await office.caller().bind(pair)).document["reason"] == "replaced"
    assert all(office.look(certificates.key_blocked, certificates_key(office, each)) for each in (first, second))


async def test_another_reason_blocks_no_key(office: Office, holder: Caller) -> None:
    leaf = await holder.enrol()
    (await holder.revoke(leaf, reason=4)).must(200)
    assert not office.look(certificates.key_blocked, certificates_key(office, leaf))


async def test_an_ended_certificate_has_nothing_left_to_revoke(office: Office, holder: Caller) -> None:
    leaf = await holder.enrol()
    office.clock.pass_by(days=396)
    assert (await holder.revoke(leaf)).refusal == (403, "unauthorized")
    assert status(office, leaf)[0] == "issued"


async def test_a_revoked_certificate_can_still_be_downloaded_by_its_valid_account(
    office: Office, holder: Caller
) -> None:
    first, _ = await renewed(office, holder)
    (await holder.revoke(first)).must(200)
    assert (await holder.download(f"/acme/certificate/{first.serial_number:x}"))[0] == first

"""The issuer signs what was planned, and nothing else."""

import asyncio
import dataclasses
import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ca_server.authority.issuer import Issuer, LookUp, PlannedCertificate, WillNotSign
from ca_server.authority.profile import to_be_signed
from ca_server.authority.signer import Signer
from keys.errors import BadSignature, UnsupportedKey
from protocol.names import CommonName


def plan_of(house, **changes: object) -> PlannedCertificate:
    tbs, expected = house.planned(**changes)
    return PlannedCertificate(
        serial=f"{expected.facts.serial:x}",
        issuer="issuing",
        common_name=expected.facts.common_name,
        tbs=tbs,
        tbs_sha256=hashlib.sha256(tbs).hexdigest(),
    )


def issuer_of(house, *plans: PlannedCertificate) -> Issuer:
    by_serial = {plan.serial: plan for plan in plans}

    async def look_up(serial: str) -> PlannedCertificate | None:
        return by_serial.get(serial)

    return Issuer("issuing", house.issuing, look_up)


def always(plan: PlannedCertificate) -> LookUp:
    """A look-up that finds this plan, whatever is asked for."""

    async def look_up(_: str) -> PlannedCertificate:
        return plan

    return look_up


def sign(issuer: Issuer, serial: str) -> bytes:
    return asyncio.run(issuer.sign(serial))


def test_a_plan_becomes_a_certificate_of_exactly_its_bytes(each_house) -> None:
    plan = plan_of(each_house)

    certificate = x509.load_der_x509_certificate(sign(issuer_of(each_house, plan), plan.serial))

    assert certificate.tbs_certificate_bytes == plan.tbs
    certificate.verify_directly_issued_by(each_house.issuing.certificate)


def test_a_serial_number_without_a_plan_is_not_signed(the_house) -> None:
    with pytest.raises(WillNotSign, match="planned"):
        sign(issuer_of(the_house), "a7")


def swapped(house, plan: PlannedCertificate) -> PlannedCertificate:
    """The plan under its own serial with the bytes of another, hash and all."""
    other = plan_of(house, serial=2**100 + 1)
    return dataclasses.replace(plan, tbs=other.tbs, tbs_sha256=other.tbs_sha256)


ALTERED = [
    ("one bit of the bytes", lambda _, plan: dataclasses.replace(plan, tbs=plan.tbs[:-1] + b"\0"), "altered"),
    ("the hash", lambda _, plan: dataclasses.replace(plan, tbs_sha256="0" * 64), "altered"),
    ("bytes of another serial number", swapped, "another serial number"),
    ("another issuer", lambda _, plan: dataclasses.replace(plan, issuer="issuing-2"), "is not"),
    ("another CN", lambda _, plan: dataclasses.replace(plan, common_name=CommonName.parse("F123456-002")), "not for"),
]


@pytest.mark.parametrize(("alter", "words"), [pytest.param(*row[1:], id=row[0]) for row in ALTERED])
def test_an_altered_plan_is_not_signed(the_house, alter, words) -> None:
    plan = plan_of(the_house)
    issuer = Issuer("issuing", the_house.issuing, always(alter(the_house, plan)))

    with pytest.raises(WillNotSign, match=words):
        sign(issuer, plan.serial)


def with_a_ca_bit(house) -> bytes:
    """What whoever writes the records would like to have signed: a certificate that may issue others."""
    facts = house.facts()
    plain = x509.load_der_x509_certificate(
        house.issuing.sign(to_be_signed(house.profile, house.issuing.certificate, facts))
    )
    builder = x509.CertificateBuilder(
        plain.issuer,
        plain.subject,
        plain.public_key(),
        plain.serial_number,
        plain.not_valid_before_utc.replace(tzinfo=None),
        plain.not_valid_after_utc.replace(tzinfo=None),
        [*plain.extensions, x509.Extension(x509.OID_BASIC_CONSTRAINTS, True, x509.BasicConstraints(True, None))],
    )
    return builder.sign(house.issuing.private_key, plain.signature_hash_algorithm).tbs_certificate_bytes


@pytest.mark.parametrize("changes", [{}, {"dns_name": "f123456-001.pc.example"}, {"key_kind": "RSA-2048"}])
def test_an_issuer_that_keeps_to_a_profile_signs_what_is_of_it(the_house, changes) -> None:
    plan = plan_of(the_house, **changes)
    issuer = Issuer("issuing", the_house.issuing, always(plan), profile=the_house.profile)

    assert x509.load_der_x509_certificate(sign(issuer, plan.serial)).tbs_certificate_bytes == plan.tbs


@pytest.mark.parametrize(
    ("made", "words"),
    [
        pytest.param(with_a_ca_bit, "not in the profile", id="a CA bit"),
        pytest.param(
            lambda house: house.planned(not_before=house.now - 400 * 86400)[0], "validity begins", id="backdated"
        ),
        pytest.param(
            lambda house: house.planned()[0].replace(b"\x06\x03\x55\x1d\x25", b"\x06\x03\x55\x1d\x26"),
            "profile",
            id="another extension",
        ),
    ],
)
def test_an_issuer_that_keeps_to_a_profile_signs_nothing_else(the_house, made, words) -> None:
    tbs = made(the_house)
    plan = dataclasses.replace(plan_of(the_house), tbs=tbs, tbs_sha256=hashlib.sha256(tbs).hexdigest())
    issuer = Issuer("issuing", the_house.issuing, always(plan), profile=the_house.profile)

    with pytest.raises(WillNotSign, match=words):
        sign(issuer, plan.serial)


def test_a_plan_of_a_former_issuer_that_was_left_behind_is_signed_by_the_former_issuer(the_house) -> None:
    plan = dataclasses.replace(plan_of(the_house), issuer="issuing-1")
    issuer = Issuer("issuing-2", the_house.root, always(plan), {"issuing-1": the_house.issuing})

    certificate = x509.load_der_x509_certificate(sign(issuer, plan.serial))

    assert certificate.tbs_certificate_bytes == plan.tbs
    certificate.verify_directly_issued_by(the_house.issuing.certificate)


def test_a_plan_under_the_name_of_another_issuer_of_ours_is_not_signed(the_house) -> None:
    plan = dataclasses.replace(plan_of(the_house), issuer="issuing-2")
    issuer = Issuer("issuing-2", the_house.root, always(plan), {"issuing-1": the_house.issuing})

    with pytest.raises(WillNotSign, match="another serial number, algorithm or issuer"):
        sign(issuer, plan.serial)


def test_a_plan_found_under_another_serial_number_is_not_signed(the_house) -> None:
    plan = plan_of(the_house)
    issuer = Issuer("issuing", the_house.issuing, always(plan))

    with pytest.raises(WillNotSign, match="is not a7"):
        sign(issuer, "a7")


def test_bytes_made_for_another_ca_are_not_signed(the_house, each_house) -> None:
    plan = plan_of(the_house)
    other = Signer(the_house.root.certificate, the_house.root.private_key)

    with pytest.raises(WillNotSign, match="issuer"):
        sign(Issuer("issuing", other, always(plan)), plan.serial)


def test_a_wrong_signature_is_not_let_out(the_house) -> None:
    plan = plan_of(the_house)
    faulty = Signer(the_house.issuing.certificate, the_house.issuing.private_key)
    object.__setattr__(faulty, "signature", lambda _: the_house.issuing.signature(b"something else"))

    with pytest.raises(BadSignature):
        sign(Issuer("issuing", faulty, always(plan)), plan.serial)


def test_a_key_that_is_not_the_certificates_is_refused_at_once(the_house) -> None:
    with pytest.raises(UnsupportedKey, match="does not belong"):
        Signer(the_house.issuing.certificate, ec.generate_private_key(ec.SECP256R1()))


def test_threads_sign_side_by_side(the_house) -> None:
    plans = [plan_of(the_house, serial=2**100 + number) for number in range(64)]
    issuer = issuer_of(the_house, *plans)

    with ThreadPoolExecutor(4) as threads:
        signed = list(threads.map(lambda plan: sign(issuer, plan.serial), plans))

    for plan, encoded in zip(plans, signed, strict=True):
        certificate = x509.load_der_x509_certificate(encoded)
        assert certificate.serial_number == int(plan.serial, 16)
        certificate.verify_directly_issued_by(the_house.issuing.certificate)

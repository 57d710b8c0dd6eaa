"""The issuer signs what was planned, and nothing else."""

import dataclasses
import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ca_server.authority.issuer import Issuer, PlannedCertificate, WillNotSign
from ca_server.authority.signer import Signer
from ca_server.authority.stand_in import StandInEllipticCurveKey
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
    return Issuer("issuing", house.issuing, {plan.serial: plan for plan in plans}.get)


def test_a_plan_becomes_a_certificate_of_exactly_its_bytes(each_house) -> None:
    plan = plan_of(each_house)

    certificate = x509.load_der_x509_certificate(issuer_of(each_house, plan).sign(plan.serial))

    assert certificate.tbs_certificate_bytes == plan.tbs
    certificate.verify_directly_issued_by(each_house.issuing.certificate)


def test_a_serial_number_without_a_plan_is_not_signed(the_house) -> None:
    with pytest.raises(WillNotSign, match="planned"):
        issuer_of(the_house).sign("a7")


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
    issuer = Issuer("issuing", the_house.issuing, lambda _: alter(the_house, plan))

    with pytest.raises(WillNotSign, match=words):
        issuer.sign(plan.serial)


def test_a_plan_of_a_former_issuer_that_was_left_behind_is_signed_by_the_former_issuer(the_house) -> None:
    plan = dataclasses.replace(plan_of(the_house), issuer="issuing-1")
    issuer = Issuer("issuing-2", the_house.root, lambda _: plan, {"issuing-1": the_house.issuing})

    certificate = x509.load_der_x509_certificate(issuer.sign(plan.serial))

    assert certificate.tbs_certificate_bytes == plan.tbs
    certificate.verify_directly_issued_by(the_house.issuing.certificate)


def test_a_plan_under_the_name_of_another_issuer_of_ours_is_not_signed(the_house) -> None:
    plan = dataclasses.replace(plan_of(the_house), issuer="issuing-2")
    issuer = Issuer("issuing-2", the_house.root, lambda _: plan, {"issuing-1": the_house.issuing})

    with pytest.raises(WillNotSign, match="another serial number, algorithm or issuer"):
        issuer.sign(plan.serial)


def test_a_plan_found_under_another_serial_number_is_not_signed(the_house) -> None:
    plan = plan_of(the_house)
    issuer = Issuer("issuing", the_house.issuing, lambda _: plan)

    with pytest.raises(WillNotSign, match="is not a7"):
        issuer.sign("a7")


def test_bytes_made_for_another_ca_are_not_signed(the_house, each_house) -> None:
    plan = plan_of(the_house)
    other = Signer(the_house.root.certificate, the_house.root.private_key)

    with pytest.raises(WillNotSign, match="issuer"):
        Issuer("issuing", other, lambda _: plan).sign(plan.serial)


def test_a_wrong_signature_is_not_let_out(the_house) -> None:
    plan = plan_of(the_house)
    faulty = Signer(the_house.issuing.certificate, StandInEllipticCurveKey(the_house.issuing.public_key))

    with pytest.raises(BadSignature):
        Issuer("issuing", faulty, lambda _: plan).sign(plan.serial)


def test_a_key_that_is_not_the_certificates_is_refused_at_once(the_house) -> None:
    with pytest.raises(UnsupportedKey, match="does not belong"):
        Signer(the_house.issuing.certificate, ec.generate_private_key(ec.SECP256R1()))


def test_threads_sign_side_by_side(the_house) -> None:
    plans = [plan_of(the_house, serial=2**100 + number) for number in range(64)]
    issuer = issuer_of(the_house, *plans)

    with ThreadPoolExecutor(4) as threads:
        signed = list(threads.map(lambda plan: issuer.sign(plan.serial), plans))

    for plan, encoded in zip(plans, signed, strict=True):
        certificate = x509.load_der_x509_certificate(encoded)
        assert certificate.serial_number == int(plan.serial, 16)
        certificate.verify_directly_issued_by(the_house.issuing.certificate)

"""What is asked: nonces, numbers of certificates, issuers, serials that nobody issued, and octets of any kind."""

import random

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp as library
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponseStatus

from ca_server.authority import der, ocsp
from ca_server.responder.answers import Answer
from protocol.vocabulary import RevocationReason
from tests.ca_server.responder.stand import HASHES, Stand, foreign, question, the_house
from tests.drills import mutations

GOOD, REVOKED, UNKNOWN = OCSPCertStatus.GOOD, OCSPCertStatus.REVOKED, OCSPCertStatus.UNKNOWN
MALFORMED = OCSPResponseStatus.MALFORMED_REQUEST
NONCE = bytes(range(16))
_REVOKED_AT = 1_790_000_000


@pytest.fixture(params=["ready", "from the records"])
def known(request: pytest.FixtureRequest, stand: Stand) -> Stand:
    """A certificate with the serial number 5, and one revoked with 6."""
    stand.register.set(5)
    stand.register.set(6, RevocationReason.keyCompromise, at=_REVOKED_AT)
    if request.param == "ready":
        stand.keeper.follow()
    return stand


@pytest.mark.parametrize(
    ("length", "comes_back"), [(1, False), (15, False), (16, True), (32, True), (33, False), (128, False)]
)
@pytest.mark.parametrize("algorithm", HASHES)
def test_a_nonce_comes_back_or_is_passed_over(known: Stand, algorithm: str, length: int, comes_back: bool) -> None:
    nonce = bytes(number % 256 for number in range(length))
    for serial, word in ((5, GOOD), (6, REVOKED), (7, UNKNOWN)):
        response = known.ask(serial, algorithm, nonce)
        assert response.certificate_status is word
        assert [each.value.nonce for each in response.extensions] == ([nonce] if comes_back else [])


@pytest.mark.parametrize("length", [0, 129, 1000, 5000])
def test_a_nonce_of_no_octets_or_too_many_is_malformed(known: Stand, length: int) -> None:
    assert known.ask(5, nonce=bytes(length)).response_status is MALFORMED


@pytest.mark.parametrize("count", [0, 2, 100, 1000])
def test_another_number_of_certificates_than_one_is_malformed(known: Stand, count: int) -> None:
    one = question(5)
    tbs = der.contents(one, der.SEQUENCE)
    asked = der.contents(der.contents(tbs, der.SEQUENCE), der.SEQUENCE)
    assert der.sequence(der.sequence(der.sequence(asked))) == one
    several = der.sequence(der.sequence(der.sequence(asked * count)))
    assert known.answers.answer(several) == Answer(ocsp.error(ocsp.ErrorCode.MALFORMED_REQUEST))


@pytest.mark.parametrize("algorithm", HASHES)
def test_another_issuer_is_not_ours_to_speak_for(known: Stand, algorithm: str) -> None:
    encoded = question(5, algorithm, issuer=foreign().certificate)
    assert known.answers.answer(encoded) == Answer(ocsp.error(ocsp.ErrorCode.UNAUTHORIZED))


def test_one_issuers_name_with_anothers_key_is_not_ours_to_speak_for(known: Stand) -> None:
    ours, root = (ocsp.issuer_hashes(each.certificate)[0] for each in (the_house().issuing, the_house().root))
    for mine, other in ((ours.key_hash, root.key_hash), (ours.name_hash, root.name_hash)):
        mixed = question(5).replace(mine, other)
        assert mixed != question(5)
        assert known.answers.answer(mixed) == Answer(ocsp.error(ocsp.ErrorCode.UNAUTHORIZED))


def test_parameters_of_the_hash_may_be_absent(known: Stand) -> None:
    issuer = ocsp.issuer_hashes(the_house().issuing.certificate)[0]
    hashed = [der.element(der.OCTET_STRING, each) for each in (issuer.name_hash, issuer.key_hash)]
    identifier = der.sequence(der.sequence(der.object_identifier("1.3.14.3.2.26")), *hashed, der.integer(6))
    encoded = der.sequence(der.sequence(der.sequence(der.sequence(identifier))))
    assert library.load_der_ocsp_response(known.answers.answer(encoded).der).certificate_status is REVOKED


@pytest.mark.parametrize("situation", ["kept and current", "kept and not current", "not kept"])
def test_of_ten_thousand_serials_that_nobody_issued_none_is_good(stand: Stand, situation: str) -> None:
    chance = random.Random(10)
    issued = {chance.getrandbits(chance.randint(8, 159)) | 1 for _ in range(200)}
    for serial in issued:
        stand.register.set(serial)
    if situation != "not kept":
        stand.keeper.follow()
    if situation == "kept and not current":
        stand.beat(5)
    for number in range(10_000):
        if situation == "kept and current" and number % 1000 == 0:
            stand.beat()
        near = chance.choice(list(issued)[:20]) ^ 1 << chance.randrange(160) if number % 4 == 0 else None
        serial = near if near is not None else chance.getrandbits(chance.randint(0, 168))
        if serial in issued:
            continue
        answer = stand.answers.answer(question(serial, chance.choice(list(HASHES))))
        response = library.load_der_ocsp_response(answer.der)
        assert (response.certificate_status, response.serial_number) == (UNKNOWN, serial)
        assert answer.next_update == 0
    assert stand.ask(min(issued)).certificate_status is GOOD


def test_a_request_known_by_comparing_is_answered_as_one_that_was_parsed(known: Stand) -> None:
    """Whatever is done to a request: the answer is about what the strict parser reads in it, or refuses."""
    ours = ocsp.issuer_hashes(the_house().issuing.certificate)
    kinds = dict.fromkeys(("malformed", "unauthorized", "answered"), 0)
    for number in range(6000):
        chance = random.Random(f"recognise/{number}")
        serial = chance.choice((5, 6, chance.getrandbits(chance.randint(0, 160))))
        encoded = question(serial, chance.choice(list(HASHES)), chance.choice((None, None, None, NONCE)))
        encoded = chance.choice((mutations.der, mutations.octets, _serial_edited))(chance, encoded)
        response = library.load_der_ocsp_response(known.answers.answer(encoded).der)
        try:
            query = ocsp.parse_request(encoded)
        except ocsp.MalformedRequest:
            assert response.response_status is MALFORMED, encoded.hex()
            kinds["malformed"] += 1
            continue
        if query.issuer not in ours:
            assert response.response_status is OCSPResponseStatus.UNAUTHORIZED
            kinds["unauthorized"] += 1
            continue
        assert response.response_status is OCSPResponseStatus.SUCCESSFUL
        assert response.serial_number == query.serial
        assert response.certificate_status is {5: GOOD, 6: REVOKED}.get(query.serial, UNKNOWN)
        assert [each.value.nonce for each in response.extensions] == ([query.nonce] if query.nonce else [])
        kinds["answered"] += 1
    assert min(kinds.values()) > 50, kinds


def _serial_edited(chance: random.Random, encoded: bytes) -> bytes:
    """Change the octets of the serial number alone: signs, leading zeros, lengths that do not fit."""
    length = chance.randint(1, 22)
    changed = bytearray(encoded)
    changed[-length:] = bytes((chance.choice((0, 0, 1, 0x7F, 0x80, 0xFF)),)) + chance.randbytes(length - 1)
    return bytes(changed)


def test_every_octet_string_gets_an_answer(known: Stand) -> None:
    for number in range(3000):
        chance = random.Random(f"octets/{number}")
        encoded = chance.randbytes(chance.randint(0, 200))
        response = library.load_der_ocsp_response(known.answers.answer(encoded).der)
        assert response.response_status is MALFORMED
        assert known.answers.answer(encoded).der == response.public_bytes(Encoding.DER)


def test_the_certificate_of_the_issuer_itself_is_no_certificate_that_it_issued(known: Stand) -> None:
    assert known.ask(the_house().issuing.certificate.serial_number).certificate_status is UNKNOWN

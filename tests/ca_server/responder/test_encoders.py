"""Answers joined from their parts are, octet for octet, what the library's builder makes of the same facts."""

import datetime
import functools
import random
import tracemalloc

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp as library

from ca_server.authority import der, hierarchy, ocsp
from ca_server.authority.ocsp import AnswerForm, OcspStatus
from ca_server.authority.signer import Signer
from ca_server.clock import HOUR, moment
from keys.algorithms import verify
from keys.generate import generate
from protocol.vocabulary import RevocationReason
from tests.ca_server.responder import asking
from tests.ca_server.responder.differential import always_the_same
from tests.ca_server.responder.stand import HASHES, named, question, the_house
from tests.ca_server.web.office import TurnedClock

_EVERY = [ocsp.GOOD, ocsp.UNKNOWN, *(ocsp.revoked(0, reason) for reason in RevocationReason)]
_FLAGS = {each.name: each for each in x509.ReasonFlags}
_2050 = int(datetime.datetime(2050, 1, 1, tzinfo=datetime.UTC).timestamp())


@functools.cache
def signer(kind: str) -> Signer:
    at = the_house()
    return hierarchy.make_ocsp_signer(at.hierarchy_profile, at.issuing, generate(kind), at.now)


@functools.cache
def form(kind: str, algorithm: str) -> AnswerForm:
    """One form for all, as in the product: what it remembers of one answer must be right for the next."""
    hashed = {each.hash_name: each for each in ocsp.issuer_hashes(the_house().issuing.certificate)}
    return AnswerForm(signer(kind), hashed[algorithm])


def built(
    kind: str, algorithm: str, serial: int, status: OcspStatus, times: tuple[int, int], nonce: bytes | None
) -> library.OCSPResponse:
    """Return what the library's builder makes, its producedAt being now."""
    reason = status.reason
    builder = (
        library.OCSPResponseBuilder()
        .add_response_by_hash(
            *named(the_house().issuing.certificate, algorithm),
            serial,
            HASHES[algorithm],
            status.word,
            moment(times[0]),
            moment(times[1]),
            None if status.revoked_at is None else moment(status.revoked_at),
            None if reason is None or reason is RevocationReason.unspecified else _FLAGS[_flag(reason)],
        )
        .responder_id(library.OCSPResponderEncoding.HASH, signer(kind).certificate)
        .certificates([signer(kind).certificate])
    )
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.sign(signer(kind).private_key, signer(kind).hash)


def _flag(reason: RevocationReason) -> str:
    return {each.value: name for name, each in _FLAGS.items()}[reason.name].replace("-", "_")


def at_that_moment(built_bytes: bytes, produced: int) -> bytes:
    """Return ResponseData of the builder with another producedAt: the one thing that it lets nobody say."""
    responder, produced_at, *rest = der.split(der.contents(built_bytes, der.SEQUENCE))
    text = moment(produced).strftime("%Y%m%d%H%M%SZ").encode("ascii")
    ours = der.element(der.GENERALIZED_TIME, text)
    assert len(ours) == len(produced_at)
    return der.sequence(responder, ours, *rest)


def facts(chance: random.Random) -> tuple[str, int, OcspStatus, tuple[int, int], bytes | None]:
    """Return random facts: serials of 1 to 20 octets, with and without a sign octet, and times around 2050."""
    octets = chance.randint(1, 20)
    serial = int.from_bytes(bytes((chance.choice((1, 0x7F, 0x80, 0xFF)),)) + chance.randbytes(octets - 1))
    begins = chance.choice((chance.randint(1, 2**32), _2050 + chance.randint(-2, 2), chance.randint(1, 2**34)))
    status = chance.choice(_EVERY)
    if status.reason is not None:
        status = ocsp.revoked(chance.choice((chance.randint(1, 2**32), _2050 - chance.randint(-2, 2))), status.reason)
    nonce = chance.choice((None, chance.randbytes(chance.randint(16, 32))))
    return chance.choice(list(HASHES)), serial, status, (begins, begins + chance.randint(1, 2**20)), nonce


@pytest.mark.parametrize(("kind", "count"), [("P-256", 10_000), ("RSA-2048", 300)])
def test_what_is_signed_is_what_the_librarys_builder_signs(kind: str, count: int) -> None:
    chance = random.Random(6)
    for number in range(count):
        algorithm, serial, status, times, nonce = facts(chance)
        ours = form(kind, algorithm).to_be_signed(der.integer(serial), ocsp.status_der(status), *times, nonce)
        theirs = built(kind, algorithm, serial, status, times, nonce).tbs_response_bytes
        assert ours == at_that_moment(theirs, times[0]), (number, algorithm, serial, status, times, nonce)


def test_an_answer_each_second_of_an_hour_leaves_next_to_nothing_behind() -> None:
    ours, begins = form("P-256", "sha1"), the_house().now + 7 * HOUR
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for now in range(begins, begins + HOUR):
            ours.to_be_signed(der.integer(5), ocsp.status_der(ocsp.GOOD), now, now + HOUR)
        left = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert left < 100_000  # by the second it was a megabyte, and looked like a leak for an hour


@pytest.mark.parametrize("kind", ["P-256", "P-384", "RSA-2048", "RSA-3072"])
def test_what_stands_around_the_signed_octets_is_what_the_librarys_builder_puts_around_them(kind: str) -> None:
    chance = random.Random(7)
    for _ in range(40):
        algorithm, serial, status, times, nonce = facts(chance)
        response = built(kind, algorithm, serial, status, times, nonce)
        again = form(kind, algorithm).answer(response.tbs_response_bytes, response.signature)
        assert again == response.public_bytes(Encoding.DER)


@pytest.mark.parametrize("kind", ["P-256", "RSA-2048"])
def test_an_answer_verifies_by_its_signers_key(kind: str) -> None:
    encoded = form(kind, "sha1").signed(der.integer(5), ocsp.status_der(ocsp.GOOD), the_house().now, _2050)
    response = library.load_der_ocsp_response(encoded)
    verify(signer(kind).public_key, response.signature, response.tbs_response_bytes)


@pytest.mark.parametrize("nonce_length", [0, 16, 32])
def test_usual_requests_are_those_that_the_library_writes(nonce_length: int) -> None:
    chance = random.Random(8)
    usual = {
        (hashed.hash_name, each.beginning, each.serial_length, each.middle, each.length)
        for hashed in ocsp.issuer_hashes(the_house().issuing.certificate)
        for each in ocsp.usual_requests(hashed)
        if each.nonce_length == nonce_length
    }
    for octets in range(1, 21):
        for first in (1, 0x7F, 0x80, 0xFF):
            serial = int.from_bytes(bytes((first,)) + chance.randbytes(octets - 1))
            nonce = chance.randbytes(nonce_length)
            for algorithm in HASHES:
                hashed = named(the_house().issuing.certificate, algorithm)
                builder = library.OCSPRequestBuilder().add_certificate_by_hash(*hashed, serial, HASHES[algorithm])
                if nonce:
                    builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
                encoded = builder.build().public_bytes(Encoding.DER)
                contents = der.integer(serial)[2:]
                ends = len(encoded) - (21 + nonce_length if nonce else 0)
                assert encoded[:ends].endswith(contents)
                beginning, middle = encoded[: ends - len(contents)], encoded[ends:].removesuffix(nonce)
                assert (algorithm, beginning, len(contents), middle, len(encoded)) in usual
                assert ocsp.serial_bytes(contents) == serial.to_bytes(octets, "big")


def test_a_request_that_is_known_by_its_bytes_is_answered_as_when_it_is_parsed() -> None:
    """Whatever byte of a usual request with a nonce is changed."""
    answers = always_the_same(TurnedClock(the_house().now + HOUR))
    usual = answers._usual
    whole = question(asking.GOOD, nonce=bytes(range(16)), issuer=asking.issuer().certificate)
    for place in range(len(whole)):
        for change in (0x01, 0x80, 0xFF):
            encoded = whole[:place] + bytes((whole[place] ^ change,)) + whole[place + 1 :]
            answers._usual = usual
            quick = answers.answer(encoded)
            answers._usual = {}
            assert quick == answers.answer(encoded), (place, change)

"""The judge lets right answers pass and refuses each wrong one, before anything is timed."""

import dataclasses
import os
import time

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from bench.asking import Judge, Question, WrongAnswer, request
from ca_server.authority import ocsp
from ca_server.authority.hierarchy import HierarchyProfile, make_issuing, make_ocsp_signer, make_root
from ca_server.authority.signer import Signer
from keys.generate import generate
from protocol.vocabulary import RevocationReason

PROFILE = HierarchyProfile("bench", "1.3.6.1.4.1.99999.1", "http://ca.example/r.crl", "http://ca.example/r.cer")
NOW = int(time.time())
SERIAL = 0x8123456789ABCDEF0123456789ABCDEF
REVOKED = NOW - 3_600, RevocationReason.keyCompromise


def issuing() -> Signer:
    return make_issuing(PROFILE, make_root(PROFILE, generate("P-384"), NOW), generate("P-256"), NOW)


ISSUING, OTHER = issuing(), issuing()
SIGNER = make_ocsp_signer(PROFILE, ISSUING, generate("P-256"), NOW)
FOREIGN = make_ocsp_signer(PROFILE, OTHER, generate("P-256"), NOW)
JUDGE = Judge(ISSUING.certificate)
ISSUER = ocsp.issuer_hashes(ISSUING.certificate)[0]
GOOD = Question(SERIAL, None, request(ISSUER, SERIAL))
ENDED = Question(SERIAL, (REVOKED[0], REVOKED[1].name), request(ISSUER, SERIAL))


def answered(
    status: ocsp.OcspStatus = ocsp.GOOD, signer: Signer = SIGNER, at: int = NOW, nonce: bytes | None = None
) -> bytes:
    query = ocsp.parse_request(request(ISSUER, SERIAL, nonce))
    return ocsp.answer(query, status, signer, at, at + 600)


def test_right_answers_pass() -> None:
    nonce = os.urandom(16)
    JUDGE.judge(GOOD, answered())
    JUDGE.judge(ENDED, answered(ocsp.revoked(*REVOKED)))
    JUDGE.judge(GOOD, answered(nonce=nonce), nonce)


@pytest.mark.parametrize(
    ("question", "answer", "why"),
    [
        (ENDED, answered(), "was revoked"),
        (GOOD, answered(ocsp.revoked(*REVOKED)), "is good"),
        (ENDED, answered(ocsp.revoked(REVOKED[0] + 1, REVOKED[1])), "was revoked"),
        (ENDED, answered(ocsp.revoked(REVOKED[0], RevocationReason.superseded)), "was revoked"),
        (GOOD, answered(ocsp.UNKNOWN), "is good"),
        (dataclasses.replace(GOOD, serial=SERIAL + 1), answered(), "it speaks of"),
        (GOOD, answered(signer=FOREIGN), "signature|issuer"),
        (GOOD, answered(signer=ISSUING), "."),
        (GOOD, answered(at=NOW - 7_200), "not valid now"),
        (GOOD, answered(at=NOW + 7_200), "not valid now"),
        (GOOD, ocsp.error(ocsp.ErrorCode.TRY_LATER), "TRY_LATER"),
        (GOOD, answered()[:-1], "."),
        (GOOD, b"", "."),
    ],
)
def test_a_wrong_answer_is_refused(question: Question, answer: bytes, why: str) -> None:
    with pytest.raises(WrongAnswer, match=why):
        JUDGE.judge(question, answer)


def test_a_bit_that_was_turned_is_seen() -> None:
    answer = bytearray(answered())
    answer[answer.index(SIGNER.certificate.public_bytes(Encoding.DER)) - 20] ^= 1
    with pytest.raises(WrongAnswer, match="signature"):
        JUDGE.judge(GOOD, bytes(answer))


@pytest.mark.parametrize("brought", [None, bytes(16)])
def test_a_nonce_that_does_not_come_back_is_missed(brought: bytes | None) -> None:
    with pytest.raises(WrongAnswer):
        JUDGE.judge(GOOD, answered(nonce=brought), os.urandom(16))

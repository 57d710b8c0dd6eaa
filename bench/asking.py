"""Asks OCSP responders one question at a time and judges each answer, before anything is timed.

An answer counts when its signature verifies under a signer that the issuing CA has delegated to, when it speaks of the
serial and the issuer that were asked about, tells the status that the records have, is valid now, and brings the nonce
back. Whatever else is a WrongAnswer, and the server is not measured.
"""

import base64
import dataclasses
import datetime
import hashlib
import http.client
import os
from collections.abc import Sequence
from urllib.parse import quote

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from bench.population import Population
from ca_server.authority.ocsp import IssuerHash, issuer_hashes

REQUEST, RESPONSE = "application/ocsp-request", "application/ocsp-response"
_SECONDS = 20


class WrongAnswer(Exception):
    """A server answered what is not so, or nothing; it is not measured."""


@dataclasses.dataclass(frozen=True)
class Question:
    """One certificate to ask about, and what the records say of it."""

    serial: int
    revoked: tuple[int, str] | None
    """When and why (the name of the reason), None when it is good."""
    encoded: bytes
    """The request in DER, without a nonce."""

    @property
    def path(self) -> str:
        """Return the path of the GET (RFC 6960 §A.1)."""
        return "/ocsp/" + quote(base64.b64encode(self.encoded).decode(), safe="")


def questions(population: Population, places: Sequence[int], issuer: x509.Certificate) -> list[Question]:
    """Return questions about certificates of a population, naming their issuer by SHA-1 as most software does."""
    first = issuer_hashes(issuer)[0]
    asked = []
    for place in places:
        serial, mark = population.serial(place), population.revoked(place)
        asked.append(Question(serial, mark and (mark[0], mark[1].name), request(first, serial)))
    return asked


def request(issuer: IssuerHash, serial: int, nonce: bytes | None = None) -> bytes:
    """Return a request in DER."""
    algorithm = hashes.SHA1() if issuer.hash_name == "sha1" else hashes.SHA256()
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(issuer.name_hash, issuer.key_hash, serial, algorithm)
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


class Judge:
    """Knows the issuing CA, and judges what is said of its certificates."""

    def __init__(self, issuer: x509.Certificate) -> None:
        self._issuer = issuer
        self._hashes = {each.hash_name: each for each in issuer_hashes(issuer)}
        self._signers: dict[bytes, ec.EllipticCurvePublicKey] = {}

    def judge(self, question: Question, encoded: bytes, nonce: bytes | None = None) -> None:
        """Do nothing when the answer is right. Raises WrongAnswer saying what is not."""
        try:
            self._judge(question, ocsp.load_der_ocsp_response(encoded), nonce)
        except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound, x509.DuplicateExtension) as error:
            raise WrongAnswer(f"about {question.serial:x}: {str(error) or 'the signature does not verify'}") from error

    def _judge(self, question: Question, answer: ocsp.OCSPResponse, nonce: bytes | None) -> None:
        _demand(answer.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL, f"it is {answer.response_status.name}")
        algorithm = answer.signature_hash_algorithm
        if algorithm is None:
            raise ValueError("it names no hash")
        self._signer(answer).verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(algorithm))
        issuer = self._hashes[answer.hash_algorithm.name]
        named = answer.issuer_name_hash == issuer.name_hash and answer.issuer_key_hash == issuer.key_hash
        _demand(named, "another issuer is named")
        _demand(answer.serial_number == question.serial, f"it speaks of {answer.serial_number:x}")
        if question.revoked is None:
            told, wanted = answer.certificate_status, ocsp.OCSPCertStatus.GOOD
            _demand(told is wanted, f"{told.name} is told, and it is good")
        else:
            reason = answer.revocation_reason
            at = answer.revocation_time_utc
            told_of = (at and int(at.timestamp()), reason and reason.value)
            _demand(told_of == question.revoked, f"{told_of} is told, and it was revoked {question.revoked}")
        until = answer.next_update_utc
        now = datetime.datetime.now(datetime.UTC)
        _demand(answer.this_update_utc <= now and until is not None and now < until, "it is not valid now")
        if nonce is not None:
            brought = answer.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
            _demand(brought == nonce, "it brings another nonce")

    def _signer(self, answer: ocsp.OCSPResponse) -> ec.EllipticCurvePublicKey:
        """Return the key of the signer, which the issuing CA must have certified for this (RFC 6960 §4.2.2.2)."""
        _demand(len(answer.certificates) == 1, "it does not carry its signer's certificate")
        certificate = answer.certificates[0]
        name = certificate.public_bytes(Encoding.DER)
        if name not in self._signers:
            certificate.verify_directly_issued_by(self._issuer)
            usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
            _demand(ExtendedKeyUsageOID.OCSP_SIGNING in usage, "its signer may not sign OCSP")
            key = certificate.public_key()
            if not isinstance(key, ec.EllipticCurvePublicKey):
                raise ValueError("its signer's key is no elliptic curve key")
            self._signers[name] = key
        return self._signers[name]


def _demand(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise ValueError(otherwise)


class Asking:
    """A connection, or one a question, to a responder on loopback."""

    def __init__(self, port: int, judge: Judge, *, keeps: bool = True) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
        self._judge = judge
        self._keeps = keeps

    def get(self, asked: Sequence[Question]) -> list[bytes]:
        """Ask by GET, and return the answers, every one of them right."""
        return [self._answer(each, "GET", each.path, None) for each in asked]

    def post(self, asked: Sequence[Question]) -> list[bytes]:
        """Ask by POST, and return the answers, every one of them right."""
        return [self._answer(each, "POST", "/ocsp", each.encoded) for each in asked]

    def post_with_nonces(self, asked: Sequence[Question], issuer: IssuerHash) -> None:
        """Ask with a fresh nonce each, twice; demand two right answers of different signatures: they are made live."""
        for each in asked:
            nonce = os.urandom(16)
            encoded = request(issuer, each.serial, nonce)
            answers = {hashlib.sha256(self._answer(each, "POST", "/ocsp", encoded, nonce)).digest() for _ in range(2)}
            if len(answers) == 1:
                raise WrongAnswer(f"about {each.serial:x}: two answers bear one signature, so they are not made live")

    def headers(self, question: Question) -> http.client.HTTPMessage:
        """Return the headers of a GET's answer."""
        self._connection.request("GET", question.path)
        answer = self._connection.getresponse()
        answer.read()
        return answer.headers

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _answer(
        self, question: Question, method: str, path: str, body: bytes | None, nonce: bytes | None = None
    ) -> bytes:
        headers = {} if body is None else {"Content-Type": REQUEST}
        try:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
            encoded = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise WrongAnswer(f"about {question.serial:x}: no answer ({error!r})") from error
        if not self._keeps:
            self._connection.close()
        if answer.status != 200 or answer.headers.get("Content-Type") != RESPONSE:
            told = f"{answer.status} {answer.headers.get('Content-Type')}"
            raise WrongAnswer(f"about {question.serial:x}: {method} is answered with {told}")
        self._judge.judge(question, encoded, nonce)
        return encoded

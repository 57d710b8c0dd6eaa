"""Keys that wait in the browser are sealed by both halves of the credential, and come out as they went in."""

from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_der_public_key

from protocol.credential import new_kid, new_password
from tests.pages.page import ask

KINDS = ("P-256", "RSA-3072")
KID, PASSWORD = new_kid(), new_password()
MESSAGE = b"to be signed"


@pytest.fixture(scope="module", params=range(len(KINDS)), ids=KINDS)
def sealed(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return a sealed key pair of one kind, and what came of opening it."""
    wrong = [[new_kid(), PASSWORD], [KID, new_password()]]
    question = {"kid": KID, "password": PASSWORD, "wrong": wrong, "message": MESSAGE}
    (answer,) = ask("sealed.mjs", [{**question, "kind": KINDS[request.param]}])
    assert isinstance(answer, dict)
    return answer


def test_what_is_opened_is_what_was_sealed_and_signs(sealed: dict[str, Any]) -> None:
    assert sealed["opened"] == sealed["privateKey"]
    key = load_der_public_key(sealed["publicKey"])
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(sealed["signature"], MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    else:
        assert isinstance(key, ec.EllipticCurvePublicKey)
        halves = [int.from_bytes(sealed["signature"][place : place + 32]) for place in (0, 32)]
        key.verify(encode_dss_signature(*halves), MESSAGE, ec.ECDSA(hashes.SHA256()))


def test_what_need_not_be_exported_cannot_be(sealed: dict[str, Any]) -> None:
    assert sealed["taken"] == "InvalidAccessError"


def test_without_either_half_nothing_is_opened(sealed: dict[str, Any]) -> None:
    assert sealed["refused"] == ["WrongPassword", "WrongPassword"]
    assert sealed["changed"] == "WrongPassword"


def test_a_key_is_never_sealed_twice_alike(sealed: dict[str, Any]) -> None:
    assert sealed["kept"] != sealed["again"]
    assert sealed["privateKey"][-40:] not in sealed["kept"]


def test_the_seal_is_aes_gcm_under_hkdf_of_both_halves() -> None:
    (answer,) = ask(
        "sealed.mjs", [{"kind": "P-256", "kid": KID, "password": PASSWORD, "wrong": [], "message": MESSAGE}]
    )
    purpose = b"warifu enrolment page: keys that wait"
    key = HKDF(hashes.SHA256(), 32, KID.encode(), purpose).derive(PASSWORD.encode())
    assert AESGCM(key).decrypt(answer["iv"], answer["kept"], None) == answer["privateKey"]

"""The external account binding is the one that the acme library makes, and only its own MAC key verifies it."""

import json

import acme.jws
import acme.messages
import josepy
import pytest

from keys.generate import generate
from protocol import credential, jws
from protocol.problems import Problem, ProblemType

URL = "https://ca.example/acme/new-account"
KEY = generate("P-256").public_key()


def test_the_acme_library_makes_the_binding_that_we_make() -> None:
    kid, password = credential.new_kid(), credential.new_password()
    key = credential.mac_key(kid, password)
    theirs = acme.messages.ExternalAccountBinding.from_data(
        josepy.JWKEC(key=KEY), kid, jws.encode(key), acme.messages.Directory({"newAccount": URL})
    )
    ours = jws.bind(kid, key, URL, KEY)

    for binding in (theirs, ours):
        message = jws.parse_members(binding)
        assert message.protected == {"alg": "HS256", "kid": kid, "url": URL}
        assert jws.public_key(jws.strict_json(message.payload)) == KEY
        assert jws.verify_mac(message, key)


def test_josepy_verifies_the_binding_that_we_make() -> None:
    assert acme.jws.JWS.from_json(jws.bind("kid", b"k" * 32, URL, KEY)).verify(josepy.JWKOct(key=b"k" * 32))


def test_a_binding_under_another_key_is_not_right() -> None:
    message = jws.parse_members(jws.bind("kid", b"k" * 32, URL, KEY))

    assert not jws.verify_mac(message, b"j" * 32)
    assert not jws.verify_mac(message._replace(signature=message.signature[:16]), b"k" * 32)
    assert not jws.verify_mac(message._replace(signature=b""), b"k" * 32)


@pytest.mark.parametrize("algorithm", jws.ALGORITHMS)
def test_a_binding_by_another_algorithm_than_hs256_is_refused(algorithm: str) -> None:
    protected = jws.encode(json.dumps({"alg": algorithm, "kid": "kid", "url": URL}).encode())
    message = jws.parse_members({"protected": protected, "payload": "e30", "signature": "AAAA"})

    with pytest.raises(Problem) as caught:
        jws.verify_mac(message, b"k" * 32)

    assert caught.value.type is ProblemType.BAD_SIGNATURE_ALGORITHM
    assert caught.value.extra["algorithms"] == ["HS256"]

"""Whatever comes, reading a JWS ends in a Problem or in a message that its key signed."""

import contextlib
import functools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.algorithms import KEY_KINDS, PublicKey
from keys.generate import generate
from protocol import jws
from protocol.jws import Jws
from protocol.problems import Problem

URL = "https://ca.example/acme/new-account"
KID = "https://ca.example/acme/account/1"
NAMES = [kind.name for kind in KEY_KINDS if kind.name != "RSA-4096"]

private_key = functools.cache(generate)


def key_of(kind: str) -> PublicKey:
    return private_key(kind).public_key()


def request(kind: str) -> bytes:
    return jws.sign(private_key(kind), b'{"a":1}', {"kid": KID, "nonce": "AAAA", "url": URL})


SOUND = [request(kind) for kind in NAMES] + [
    jws.sign(private_key("P-256"), b"{}", {"jwk": jws.jwk(key_of("P-256")), "nonce": "AAAA", "url": URL})
]


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.binary())
def test_octets_without_sense_are_a_problem(octets: bytes) -> None:
    with pytest.raises(Problem):
        jws.parse(octets)


@settings(derandomize=True, max_examples=1000, deadline=None)
@given(
    st.sampled_from(SOUND),
    st.lists(st.tuples(st.integers(0, 900), st.integers(0, 3), st.binary(max_size=4)), min_size=1, max_size=4),
)
def test_a_message_with_octets_changed_verifies_only_if_it_says_the_same(
    octets: bytes, changes: list[tuple[int, int, bytes]]
) -> None:
    changed = octets
    for place, length, insert in changes:
        changed = changed[:place] + insert + changed[place + length :]
    with contextlib.suppress(Problem):
        message = jws.parse(changed)
        for kind in NAMES:
            with contextlib.suppress(Problem):
                jws.verify(message, key_of(kind))
                assert message.signing_input in {jws.parse(each).signing_input for each in SOUND}


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(
    [*jws.ALGORITHMS, "HS256", "none", "EC", "P-256", "RSA", "AQAB", "OKP", "Ed25519", KID]
)  # fmt: skip
headers = st.dictionaries(
    st.sampled_from(["alg", "jwk", "kid", "url", "nonce", "crit", "b64", "typ"]),
    leaves
    | st.lists(leaves, max_size=3)
    | st.dictionaries(st.sampled_from(["kty", "crv", "x", "y", "n", "e"]), leaves),
)


@settings(derandomize=True, max_examples=1000, deadline=None)
@given(headers, st.binary(max_size=100), st.binary(max_size=300), st.sampled_from(NAMES))
def test_any_header_and_signature_are_a_problem(header: object, payload: bytes, signature: bytes, kind: str) -> None:
    protected = jws.encode(json.dumps(header).encode())
    members = {"protected": protected, "payload": jws.encode(payload), "signature": jws.encode(signature)}

    with pytest.raises(Problem):
        jws.verify(jws.parse(json.dumps(members).encode()), key_of(kind))


json_values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner))


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["protected", "payload", "signature", "header", "x"]), json_values) | json_values
)
def test_any_json_value_nested_in_a_payload_is_a_problem(members: object) -> None:
    with pytest.raises(Problem):
        jws.parse_members(members)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.sampled_from(NAMES), st.binary(max_size=600))
def test_any_signature_of_any_length_is_a_problem(kind: str, signature: bytes) -> None:
    message = jws.parse(request(kind))

    with pytest.raises(Problem):
        jws.verify(Jws(message.protected, message.payload, signature, message.signing_input), key_of(kind))

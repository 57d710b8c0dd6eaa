"""What the page signs is verified by the server's own strict reader, and by josepy and the acme library."""

import json
from typing import Any

import acme.jws
import josepy
import pytest

from protocol import credential, jws
from tests.pages.page import ask, call

URL = "https://ca.example/acme/new-account"
KID, MAC_KEY = credential.new_kid(), credential.mac_key(credential.new_kid(), credential.new_password())
PAYLOADS: list[Any] = [
    "",
    {},
    {"csr": "AAAA"},
    {"device": {"os": "Windows 11", "hostName": "窓口🔑"}},
    *({"n": n} for n in range(100)),
]


@pytest.fixture(scope="module")
def account() -> dict[str, Any]:
    """Let the page make an account and sign with it."""
    answer: dict[str, Any] = ask("account.mjs", {"url": URL, "payloads": PAYLOADS, "kid": KID, "macKey": MAC_KEY})
    return answer


def test_the_server_reads_and_verifies_every_request(account: dict[str, Any]) -> None:
    key = jws.public_key(account["jwk"])

    for payload, members in zip(PAYLOADS, account["requests"], strict=True):
        message = jws.parse(json.dumps(members).encode())
        jws.verify(message, key)
        assert message.protected == {"alg": "ES256", "nonce": "AAAA", "url": URL, "kid": KID}
        assert message.payload == b"" if payload == "" else json.loads(message.payload) == payload


def test_josepy_verifies_every_request(account: dict[str, Any]) -> None:
    key = josepy.JWKEC(key=jws.public_key(account["jwk"]))

    assert all(acme.jws.JWS.from_json(members).verify(key) for members in account["requests"])


def test_a_request_that_was_changed_is_refused(account: dict[str, Any]) -> None:
    changed = {**account["requests"][2], "payload": jws.encode(b'{"csr":"AAAB"}')}

    assert not acme.jws.JWS.from_json(changed).verify(josepy.JWKEC(key=jws.public_key(account["jwk"])))


def test_the_first_request_carries_the_key_itself(account: dict[str, Any]) -> None:
    message = jws.parse(json.dumps(account["first"]).encode())

    jws.verify(message, jws.public_key(message.protected["jwk"]))
    assert message.protected["jwk"] == account["jwk"] == jws.jwk(jws.public_key(account["jwk"]))


def test_the_thumbprint_is_the_servers(account: dict[str, Any]) -> None:
    assert account["thumbprint"] == jws.thumbprint(jws.public_key(account["jwk"]))


def test_the_binding_is_the_one_that_the_server_would_make(account: dict[str, Any]) -> None:
    binding = jws.parse_members(account["binding"])

    assert jws.verify_mac(binding, MAC_KEY)
    assert account["binding"] == jws.bind(KID, MAC_KEY, URL, jws.public_key(account["jwk"]))


def test_the_thumbprint_leaves_all_but_the_required_members_out(account: dict[str, Any]) -> None:
    assert call("jws", "thumbprint", [{"kid": "x", "alg": "ES256", **account["jwk"]}]) == [account["thumbprint"]]

"""What every request must be, and what every answer is (RFC 8555 §6; protocol.md, Verifying a request)."""

import asyncio
import base64
import gzip
import hmac
import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ca_server.store import accounts
from keys.generate import generate
from protocol import jws
from protocol.jws import ALGORITHMS, MAX_BODY
from tests.ca_server.web.caller import JOSE, Caller, flattened, header_of, send, unsigned
from tests.ca_server.web.conftest import Opened
from tests.ca_server.web.office import Office

NEW_ACCOUNT = "/acme/new-account"
NEW_ORDER = "/acme/new-order"
MALFORMED = (400, "malformed")


# --- algorithms and keys


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "HS512", "PS256", "ES512", "", 256, None])
async def test_an_algorithm_that_is_not_listed_is_refused_and_the_list_is_told(
    holder: Caller, algorithm: object
) -> None:
    reply = await send(holder, unsigned(await header_of(holder, alg=algorithm)))
    assert reply.refusal == (400, "badSignatureAlgorithm")
    assert reply.document["algorithms"] == list(ALGORITHMS)


async def test_a_mac_keyed_with_the_public_key_is_no_signature(holder: Caller) -> None:
    header = json.dumps(await header_of(holder, alg="HS256")).encode()
    message = b".".join(base64.urlsafe_b64encode(each).rstrip(b"=") for each in (header, b"{}"))
    public = holder.key.public_key()
    for secret in (
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        json.dumps(jws.jwk(public)).encode(),
    ):
        forged = flattened(header, b"{}", hmac.digest(secret, message, "sha256"))
        assert (await send(holder, forged)).refusal == (400, "badSignatureAlgorithm")


@pytest.mark.parametrize("kind", ["P-256", "P-384", "RSA-2048", "Ed25519"])
async def test_every_listed_algorithm_signs(office: Office, kind: str) -> None:
    caller = office.caller(key=generate(kind))
    (await caller.bind(office.invitation())).must(201)
    assert (await caller.post(caller.account or "")).must(200).document["status"] == "valid"


async def test_an_algorithm_that_is_not_the_keys_own_is_refused(holder: Caller) -> None:
    reply = await send(holder, unsigned(await header_of(holder, alg="ES384"), signature=bytes(96)))
    assert reply.refusal == (400, "badSignatureAlgorithm")


@pytest.mark.parametrize(
    "make",
    [
        lambda: rsa.generate_private_key(65537, 1024).public_key(),
        lambda: ec.generate_private_key(ec.SECP521R1()).public_key(),
        lambda: ec.generate_private_key(ec.SECP256K1()).public_key(),
    ],
    ids=["RSA-1024", "P-521", "secp256k1"],
)
async def test_a_weak_or_foreign_key_binds_no_account(office: Office, make: Callable[[], object]) -> None:
    caller = office.caller()
    key = make()
    if isinstance(key, rsa.RSAPublicKey):
        modulus = key.public_numbers().n
        jwk = {"kty": "RSA", "e": "AQAB", "n": jws.encode(modulus.to_bytes(128))}
    else:
        assert isinstance(key, ec.EllipticCurvePublicKey)
        numbers, size = key.public_numbers(), (key.curve.key_size + 7) // 8
        x, y = jws.encode(numbers.x.to_bytes(size)), jws.encode(numbers.y.to_bytes(size))
        jwk = {"kty": "EC", "crv": "P-521" if size == 66 else "secp256k1", "x": x, "y": y}
    header: dict[str, object] = {"alg": "RS256" if "n" in jwk else "ES256", "jwk": jwk, "url": caller.url(NEW_ACCOUNT)}
    reply = await send(caller, unsigned(header | {"nonce": await caller.nonce()}, b"{}"), NEW_ACCOUNT)
    assert reply.refusal == (400, "badPublicKey")


async def test_a_private_key_in_the_header_is_refused(office: Office) -> None:
    caller = office.caller()
    jwk = jws.jwk(caller.key.public_key()) | {"d": "AAAA"}
    reply = await caller.post(NEW_ACCOUNT, {}, header={"jwk": jwk})
    assert reply.refusal == (400, "badPublicKey")


async def test_a_wrong_signature_is_refused(holder: Caller) -> None:
    body = json.loads(await holder.signed(NEW_ORDER, {}))
    body["payload"] = jws.encode(b'{"identifiers":[]}')
    assert (await send(holder, json.dumps(body).encode())).refusal == MALFORMED


async def test_another_accounts_key_does_not_sign_for_this_account(office: Office, holder: Caller) -> None:
    assert (await holder.post(NEW_ORDER, {}, key=generate("P-256"))).refusal == MALFORMED


# --- jwk and kid


async def test_both_jwk_and_kid_are_refused(holder: Caller) -> None:
    header = {"jwk": jws.jwk(holder.key.public_key())}
    assert (await holder.post(NEW_ORDER, {}, header=header)).refusal == MALFORMED


async def test_neither_jwk_nor_kid_is_refused(holder: Caller) -> None:
    assert (await holder.post(NEW_ORDER, {}, header={"kid": None})).refusal == MALFORMED


@pytest.mark.parametrize("url", [NEW_ORDER, "/acme/key-change", "/acme/order/0/finalize"])
async def test_an_accounts_resource_is_not_signed_by_jwk(holder: Caller, url: str) -> None:
    assert (await holder.post(url, {}, by="jwk")).refusal == MALFORMED


async def test_new_account_is_not_signed_by_kid(holder: Caller) -> None:
    assert (await holder.post(NEW_ACCOUNT, {})).refusal == MALFORMED


@pytest.mark.parametrize("kid", ["0", "https://elsewhere.example/acme/account/0", "/acme/account/0", ""])
async def test_a_kid_that_is_no_account_of_ours_is_told_so(holder: Caller, kid: str) -> None:
    assert (await holder.post(NEW_ORDER, {}, header={"kid": kid})).refusal == (400, "accountDoesNotExist")


async def test_an_unknown_account_of_ours_is_told_so(holder: Caller) -> None:
    header = {"kid": holder.url("/acme/account/00000000000000000000000000")}
    assert (await holder.post(NEW_ORDER, {}, header=header)).refusal == (400, "accountDoesNotExist")


# --- the shape of the message


async def test_an_unprotected_header_is_refused(holder: Caller) -> None:
    body = json.loads(await holder.signed(NEW_ORDER, {}))
    assert (await send(holder, json.dumps(body | {"header": {}}).encode())).refusal == MALFORMED


async def test_a_general_serialization_is_refused(holder: Caller) -> None:
    body = json.loads(await holder.signed(NEW_ORDER, {}))
    assert (await send(holder, json.dumps(body | {"signatures": []}).encode())).refusal == MALFORMED


async def test_a_compact_serialization_is_refused(holder: Caller) -> None:
    body = json.loads(await holder.signed(NEW_ORDER, {}))
    compact = ".".join(body[part] for part in ("protected", "payload", "signature"))
    assert (await send(holder, compact.encode())).refusal == MALFORMED


@pytest.mark.parametrize("part", ["protected", "payload", "signature"])
async def test_padding_is_refused_in_every_part(holder: Caller, part: str) -> None:
    body = json.loads(await holder.signed(NEW_ORDER, {}))
    body[part] += "=" * (-len(body[part]) % 4 or 4)
    assert (await send(holder, json.dumps(body).encode())).refusal == MALFORMED


@pytest.mark.parametrize("part", ["protected", "payload", "signature"])
async def test_a_missing_part_is_refused(holder: Caller, part: str) -> None:
    body = json.loads(await holder.signed(NEW_ORDER, {}))
    del body[part]
    assert (await send(holder, json.dumps(body).encode())).refusal == MALFORMED


async def test_stray_bits_in_the_last_letter_are_refused(holder: Caller) -> None:
    body = json.loads(await holder.signed(NEW_ORDER, {}))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(body["signature"][-1])
    body["signature"] = body["signature"][:-1] + alphabet[last + 1]  # 64 octets leave four bits of the letter unused
    assert (await send(holder, json.dumps(body).encode())).refusal == MALFORMED


@pytest.mark.parametrize("member", ["crit", "b64"])
async def test_an_extension_of_the_header_is_refused(holder: Caller, member: str) -> None:
    assert (await holder.post(NEW_ORDER, {}, header={member: False})).refusal == MALFORMED


async def test_duplicate_members_are_refused_in_the_message(holder: Caller) -> None:
    body = await holder.signed(NEW_ORDER, {})
    assert (await send(holder, b'{"payload":"",' + body[1:])).refusal == MALFORMED


async def test_duplicate_members_are_refused_in_the_payload(holder: Caller) -> None:
    payload = b'{"identifiers":[],"identifiers":[{"type":"permanent-identifier","value":"F123456-001"}]}'
    assert (await holder.post(NEW_ORDER, payload)).refusal == MALFORMED


@pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"1" * 5000, b'"\\ud800"'])
async def test_what_is_no_strict_json_value_is_refused(holder: Caller, constant: bytes) -> None:
    payload = b'{"identifiers":[{"type":"permanent-identifier","value":"F123456-001"}],"more":' + constant + b"}"
    assert (await holder.post(NEW_ORDER, payload)).refusal == MALFORMED


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
async def test_nesting_thirty_thousand_deep_is_refused(holder: Caller, opening: bytes) -> None:
    depth = min(30_000, MAX_BODY // len(opening))
    assert (await send(holder, opening * depth)).refusal == MALFORMED


async def test_deep_nesting_is_refused_in_the_payload(holder: Caller) -> None:
    assert (await holder.post(NEW_ORDER, b"[" * 30_000 + b"]" * 10_000)).refusal == MALFORMED


async def test_a_body_over_64_kib_is_refused(holder: Caller) -> None:
    body = await holder.signed(NEW_ORDER, b" " * MAX_BODY)
    assert (await send(holder, body)).refusal == (413, "malformed")


async def test_a_body_that_grows_over_64_kib_when_unpacked_is_refused(holder: Caller) -> None:
    packed = gzip.compress(b" " * 10_000_000)
    reply = await holder.send("POST", NEW_ORDER, packed, JOSE | {"Content-Encoding": "gzip"})
    assert reply.refusal == (413, "malformed")


async def test_a_body_that_is_not_packed_as_it_says_is_refused_without_a_trace(
    holder: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    reply = await holder.send("POST", NEW_ORDER, b"{}", JOSE | {"Content-Encoding": "gzip"})
    assert reply.refusal == MALFORMED
    await asyncio.sleep(0)  # aiohttp reads what is left of a body after its answer
    assert [record for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"1", b"\xff\xfe", b'"text"', b"{}"])
async def test_a_body_that_is_no_message_is_refused(holder: Caller, body: bytes) -> None:
    assert (await send(holder, body)).refusal == MALFORMED


@pytest.mark.parametrize("payload", [b"[]", b"1", b'"text"', b"null", b"{", b""])
async def test_a_payload_that_is_no_object_is_refused(holder: Caller, payload: bytes) -> None:
    assert (await holder.post(NEW_ORDER, payload)).refusal == MALFORMED


# --- url


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/acme/new-order",
        "http://ca.example:8443/acme/new-order",
        "https://ca.example/acme/new-order",
        "https://CA.example:8443/acme/new-order",
        "https://ca.example:8443/acme/new-order/",
        "https://ca.example:8443/acme/new-order?x=1",
        "https://ca.example:8443/acme/new-order#x",
        "https://ca.example:8443/acme/new-account",
        "/acme/new-order",
        None,
    ],
)
async def test_a_url_that_is_not_this_resource_is_unauthorized(holder: Caller, url: str | None) -> None:
    assert (await holder.post(NEW_ORDER, {}, header={"url": url})).refusal == (403, "unauthorized")


async def test_a_query_that_was_not_signed_is_unauthorized(holder: Caller) -> None:
    body = await holder.signed(f"{holder.account}/orders", b"")
    assert (await send(holder, body, f"{holder.account}/orders?cursor=0")).refusal == (403, "unauthorized")


async def test_a_url_that_is_no_text_is_malformed(holder: Caller) -> None:
    assert (await holder.post(NEW_ORDER, {}, header={"url": 1})).refusal == MALFORMED


async def test_the_host_of_the_request_changes_no_url(office: Office) -> None:
    reply = await office.caller().send("GET", "/directory", headers={"Host": "elsewhere.example"})
    assert reply.document["newNonce"] == f"{office.url}/acme/new-nonce"


# --- methods and media types

POSTED = [
    "/acme/new-account",
    "/acme/new-order",
    "/acme/revoke-cert",
    "/acme/key-change",
    "/acme/account/0",
    "/acme/account/0/orders",
    "/acme/order/0",
    "/acme/order/0/finalize",
    "/acme/authorization/0/0",
    "/acme/certificate/0",
]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("url", POSTED)
async def test_only_post_reaches_what_is_signed(office: Office, method: str, url: str) -> None:
    reply = await office.caller().send(method, url)
    assert reply.refusal == (405, "malformed")
    assert reply.headers["Allow"] == "POST"


async def test_head_of_what_is_signed_is_405(office: Office) -> None:
    (await office.caller().send("HEAD", NEW_ORDER)).must(405)


async def test_an_unknown_path_is_a_404_problem(office: Office) -> None:
    assert (await office.caller().send("GET", "/acme/new-authz")).refusal == (404, "malformed")


@pytest.mark.parametrize("media_type", ["application/json", "application/jose", "text/plain", ""])
@pytest.mark.parametrize("url", [NEW_ORDER, "/directory", "/acme/new-nonce"])
async def test_another_content_type_is_415(holder: Caller, url: str, media_type: str) -> None:
    body = await holder.signed(url, b"")
    headers = {"Content-Type": media_type} if media_type else {}
    assert (await holder.send("POST", url, body, headers)).refusal == (415, "malformed")


async def test_parameters_of_the_content_type_are_tolerated(holder: Caller) -> None:
    headers = {"Content-Type": "application/jose+json; charset=utf-8"}
    (await holder.send("POST", holder.account or "", await holder.signed(holder.account or "", b""), headers)).must(200)


# --- POST-as-GET, the directory


@pytest.mark.parametrize("url", ["/directory", "/acme/new-nonce"])
async def test_directory_and_new_nonce_are_read_by_post_too(holder: Caller, url: str) -> None:
    (await holder.post(url)).must(200)


async def test_an_empty_object_is_no_post_as_get(office: Office, owner: Caller) -> None:
    order = (await owner.post(f"{owner.account}/orders")).document["orders"][0]
    certificate = (await owner.post(order)).document["certificate"]
    for url in (order, certificate, f"{owner.account}/orders", "/directory", "/acme/new-nonce"):
        (await owner.post(url)).must(200)
        assert (await owner.post(url, b"{}")).refusal == MALFORMED, url
    authorization = (await owner.post(order)).document["authorizations"][0]
    assert (await owner.post(authorization, b"{}")).refusal == MALFORMED


async def test_the_directory_lists_every_resource_and_demands_a_binding(office: Office) -> None:
    reply = (await office.caller().send("GET", "/directory")).must(200)
    assert "index" not in reply.links
    assert reply.document == {
        "newNonce": f"{office.url}/acme/new-nonce",
        "newAccount": f"{office.url}/acme/new-account",
        "newOrder": f"{office.url}/acme/new-order",
        "revokeCert": f"{office.url}/acme/revoke-cert",
        "keyChange": f"{office.url}/acme/key-change",
        "renewalInfo": f"{office.url}/acme/renewal-info",
        "meta": {
            "termsOfService": office.config.profile.cps_url,
            "website": f"{office.url}/",
            "externalAccountRequired": True,
        },
    }


async def test_an_error_that_nobody_foresaw_says_nothing(
    office: Office, holder: Caller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a secret of the inside")

    monkeypatch.setattr("ca_server.operations.enrolment.order", broken)
    reply = await holder.order()
    assert reply.refusal == (500, "serverInternal")
    assert "secret" not in reply.detail
    assert reply.headers["Request-Id"] in caplog.text


@pytest.mark.parametrize(("proxies", "told"), [(("127.0.0.1",), "198.51.100.7"), ((), "127.0.0.1")])
async def test_forwarded_addresses_are_believed_of_configured_proxies_alone(
    opened: Opened, proxies: tuple[str, ...], told: str
) -> None:
    async with opened(server={"trusted_proxies": proxies}) as office:
        caller = office.caller()
        payload = {"termsOfServiceAgreed": True, "externalAccountBinding": caller.binding(office.invitation())}
        headers = JOSE | {"X-Forwarded-For": "203.0.113.1, 198.51.100.7"}
        reply = await caller.send("POST", NEW_ACCOUNT, await caller.signed(NEW_ACCOUNT, payload), headers)
        assert office.look(accounts.device, reply.must(201).location.rpartition("/")[2])[1] == told

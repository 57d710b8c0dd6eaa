"""A JWS is what RFC 8555 §6.2 allows or a Problem; josepy and the acme library judge what we build."""

import functools
import json

import acme.jws
import josepy
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from keys import algorithms
from keys.algorithms import KEY_KINDS, PrivateKey, PublicKey
from keys.generate import generate
from protocol import jws
from protocol.jws import Jws
from protocol.problems import Problem, ProblemType

URL = "https://ca.example/acme/new-account"
KID = "https://ca.example/acme/account/1"
NAMES = [kind.name for kind in KEY_KINDS if kind.name != "RSA-4096"]
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P384_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973

private_key = functools.cache(generate)


def key_of(kind: str) -> PublicKey:
    return private_key(kind).public_key()


def body(protected: object, payload: str = "", **others: object) -> bytes:
    """A body with a header, given as a value or in base64url, and a signature of no worth."""
    protected = protected if isinstance(protected, str) else jws.encode(json.dumps(protected).encode())
    return json.dumps({"protected": protected, "payload": payload, "signature": "AAAA", **others}).encode()


def refused(octets: bytes, kind: ProblemType = ProblemType.MALFORMED) -> Problem:
    with pytest.raises(Problem) as caught:
        jws.parse(octets)
    assert caught.value.type is kind
    return caught.value


def signed_with(message: Jws, signature: bytes) -> Jws:
    return Jws(message.protected, message.payload, signature, message.signing_input)


def request(kind: str, payload: bytes = b'{"a":1}') -> bytes:
    return jws.sign(private_key(kind), payload, {"kid": KID, "nonce": "AAAA", "url": URL})


# What is right


@pytest.mark.parametrize("kind", NAMES)
def test_what_we_sign_we_verify(kind: str) -> None:
    message = jws.parse(request(kind))

    jws.verify(message, key_of(kind))

    assert message.payload == b'{"a":1}'
    assert message.protected == {
        "alg": algorithms.kind_of(key_of(kind)).jws,
        "kid": KID,
        "nonce": "AAAA",
        "url": URL,
    }


@pytest.mark.parametrize(
    ("kind", "wrapper"), [("P-256", josepy.JWKEC), ("P-384", josepy.JWKEC), ("RSA-2048", josepy.JWKRSA)]
)
def test_josepy_verifies_what_we_sign(kind: str, wrapper: type[josepy.JWK]) -> None:
    members = json.loads(request(kind))

    assert acme.jws.JWS.from_json(members).verify(wrapper(key=key_of(kind)))


@pytest.mark.parametrize(
    ("kind", "wrapper", "algorithm"),
    [
        ("P-256", josepy.JWKEC, josepy.ES256),
        ("P-384", josepy.JWKEC, josepy.ES384),
        ("RSA-2048", josepy.JWKRSA, josepy.RS256),
    ],
)
def test_we_verify_what_the_acme_library_signs(
    kind: str, wrapper: type[josepy.JWK], algorithm: josepy.JWASignature
) -> None:
    signer = wrapper(key=private_key(kind))
    message = jws.parse(acme.jws.JWS.sign(b"{}", signer, algorithm, nonce=b"nonce", url=URL).json_dumps().encode())

    jws.verify(message, jws.public_key(message.protected["jwk"]))

    assert jws.public_key(message.protected["jwk"]) == key_of(kind)


def test_a_post_as_get_has_a_payload_of_no_octets() -> None:
    message = jws.parse(request("P-256", b""))

    jws.verify(message, key_of("P-256"))

    assert message.payload == b""


def test_the_signature_of_rfc_7515_a3_verifies() -> None:
    key = jws.public_key(
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        }
    )
    signing_input = (
        b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0"
        b"cnVlfQ"
    )
    signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"

    jws.verify(Jws({"alg": "ES256"}, b"", jws.decode(signature), signing_input), key)


def test_the_signature_of_rfc_8037_a4_is_made_and_verified() -> None:
    seed = jws.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
    private = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
    signing_input = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"

    assert jws.encode(algorithms.sign(private, signing_input)) == signature
    jws.verify(Jws({"alg": "EdDSA"}, b"", jws.decode(signature), signing_input), private.public_key())


def test_members_that_mean_nothing_to_us_are_ignored() -> None:
    members = {**json.loads(request("P-256")), "comment": [1]}

    jws.verify(jws.parse(json.dumps(members).encode()), key_of("P-256"))


def test_a_message_is_rendered_as_the_three_members_it_was_read_from() -> None:
    members = json.loads(request("P-256"))

    assert jws.parse_members({**members, "comment": "x"}).render() == members


def test_the_algorithms_are_those_of_the_table_of_keys() -> None:
    assert jws.ALGORITHMS == ("ES256", "ES384", "RS256", "EdDSA")


# The shape


@pytest.mark.parametrize("octets", [b"", b"[]", b'"x"', b"null", b"{}", b"not json", b"\xff", b"{" * 30_000])
def test_what_is_no_json_object_with_the_three_members_is_malformed(octets: bytes) -> None:
    refused(octets)


@pytest.mark.parametrize("name", ["protected", "payload", "signature"])
@pytest.mark.parametrize("value", [None, 7, [], {}, "AA==", "AB", "A+/A", "A A", "\u00e9"])
def test_each_of_the_three_members_is_strict_base64url(name: str, value: object) -> None:
    members = json.loads(body({"alg": "ES256", "kid": KID})) | {name: value}

    refused(json.dumps(members).encode())


@pytest.mark.parametrize("name", ["protected", "payload", "signature"])
def test_none_of_the_three_members_may_be_missing(name: str) -> None:
    members = json.loads(request("P-256"))
    del members[name]

    refused(json.dumps(members).encode())


@pytest.mark.parametrize("others", [{"header": {}}, {"header": {"kid": KID}}, {"header": None}, {"signatures": []}])
def test_an_unprotected_header_and_a_list_of_signatures_are_malformed(others: dict[str, object]) -> None:
    refused(body({"alg": "ES256", "kid": KID}, **others))


def test_members_that_occur_twice_are_malformed() -> None:
    members = request("P-256").decode()

    refused((members[:-1] + ',"payload":"e30"}').encode())


def test_header_members_that_occur_twice_are_malformed() -> None:
    refused(body(jws.encode(b'{"alg":"ES256","kid":"a","kid":"b"}')))


@pytest.mark.parametrize("header", ["[]", '"ES256"', "null", "NaN", '{"alg":"ES256","kid":"x","n":NaN}', "{", ""])
def test_a_header_that_is_no_strict_json_object_is_malformed(header: str) -> None:
    refused(body(jws.encode(header.encode())))


@pytest.mark.parametrize("extension", [{"crit": ["b64"], "b64": False}, {"b64": True}, {"crit": []}, {"crit": ["exp"]}])
def test_extensions_of_the_header_are_malformed(extension: dict[str, object]) -> None:
    refused(body({"alg": "ES256", "kid": KID, **extension}))


@pytest.mark.parametrize("names", [{}, {"kid": KID, "jwk": {}}, {"kid": None, "jwk": None}])
def test_a_header_has_either_jwk_or_kid(names: dict[str, object]) -> None:
    refused(body({"alg": "ES256", **names}))


@pytest.mark.parametrize(
    "header",
    [{"kid": 7}, {"kid": None}, {"jwk": "x"}, {"jwk": None}, {"kid": KID, "url": 7}, {"kid": KID, "nonce": 7},
     {"kid": KID, "nonce": ""}, {"kid": KID, "nonce": "a b"}, {"kid": KID, "nonce": "AA=="}],
)  # fmt: skip
def test_header_members_of_another_type_are_malformed(header: dict[str, object]) -> None:
    refused(body({"alg": "ES256", **header}))


def test_a_body_over_64_kib_is_refused_unread() -> None:
    assert refused(b" " * 65_537).status == 413


# The algorithm


@pytest.mark.parametrize(
    "algorithm",
    ["none", "NONE", "", "HS256", "HS512", "RS1", "PS256", "RS384", "RS512", "ES512", "ES256K", "es256", "Ed25519",
     None, 7, ["ES256"], {"ES256": 1}],
)  # fmt: skip
def test_another_algorithm_is_refused_with_the_list_of_ours(algorithm: object) -> None:
    problem = refused(body({"alg": algorithm, "kid": KID}), ProblemType.BAD_SIGNATURE_ALGORITHM)

    assert problem.render()["algorithms"] == ["ES256", "ES384", "RS256", "EdDSA"]


def test_a_header_without_an_algorithm_is_refused_with_the_list_of_ours() -> None:
    assert refused(body({"kid": KID}), ProblemType.BAD_SIGNATURE_ALGORITHM).extra["algorithms"]


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("algorithm", [*jws.ALGORITHMS, "HS256", "none"])
def test_a_key_verifies_with_its_own_algorithm_alone(kind: str, algorithm: str) -> None:
    message = jws.parse(request(kind))
    if algorithm == message.algorithm:
        return

    with pytest.raises(Problem) as caught:
        jws.verify(
            Jws({**message.protected, "alg": algorithm}, b"", message.signature, message.signing_input), key_of(kind)
        )

    assert caught.value.type is ProblemType.BAD_SIGNATURE_ALGORITHM
    assert caught.value.extra["algorithms"] == list(jws.ALGORITHMS)


def test_hs256_with_the_public_key_for_a_secret_is_refused() -> None:
    public = jws.jwk(key_of("P-256"))
    forged = jws.bind("kid", json.dumps(public).encode(), URL, key_of("P-256"))

    refused(json.dumps(forged).encode(), ProblemType.BAD_SIGNATURE_ALGORITHM)
    with pytest.raises(Problem):
        jws.verify(jws.parse_members(forged), key_of("P-256"))


def test_es256_with_a_p384_key_is_refused() -> None:
    signing_input = b"e30.e30"
    r, s = decode_dss_signature(private_key("P-384").sign(signing_input, ec.ECDSA(hashes.SHA256())))

    with pytest.raises(Problem) as caught:
        jws.verify(Jws({"alg": "ES256"}, b"", r.to_bytes(48) + s.to_bytes(48), signing_input), key_of("P-384"))

    assert caught.value.type is ProblemType.BAD_SIGNATURE_ALGORITHM


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP521R1()), rsa.generate_private_key(65537, 1024)])
def test_a_key_of_no_kind_of_ours_verifies_nothing(key: PrivateKey) -> None:
    with pytest.raises(Problem) as caught:
        jws.verify(Jws({"alg": "ES256"}, b"", b"", b"e30.e30"), key.public_key())

    assert caught.value.type is ProblemType.BAD_PUBLIC_KEY


# The signature


def not_verified(message: Jws, kind: str) -> None:
    with pytest.raises(Problem) as caught:
        jws.verify(message, key_of(kind))
    assert caught.value.type is ProblemType.MALFORMED


@pytest.mark.parametrize("kind", NAMES)
def test_a_changed_payload_does_not_verify(kind: str) -> None:
    members = json.loads(request(kind))

    not_verified(jws.parse_members({**members, "payload": jws.encode(b'{"a":2}')}), kind)


@pytest.mark.parametrize("kind", NAMES)
def test_a_changed_header_does_not_verify(kind: str) -> None:
    members = json.loads(request(kind))
    header = json.loads(jws.decode(members["protected"])) | {"nonce": "AAAB"}

    not_verified(jws.parse_members({**members, "protected": jws.encode(json.dumps(header).encode())}), kind)


@pytest.mark.parametrize("kind", NAMES)
def test_the_signature_of_another_key_does_not_verify(kind: str) -> None:
    message = jws.parse(request(kind))

    with pytest.raises(Problem):
        jws.verify(message, generate(kind).public_key())


@pytest.mark.parametrize(("kind", "order", "size"), [("P-256", P256_ORDER, 32), ("P-384", P384_ORDER, 48)])
def test_r_and_s_have_their_full_length_and_lie_between_zero_and_the_order(kind: str, order: int, size: int) -> None:
    message = jws.parse(request(kind))
    r, s = message.signature[:size], message.signature[size:]
    beyond = (int.from_bytes(s) + order) % (1 << 8 * size)
    false = [
        b"", r, s, r + s + b"\0", b"\0" + r + s, r + b"\0" + s, (r + s)[:-1], bytes(2 * size), r + bytes(size),
        bytes(size) + s, r + order.to_bytes(size),
        order.to_bytes(size) + s, r + beyond.to_bytes(size), b"\xff" * 2 * size, s + r,
        private_key(kind).sign(message.signing_input, ec.ECDSA(hashes.SHA256())),
    ]  # fmt: skip

    for signature in false:
        not_verified(signed_with(message, signature), kind)


def test_a_half_that_begins_with_zeros_is_written_in_full_length() -> None:
    for _ in range(2000):
        message = jws.parse(jws.sign(private_key("P-256"), b"", {"kid": KID}))
        if 0 in (message.signature[0], message.signature[32]):
            break

    assert len(message.signature) == 64
    assert 0 in (message.signature[0], message.signature[32])
    jws.verify(message, key_of("P-256"))


def test_rsa_pss_is_no_rs256() -> None:
    message = jws.parse(request("RSA-2048"))
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)

    not_verified(
        signed_with(message, private_key("RSA-2048").sign(message.signing_input, pss, hashes.SHA256())), "RSA-2048"
    )


def test_rsa_with_sha1_is_no_rs256() -> None:
    message = jws.parse(request("RSA-2048"))
    signature = private_key("RSA-2048").sign(message.signing_input, padding.PKCS1v15(), hashes.SHA1())

    not_verified(signed_with(message, signature), "RSA-2048")


@pytest.mark.parametrize("change", [lambda s: s[1:], lambda s: b"\0" + s, lambda s: s + b"\0", lambda s: b""])
@pytest.mark.parametrize("kind", ["RSA-2048", "Ed25519"])
def test_a_signature_of_another_length_does_not_verify(kind: str, change: object) -> None:
    message = jws.parse(request(kind))

    not_verified(signed_with(message, change(message.signature)), kind)

"""Signing requests that are refused: the order stays ready, and a good one still works."""

from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from keys.csr import build_signing_request
from keys.generate import generate
from tests.ca_server.web.caller import Caller
from tests.ca_server.web.office import Office

CN = "F123456-001"
BAD_CSR = (400, "badCSR")
MALFORMED = (400, "malformed")


async def other_holder(office: Office, number: int = 2) -> Caller:
    caller = office.caller()
    (await caller.bind(office.invitation(number))).must(201)
    return caller


async def refused(caller: Caller, csr: bytes) -> str:
    """Demand badCSR and that the order is as ready as before; return the sentence."""
    order = (await caller.order()).must(201)
    reply = await caller.finalize(order.document, csr)
    assert reply.refusal == BAD_CSR
    assert (await caller.post(order.location)).document["status"] == "ready"
    (await caller.finalize(order.document)).must(200)
    return reply.detail


def request(*extensions: x509.ExtensionType, cn: str = CN) -> bytes:
    builder = x509.CertificateSigningRequestBuilder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)]))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), SHA256()).public_bytes(Encoding.DER)


def broken(csr: bytes) -> bytes:
    """Return the CSR with one bit of its signature changed."""
    return csr[:-1] + bytes([csr[-1] ^ 1])


BAD: dict[str, Callable[[], bytes]] = {
    "another CN": lambda: request(cn="F123456-002"),
    "another institution": lambda: request(cn="F654321-001"),
    "a foreign dns name": lambda: request(x509.SubjectAlternativeName([x509.DNSName("www.example.com")])),
    "the dns name of another seat": lambda: request(x509.SubjectAlternativeName([x509.DNSName("f123456-002")])),
    "a mail address": lambda: request(x509.SubjectAlternativeName([x509.RFC822Name("a@midori.example")])),
    "CA:TRUE": lambda: request(x509.BasicConstraints(ca=True, path_length=None)),
    "serverAuth": lambda: request(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])),
    "serverAuth too": lambda: request(
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
    ),
    "a wrong signature": lambda: broken(request()),
    "trailing bytes": lambda: request() + b"\0",
    "no request at all": lambda: b"\x30\x00",
    "nothing": lambda: b"",
    "too long": lambda: b"\x30\x83\x01\x00\x00" + bytes(20_000),
    "PEM": lambda: x509.load_der_x509_csr(request()).public_bytes(Encoding.PEM),
    "P-521": lambda: _signed_by(ec.generate_private_key(ec.SECP521R1())),
    "P-224": lambda: _signed_by(ec.generate_private_key(ec.SECP224R1())),
    "RSA-1024": lambda: _signed_by(rsa.generate_private_key(65537, 1024)),
    "e=3": lambda: _signed_by(rsa.generate_private_key(3, 2048)),
}


def _signed_by(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, CN)])
    return x509.CertificateSigningRequestBuilder(name).sign(key, SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize("what", BAD)
async def test_a_bad_csr_leaves_the_order_ready(holder: Caller, what: str) -> None:
    assert await refused(holder, BAD[what]())


@pytest.mark.parametrize("csr", ["", "=", "A", None, 1, "-----BEGIN CERTIFICATE REQUEST-----"])
async def test_a_csr_that_is_not_base64url_is_no_csr(holder: Caller, csr: object) -> None:
    order = (await holder.order()).document
    assert (await holder.post(order["finalize"], {"csr": csr})).refusal in (MALFORMED, BAD_CSR)
    (await holder.finalize(order)).must(200)


async def test_the_accounts_own_key_is_not_certified(holder: Caller) -> None:
    assert "account" in await refused(holder, build_signing_request(holder.key, CN))


async def test_another_accounts_key_is_not_certified(office: Office, holder: Caller) -> None:
    other = await other_holder(office)
    assert "account" in await refused(holder, build_signing_request(other.key, CN))


async def test_a_key_that_was_an_accounts_is_not_certified(holder: Caller) -> None:
    old, new = holder.key, generate("P-256")
    (await holder.post("/acme/key-change", holder.key_change(new))).must(200)
    holder.key = new
    assert "account" in await refused(holder, build_signing_request(old, CN))


async def test_the_key_of_another_seat_is_not_certified(office: Office, holder: Caller) -> None:
    key = generate("P-256")
    await (await other_holder(office)).enrol(key)
    assert "another certificate" in await refused(holder, build_signing_request(key, CN))


async def test_a_compromised_key_is_never_certified_again(office: Office, holder: Caller) -> None:
    key, other = generate("P-256"), await other_holder(office)
    (await other.revoke(await other.enrol(key), reason=1)).must(200)
    assert "compromised" in await refused(holder, build_signing_request(key, CN))

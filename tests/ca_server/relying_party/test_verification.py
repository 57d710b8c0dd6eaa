"""The module for Python relying systems lets in what the authority made and refuses each forgery, saying why."""

import ast
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from ca_server.authority.signer import Signer
from ca_server.relying_party import verification
from ca_server.relying_party.verification import Identity, NotAccepted, Verifier
from tests.ca_server.relying_party.forge import CLIENT_AUTH, KEY, Ca, ca, pem, pem_crl, usage_of

OURS, THEIRS = ca(), ca(number=1)
LEAF = OURS.certificate()


def verifier(crls: bytes = OURS.crls, authority: Ca = OURS, institutions: tuple[str, ...] = ()) -> Verifier:
    return Verifier(
        pem(authority.root.certificate), pem(authority.issuing.certificate), crls=crls, institutions=institutions
    )


def reason(judge: Verifier, chain: bytes | list[bytes], at: datetime = OURS.at) -> str:
    """Return why a chain is refused; it must be."""
    with pytest.raises(NotAccepted) as refused:
        judge.verify(chain, at)
    assert str(refused.value).strip()
    assert refused.value.reason in verification.REASONS
    return refused.value.reason


def test_a_certificate_of_the_authority_is_accepted_in_pem_and_in_der_with_and_without_its_issuer() -> None:
    expected = Identity("F123456-001", "F123456", f"{LEAF.serial_number:x}", LEAF.not_valid_after_utc)
    issuer = OURS.issuing.certificate
    for chain in (
        pem(LEAF), pem(LEAF, issuer), pem(LEAF, issuer, OURS.root.certificate),
        LEAF.public_bytes(Encoding.DER), [each.public_bytes(Encoding.DER) for each in (LEAF, issuer)],
    ):  # fmt: skip
        assert verifier().verify(chain, OURS.at) == expected
    only_the_root = Verifier(pem(OURS.root.certificate), crls=OURS.crls)
    assert only_the_root.verify(pem(LEAF, issuer), OURS.at) == expected


def test_only_institutions_that_are_listed_are_let_in() -> None:
    assert verifier(institutions=("F123456",)).verify(pem(LEAF), OURS.at).institution == "F123456"
    assert reason(verifier(institutions=("F999999",)), pem(LEAF)) == "other-institution"


FORGERIES: dict[str, tuple[Callable[[], x509.Certificate], str]] = {
    "another CA's of the same names": (THEIRS.certificate, "untrusted"),
    "the OCSP signer's": (lambda: OURS.ocsp.certificate, "wrong-purpose"),
    "the issuing CA's": (lambda: OURS.issuing.certificate, "wrong-purpose"),
    "a server's": (lambda: OURS.forged(purposes=[ExtendedKeyUsageOID.SERVER_AUTH]), "wrong-purpose"),
    "a client's and server's": (
        lambda: OURS.forged(purposes=[CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]), "wrong-purpose"),
    "for any purpose": (
        lambda: OURS.forged(purposes=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), "wrong-purpose"),
    "for no purpose": (lambda: OURS.forged(purposes=[]), "wrong-purpose"),
    "with a critical extension that nobody knows": (
        lambda: OURS.forged(more=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0"), True)]),
        "untrusted"),
    "whose key certifies": (lambda: OURS.forged(usage=usage_of(certify=True)), "wrong-purpose"),
    "whose key does not sign": (lambda: OURS.forged(usage=usage_of(sign=False, certify=True)), "wrong-purpose"),
    "that ended": (lambda: OURS.forged(days=(-30, -1)), "expired"),
    "that has not begun": (lambda: OURS.forged(days=(1, 30)), "not-yet-valid"),
    "on the curve P-521": (
        lambda: OURS.forged(key=ec.generate_private_key(ec.SECP521R1()).public_key()), "weak-key"),
    "on a curve of others": (
        lambda: OURS.forged(key=ec.generate_private_key(ec.SECP256K1()).public_key()), "weak-key"),
    "whose CN says what the OU should": (
        lambda: OURS.forged(name=OURS.name("F999999", "F999999-001,OU=F123456")), "wrong-name"),
    "whose CN is of another institution": (
        lambda: OURS.forged(name=OURS.name("F999999", "F123456-001")), "wrong-name"),
    "with two OUs": (
        lambda: OURS.forged(name=[*OURS.name()[:3], *OURS.name("F999999")[2:]]), "wrong-name"),
    "with two attributes in one": (
        lambda: OURS.forged(name=[*OURS.name()[:2], [*OURS.name()[2], *OURS.name()[3]]]), "wrong-name"),
    "with a name in another order": (lambda: OURS.forged(name=OURS.name()[::-1]), "wrong-name"),
    "of another country": (
        lambda: OURS.forged(name=[[(NameOID.COUNTRY_NAME, "US")], *OURS.name()[1:]]), "wrong-name"),
    "with digits of another script": (
        lambda: OURS.forged(name=OURS.name(cn="F123456-００１")), "wrong-name"),
}  # fmt: skip


@pytest.mark.parametrize("what", FORGERIES)
def test_a_certificate_is_refused(what: str) -> None:
    make, why = FORGERIES[what]
    assert reason(verifier(), pem(make())) == why


def test_what_a_client_certified_is_not_trusted() -> None:
    signed_by_a_leaf = Ca(OURS.organization, OURS.root, Signer(LEAF, KEY), OURS.ocsp, OURS.now)  # type: ignore[arg-type]
    assert reason(verifier(), pem(signed_by_a_leaf.forged(), LEAF)) == "untrusted"


def test_without_its_intermediate_a_chain_leads_nowhere() -> None:
    assert reason(Verifier(pem(OURS.root.certificate), crls=OURS.crls), pem(LEAF)) == "untrusted"


def test_a_chain_is_judged_at_the_moment_given() -> None:
    end, a_second = LEAF.not_valid_after_utc, timedelta(seconds=1)
    asks_nobody = Verifier(pem(OURS.root.certificate), pem(OURS.issuing.certificate), crls=_lasting_crls())
    assert asks_nobody.verify(pem(LEAF), end).serial == f"{LEAF.serial_number:x}"
    assert reason(asks_nobody, pem(LEAF), end + a_second) == "expired"
    assert reason(asks_nobody, pem(LEAF), LEAF.not_valid_before_utc - a_second) == "not-yet-valid"
    with pytest.raises(ValueError, match="time zone"):
        asks_nobody.verify(pem(LEAF), datetime(2026, 1, 1))  # noqa: DTZ001


def _lasting_crls() -> bytes:
    year = (-1, 24 * 500)
    return pem_crl(OURS.crl(of=OURS.root, hours=year)) + pem_crl(OURS.crl(hours=year))


ROOT_CRL = OURS.crl(of=OURS.root)
CRLS: dict[str, tuple[Callable[[], list[bytes]], str]] = {
    "revoked": (lambda: [ROOT_CRL, OURS.crl(LEAF)], "revoked"),
    "its issuer revoked": (lambda: [OURS.crl(OURS.issuing.certificate, of=OURS.root), OURS.crl()], "revoked"),
    "no list of the root": (lambda: [OURS.crl()], "crl-missing"),
    "no list of the issuing CA": (lambda: [ROOT_CRL], "crl-missing"),
    "a list past its time": (lambda: [ROOT_CRL, OURS.crl(hours=(-48, -24))], "crl-stale"),
    "a list before its time": (lambda: [ROOT_CRL, OURS.crl(hours=(1, 24))], "crl-stale"),
    "a root's list past its time": (lambda: [OURS.crl(of=OURS.root, hours=(-48, -24)), OURS.crl()], "crl-stale"),
    "another CA's list of the same name": (lambda: [ROOT_CRL, THEIRS.crl()], "crl-invalid"),
    "a list that the leaf signed": (lambda: [ROOT_CRL, _crl_by_a_stranger()], "crl-invalid"),
    "a list for some certificates only": (
        lambda: [ROOT_CRL, _crl(x509.IssuingDistributionPoint(None, None, False, True, None, False, False))],
        "crl-invalid"),
    "a delta list": (lambda: [ROOT_CRL, _crl(x509.DeltaCRLIndicator(1))], "crl-invalid"),
    "a list with an entry that nobody understands": (lambda: [ROOT_CRL, _crl(entry_of_another=True)], "crl-invalid"),
    "a list without an end": (lambda: [ROOT_CRL, _without_end()], "crl-stale"),
    "an old list beside a new one": (lambda: [ROOT_CRL, OURS.crl(hours=(-2, 22)), OURS.crl(LEAF)], "revoked"),
}  # fmt: skip


@pytest.mark.parametrize("what", CRLS)
def test_a_certificate_is_refused_by_the_crls(what: str) -> None:
    make, why = CRLS[what]
    assert reason(verifier(b"".join(map(pem_crl, make()))), pem(LEAF)) == why


def _crl_builder() -> x509.CertificateRevocationListBuilder:
    return (
        x509.CertificateRevocationListBuilder()
        .issuer_name(OURS.issuing.certificate.subject)
        .last_update(OURS.at - timedelta(hours=1))
        .next_update(OURS.at + timedelta(hours=1))
        .add_extension(LEAF.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value, critical=False)
        .add_extension(x509.CRLNumber(5), critical=False)
    )


def _crl(*critical: x509.ExtensionType, entry_of_another: bool = False) -> bytes:
    builder = _crl_builder()
    for extension in critical:
        builder = builder.add_extension(extension, critical=True)
    if entry_of_another:
        somebody = x509.CertificateIssuer([x509.DirectoryName(THEIRS.root.certificate.subject)])
        entry = x509.RevokedCertificateBuilder().serial_number(1).revocation_date(OURS.at)
        builder = builder.add_revoked_certificate(entry.add_extension(somebody, critical=True).build())
    return builder.sign(OURS.issuing.private_key, hashes.SHA256()).public_bytes(Encoding.DER)


def _crl_by_a_stranger() -> bytes:
    return _crl_builder().sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


def _without_end() -> bytes:
    from ca_server.authority import crl, der

    signed = crl.to_be_signed(OURS.issuing, [], 3, OURS.now - 60, OURS.now + 3600)
    end = der.time(OURS.now + 3600)
    body = signed.replace(end, b"", 1)
    inner = body[2 if body[1] < 0x80 else 2 + (body[1] & 0x7F) :]
    return OURS.issuing.sign(der.sequence(inner))


def test_a_verifier_that_could_not_learn_of_revocations_is_not_made() -> None:
    with pytest.raises(ValueError, match="revoked"):
        Verifier(pem(OURS.root.certificate))
    for crls in (b"no PEM", b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"):
        with pytest.raises(ValueError):  # noqa: PT011 - the library's words differ
            Verifier(pem(OURS.root.certificate), crls=crls)


NO_CHAINS: dict[str, bytes | list[bytes]] = {
    "nothing": b"", "no certificate": [], "an empty one": [b""], "half a head": b"\x30\x82",
    "five in PEM": pem(LEAF) * 5, "five in DER": [LEAF.public_bytes(Encoding.DER)] * 5,
    "a megabyte": b"\x30" * 1_000_000, "ten megabytes of PEM": b"-----BEGIN CERTIFICATE-----\n" + b"A" * 10_000_000,
    "one that is too large": [b"\x30" * 70_000],
    "a short one in PEM": b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    "PEM of another kind": pem(LEAF).replace(b"CERTIFICATE", b"PRIVATE KEY"), "a text": "文字".encode(),
}  # fmt: skip


@pytest.mark.parametrize("what", NO_CHAINS)
def test_what_is_no_chain_is_malformed(what: str) -> None:
    assert reason(verifier(), NO_CHAINS[what]) == "malformed"


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_refused_without_another_error(content: bytes) -> None:
    reason(verifier(), content)
    reason(verifier(), [LEAF.public_bytes(Encoding.DER), content])


@settings(deadline=None)
@given(place=st.integers(0, len(LEAF.public_bytes(Encoding.DER)) - 1), bits=st.integers(1, 255))
def test_a_certificate_with_one_octet_changed_is_refused_without_another_error(place: int, bits: int) -> None:
    der = bytearray(LEAF.public_bytes(Encoding.DER))
    der[place] ^= bits
    reason(verifier(), [bytes(der)])


def test_a_signature_that_is_said_to_end_within_an_octet_is_refused() -> None:
    leaf = next(each for each in (OURS.forged() for _ in range(200)) if not each.signature[-1] & 1)
    der = bytearray(leaf.public_bytes(Encoding.DER))
    der[-len(leaf.signature) - 1] = 1  # the last bit is 0, so this is DER all the same
    assert x509.load_der_x509_certificate(bytes(der)).signature == leaf.signature
    assert reason(verifier(), [bytes(der)]) == "malformed"


@pytest.mark.parametrize(
    "key",
    [ed25519.Ed25519PrivateKey.generate(), rsa.generate_private_key(65537, 1024)],
    ids=["Ed25519", "RSA-1024"],
)
def test_other_kinds_of_key_are_refused(key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> None:
    assert reason(verifier(), pem(OURS.forged(key=key.public_key()))) == "weak-key"  # type: ignore[arg-type]


def test_the_module_stands_alone() -> None:
    tree = ast.parse(Path(verification.__file__).read_text("utf-8"))
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported - set(sys.stdlib_module_names) == {"cryptography"}

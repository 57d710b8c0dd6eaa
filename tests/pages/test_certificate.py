"""The page reads of a certificate what cryptography reads, and refuses the rest."""

import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from tests.pages import authority
from tests.pages.page import Refused, call

BAD = Refused("BadCertificate")
TIME = "170d" + b"491231235959Z".hex()
LEAF = authority.certificate(authority.name("F123456-001"))
PEM = [
    x509.load_der_x509_certificate(each).public_bytes(Encoding.PEM).decode() for each in (LEAF, *authority.issuers())
]


def read(*certificates: bytes) -> list[Any]:
    return call("certificate", "read", *([each] for each in certificates))


def moment(*numbers: int) -> datetime.datetime:
    return datetime.datetime(*numbers, tzinfo=datetime.UTC)


@pytest.mark.parametrize("serial", [1, 0x7F, 0x80, 0x0FFF, 2**128 - 1, 2**159 - 1])
def test_a_serial_number(serial: int) -> None:
    [found] = read(authority.certificate(authority.name("x"), serial=serial))

    assert found["serial"] == f"{serial:x}"


@pytest.mark.parametrize(
    "times",
    [
        (moment(1950, 1, 1), moment(1999, 12, 31, 23, 59, 59)),
        (moment(2000, 2, 29, 1, 2, 3), moment(2049, 12, 31, 23, 59, 59)),
        (moment(2049, 12, 31, 23, 59, 59), moment(2050, 1, 1)),
        (moment(2050, 1, 1), moment(9999, 12, 31, 23, 59, 59)),
    ],
)
def test_both_forms_of_time(times: tuple[datetime.datetime, datetime.datetime]) -> None:
    [found] = read(authority.certificate(authority.name("x"), times=times))

    assert (_moment(found["notBefore"]), _moment(found["notAfter"])) == times


@pytest.mark.parametrize("kind", [_ASN1Type.UTF8String, _ASN1Type.PrintableString])
def test_both_forms_of_text(kind: _ASN1Type) -> None:
    unit = x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "F123456", kind)
    subject = x509.Name([unit, x509.NameAttribute(NameOID.COMMON_NAME, "F123456-001", kind)])
    [found] = read(authority.certificate(subject))

    assert (found["organizationalUnit"], found["commonName"]) == ("F123456", "F123456-001")


def test_a_name_without_the_two_or_with_japanese() -> None:
    organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "みどり銀行", _ASN1Type.BMPString)
    [bare, japanese] = read(
        authority.certificate(x509.Name([organization])), authority.certificate(authority.name("窓口"))
    )

    assert "commonName" not in bare
    assert "organizationalUnit" not in bare
    assert japanese["commonName"] == "窓口"


def test_the_public_key_is_the_certificates() -> None:
    for der, found in zip([LEAF, *authority.issuers()], read(LEAF, *authority.issuers()), strict=True):
        key = x509.load_der_x509_certificate(der).public_key()
        assert found["spki"] == key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_a_name_that_says_two_things_or_is_of_another_type_is_refused() -> None:
    twice = authority.name("F123456-001", x509.NameAttribute(NameOID.COMMON_NAME, "F123456-002"))
    other = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "F123456-001", _ASN1Type.BMPString)])

    assert read(authority.certificate(twice), authority.certificate(other)) == [BAD, BAD]


@pytest.mark.parametrize(
    "other",
    [b"490231235959Z", b"491331235959Z", b"491231245959Z", b"491231236059Z", b"49123123595Z0", b"4912312359+00"],
)
def test_a_time_that_is_none_is_refused(other: bytes) -> None:
    assert len(other) == len(b"491231235959Z")
    assert read(LEAF.replace(b"491231235959Z", other)) == [BAD]


def test_text_that_is_none_is_refused() -> None:
    printable = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "F123456-001", _ASN1Type.PrintableString)])
    broken = authority.certificate(printable).replace(b"F123456-001", b"F123456*001")

    assert read(LEAF.replace(b"F123456-001", b"F123456-\xff01"), broken) == [BAD, BAD]


@pytest.mark.parametrize(
    ("part", "other"),
    [
        ("serial", "0200"),
        ("serial", "0201ff"),
        ("serial", "02020001"),
        ("serial", "040101"),
        ("validity", f"300f{TIME}"),
        ("validity", f"302d{TIME * 3}"),
        ("subject", "3009310730050c01580c00"),
        ("subject", "0500"),
        ("spki", "040100"),
        ("spki", ""),
    ],
)
def test_a_part_of_another_shape_is_refused(part: str, other: str) -> None:
    parts = {
        "serial": "020101",
        "algorithm": "3000",
        "issuer": "3000",
        "validity": f"301e{TIME * 2}",
        "subject": "3000",
    }
    parts |= {"spki": "3000"}

    assert read(_certificate(parts))[0]["serial"] == "1"
    assert read(_certificate({**parts, part: other})) == [BAD]


def test_a_certificate_that_is_cut_off_or_goes_on_is_refused() -> None:
    parts = [LEAF[:length] for length in range(len(LEAF))]

    assert read(*parts, LEAF + b"\0", b"\x30\x00") == [BAD] * (len(parts) + 2)


def test_no_flipped_bit_does_worse_than_be_refused() -> None:
    flipped = [bytes([*LEAF[:n], LEAF[n] ^ 1 << n % 8, *LEAF[n + 1 :]]) for n in range(len(LEAF))]
    found = read(*flipped)

    assert 0 < found.count(BAD) < len(found)
    assert all(each == BAD or each["serial"] for each in found)


def test_a_chain_is_taken_apart() -> None:
    chains = ["".join(PEM), "".join(PEM).replace("\n", "\r\n"), "\n".join(PEM), "".join(PEM).rstrip("\n")]

    assert call("certificate", "chainOf", *([each] for each in chains)) == [[LEAF, *authority.issuers()]] * 4


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Bag Attributes\n" + PEM[0],
        PEM[0] + "the end\n",
        PEM[0].replace("CERTIFICATE", "X509 CRL"),
        PEM[0].replace("-----END CERTIFICATE-----\n", ""),
        PEM[0].replace("M", "*", 1),
        PEM[0].replace("\nMI", "\nM=I"),
        PEM[0].replace("\n-----END", "A\n-----END"),
        PEM[0].replace("\n-----END", "\nAAAA\n-----END"),
        "-----BEGIN CERTIFICATE-----\n\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nBQA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nBQ==\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nBQB=\n-----END CERTIFICATE-----\n",
    ],
)
def test_another_text_is_no_chain(text: str) -> None:
    assert call("certificate", "chainOf", [text]) == [BAD]


def _certificate(parts: dict[str, str]) -> bytes:
    """Return the least that is a certificate, of parts in hex."""
    to_be_signed = bytes.fromhex("".join(parts.values()))
    return bytes([0x30, len(to_be_signed) + 2, 0x30, len(to_be_signed), *to_be_signed])


def _moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)

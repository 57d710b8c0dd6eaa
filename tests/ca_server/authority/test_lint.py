"""The closed-list linter: certificates with a bad field or from bad records, each refused for what is wrong with it.

The table of bad extensions is in `test_lint_extensions`.
"""

import dataclasses
from collections.abc import Callable

import pytest
from asn1crypto import core
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from ca_server.authority import der, hierarchy
from ca_server.authority.lint import ExpectedLeaf, lint
from ca_server.authority.profile import to_be_signed
from protocol.names import CommonName

FQDN = "f123456-001.pc.example"
LIFE = 395 * 86400

# Bytes built from other facts than the records hold: what is wrong, which facts, what the linter names.
OTHER_FACTS = [
    ("CN of another PC", {"common_name": CommonName.parse("F123456-002")}, "subject"),
    ("CN of another institution", {"common_name": CommonName.parse("F654321-001")}, "subject"),
    ("another serial number", {"serial": 2**127 + 1}, "serial number"),
    ("begins at another time", {"not_before": 1_790_000_001}, "validity"),
    ("a dNSName that nobody ordered", {"dns_name": FQDN}, "subjectAltName is not in the profile"),
]

# Bytes built from another profile than the issuer's.
OTHER_PROFILE = [
    ("lasts a day more", {"validity_days": 396}, "validity"),
    ("lasts a day less", {"validity_days": 394}, "validity"),
    ("another organisation", {"organization": "Someone else"}, "subject"),
    ("another policy", {"policy_oid": "1.3.6.1.4.1.32473.9"}, "certificatePolicies"),
    ("another CPS", {"cps_url": "https://other.example/cps"}, "certificatePolicies"),
    ("another CRL", {"crl_url": "http://other.example/crl"}, "cRLDistributionPoints"),
    ("another OCSP responder", {"ocsp_url": "http://other.example/ocsp"}, "authorityInfoAccess"),
    ("another issuer's certificate", {"ca_issuers_url": "http://other.example/ca"}, "authorityInfoAccess"),
]

# Bytes that agree with the records, where the records are not to be certified.
BAD_FACTS = [
    ("serial number of 64 bits", {"serial": 2**64 - 1}, "serial number"),
    ("dNSName of another PC in the records", {"dns_name": "f123456-002.pc.example"}, "not an alias"),
    ("dNSName in upper case", {"dns_name": "F123456-001.pc.example"}, "not an alias"),
    ("bare alias as dNSName", {"dns_name": "f123456-001"}, "not an alias"),
    ("RSA of 1024 bits", {"public_key": rsa.generate_private_key(65537, 1024).public_key()}, "public key"),
    ("RSA with exponent 3", {"public_key": rsa.generate_private_key(3, 2048).public_key()}, "public key"),
    ("P-224", {"public_key": ec.generate_private_key(ec.SECP224R1()).public_key()}, "public key"),
    ("P-521", {"public_key": ec.generate_private_key(ec.SECP521R1()).public_key()}, "public key"),
    ("Ed25519", {"public_key": ed25519.Ed25519PrivateKey.generate().public_key()}, "public key"),
]

VERSION, SERIAL, ALGORITHM, ISSUER, VALIDITY, SUBJECT, KEY, EXTENSIONS = range(8)
ECDSA_SHA1 = der.object_identifier("1.2.840.10045.4.1")
ECDSA_SHA384 = der.object_identifier("1.2.840.10045.4.3.3")
EMAIL, BMP_STRING = "1.2.840.113549.1.9.1", 0x1E
ORGANIZATION = "割符試験機構"


def attribute(oid: str, tag: int, text: str | bytes) -> bytes:
    content = text.encode() if isinstance(text, str) else text
    return der.sequence(der.object_identifier(oid), der.element(tag, content))


COUNTRY = attribute("2.5.4.6", der.PRINTABLE_STRING, "JP")
OPERATOR = attribute("2.5.4.10", der.UTF8_STRING, ORGANIZATION)
UNIT = attribute("2.5.4.11", der.UTF8_STRING, "F123456")
COMMON = attribute("2.5.4.3", der.UTF8_STRING, "F123456-001")


def name(*attributes: bytes) -> Callable[[bytes], bytes]:
    return lambda _: der.sequence(*(der.element(der.SET, one) for one in attributes))


def name_with_cn(text: str, tag: int = der.UTF8_STRING) -> Callable[[bytes], bytes]:
    return name(COUNTRY, OPERATOR, UNIT, attribute("2.5.4.3", tag, text))


def end(change: Callable[[bytes], bytes], tag: int = der.UTC_TIME) -> Callable[[bytes], bytes]:
    """Replace the text of notAfter."""

    def changed(old: bytes) -> bytes:
        begin, last = der.split(der.contents(old, der.SEQUENCE))
        return der.sequence(begin, der.element(tag, change(der.contents(last, der.UTC_TIME))))

    return changed


def a_second_later(text: bytes) -> bytes:
    at = core.UTCTime.load(der.element(der.UTC_TIME, text)).native
    return der.contents(der.time(der.seconds(at) + 1), der.UTC_TIME)


# One field replaced by other DER.
OTHER_FIELD = [
    ("OU differs", SUBJECT, name(COUNTRY, OPERATOR, attribute("2.5.4.11", 12, "F123457"), COMMON), "subject"),
    ("a second OU", SUBJECT, name(COUNTRY, OPERATOR, UNIT, UNIT, COMMON), "subject"),
    ("no O", SUBJECT, name(COUNTRY, UNIT, COMMON), "subject"),
    ("empty subject", SUBJECT, name(), "subject"),
    ("RDNs in reverse", SUBJECT, name(COMMON, UNIT, OPERATOR, COUNTRY), "subject"),
    ("an e-mail address", SUBJECT, name(COUNTRY, OPERATOR, UNIT, COMMON, attribute(EMAIL, 22, "a@b.jp")), "subject"),
    ("two attributes in one RDN", SUBJECT, name(COUNTRY, OPERATOR, UNIT + COMMON), "subject"),
    ("country in lower case", SUBJECT, name(attribute("2.5.4.6", 19, "jp"), OPERATOR, UNIT, COMMON), "subject"),
    ("country as UTF8String", SUBJECT, name(attribute("2.5.4.6", 12, "JP"), OPERATOR, UNIT, COMMON), "subject"),
    (
        "O as BMPString",
        SUBJECT,
        name(COUNTRY, attribute("2.5.4.10", BMP_STRING, ORGANIZATION.encode("utf-16-be")), UNIT, COMMON),
        "subject",
    ),
    ("CN as PrintableString", SUBJECT, name_with_cn("F123456-001", der.PRINTABLE_STRING), "subject"),
    ("CN with a blank after it", SUBJECT, name_with_cn("F123456-001 "), "subject"),
    ("CN with NUL in it", SUBJECT, name_with_cn("F123456-001\0.example"), "subject"),
    ("CN in lower case", SUBJECT, name_with_cn("f123456-001"), "subject"),
    ("version 1", VERSION, lambda _: b"", "7 fields"),
    ("version 2", VERSION, lambda _: der.explicit(0, der.integer(1)), "version"),
    ("small serial number", SERIAL, lambda _: der.integer(5), "serial number"),
    ("serial number zero", SERIAL, lambda _: der.integer(0), "serial number"),
    ("negative serial number", SERIAL, lambda _: b"\x02\x01\xfb", "serial number"),
    ("serial number of 21 octets", SERIAL, lambda _: der.integer(1 << 160), "serial number"),
    ("serial number with a zero too many", SERIAL, lambda old: der.element(2, b"\0", old[2:]), "serial number"),
    ("SHA-1", ALGORITHM, lambda _: der.sequence(ECDSA_SHA1), "signature algorithm"),
    ("SHA-384 with P-256", ALGORITHM, lambda _: der.sequence(ECDSA_SHA384), "signature algorithm"),
    ("ECDSA with parameters", ALGORITHM, lambda old: der.sequence(old[2:], der.NULL), "signature algorithm"),
    ("issuer of another name", ISSUER, name(COUNTRY, attribute("2.5.4.3", 12, "Client CA G2")), "issuer"),
    ("a second too long", VALIDITY, end(a_second_later), "validity"),
    ("end as GeneralizedTime", VALIDITY, end(lambda text: b"20" + text, der.GENERALIZED_TIME), "validity"),
    ("end without seconds", VALIDITY, end(lambda text: text[:10] + b"Z"), "validity"),
    ("end with an offset", VALIDITY, end(lambda text: text[:12] + b"+0000"), "validity"),
    ("no end", VALIDITY, end(lambda _: b"99991231235959Z", der.GENERALIZED_TIME), "validity"),
    ("a point beside the curve", KEY, lambda old: old[:-1] + bytes((old[-1] ^ 1,)), "public key"),
    ("issuerUniqueID", KEY, lambda old: old + b"\x81\x02\x00\x01", "9 fields"),
    ("subjectUniqueID", KEY, lambda old: old + b"\x82\x02\x00\x01", "9 fields"),
    ("a field after the extensions", EXTENSIONS, lambda old: old + der.NULL, "9 fields"),
    ("no extensions", EXTENSIONS, lambda _: b"", "7 fields"),
    ("bytes after the extensions", EXTENSIONS, lambda old: der.explicit(3, old[4:], der.NULL), "not the DER"),
    ("extensions under another tag", EXTENSIONS, lambda old: b"\xa4" + old[1:], "not the DER"),
]

# The bytes as a whole.
OTHER_WHOLE = [
    ("bytes after the end", lambda tbs: tbs + b"\0", "not the DER"),
    ("cut short", lambda tbs: tbs[:-1], "not the DER"),
    ("nothing at all", lambda _: b"", "not the DER"),
    ("a longer length", lambda tbs: tbs[:1] + b"\x83\x00" + tbs[2:], "not the DER"),
    ("indefinite length", lambda tbs: b"\x30\x80" + der.contents(tbs, der.SEQUENCE) + b"\0\0", "not the DER"),
    ("a signed certificate", lambda tbs: der.sequence(tbs, der.sequence(), b"\x03\x01\x00"), "3 fields"),
]


def assert_refused(tbs: bytes, expected: ExpectedLeaf, *words: str) -> None:
    """The linter finds one thing for each of the words, and names it so."""
    findings = lint(tbs, expected)

    assert len(findings) == len(words), findings
    for word in words:
        assert any(word in finding for finding in findings), findings


def by_name(table: list) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("change", "word"), [pytest.param(*row[1:], id=row[0]) for row in table])


@by_name(OTHER_FACTS)
def test_bytes_that_differ_from_the_records_are_refused(the_house, change, word) -> None:
    assert_refused(the_house.planned(**change)[0], the_house.planned()[1], word)


@by_name(OTHER_PROFILE)
def test_bytes_of_another_profile_are_refused(the_house, change, word) -> None:
    profile = dataclasses.replace(the_house.profile, **change)
    tbs = to_be_signed(profile, the_house.issuing.certificate, the_house.facts())

    assert_refused(tbs, the_house.planned()[1], word)


@by_name(BAD_FACTS)
def test_records_that_must_not_be_certified_are_refused(the_house, change, word) -> None:
    assert_refused(*the_house.planned(**change), word)


@pytest.mark.parametrize(("field", "change", "word"), [pytest.param(*row[1:], id=row[0]) for row in OTHER_FIELD])
def test_a_bad_field_is_refused_by_its_name(the_house, field, change, word) -> None:
    tbs, expected = the_house.planned()
    fields = der.split(der.contents(tbs, der.SEQUENCE))
    fields[field] = change(fields[field])

    assert_refused(der.sequence(*fields), expected, word)


@by_name(OTHER_WHOLE)
def test_what_is_not_a_whole_certificate_to_be_signed_is_refused(the_house, change, word) -> None:
    tbs, expected = the_house.planned()

    assert_refused(change(tbs), expected, word)


def test_a_dns_name_that_was_ordered_must_be_there(the_house) -> None:
    assert_refused(the_house.planned()[0], the_house.planned(dns_name=FQDN)[1], "subjectAltName is missing")


def test_a_dns_name_of_another_pc_is_refused(the_house) -> None:
    tbs = the_house.planned(dns_name="f123456-002.pc.example")[0]

    assert_refused(tbs, the_house.planned(dns_name=FQDN)[1], "subjectAltName")


def test_another_key_is_refused_with_its_identifier(the_house) -> None:
    tbs = the_house.planned(public_key=ec.generate_private_key(ec.SECP256R1()).public_key())[0]

    assert_refused(tbs, the_house.planned()[1], "public key", "subjectKeyIdentifier")


def test_another_issuer_is_refused_with_its_identifier(the_house) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    other = hierarchy.make_issuing(the_house.hierarchy_profile, the_house.root, key, the_house.now, generation=2)
    tbs = to_be_signed(the_house.profile, other.certificate, the_house.facts())

    assert_refused(tbs, the_house.planned()[1], "issuer", "authorityKeyIdentifier")


def test_a_serial_number_that_no_builder_writes_is_refused_by_the_records_already(the_house) -> None:
    tbs, expected = the_house.planned()

    for serial in (-5, 0, 2**159):
        facts = the_house.facts(serial=serial)
        assert_refused(tbs, dataclasses.replace(expected, facts=facts), "serial number must be", "field serial number")


def test_a_certificate_lives_within_its_issuers_life_to_the_second(the_house) -> None:
    issuer = the_house.issuing.certificate
    first, last = (der.seconds(at) for at in (issuer.not_valid_before_utc, issuer.not_valid_after_utc))

    assert lint(*the_house.planned(not_before=first)) == []
    assert lint(*the_house.planned(not_before=last - LIFE + 1)) == []
    assert_refused(*the_house.planned(not_before=first - 1), "begins before the issuer's")
    assert_refused(*the_house.planned(not_before=last - LIFE + 2), "ends after the issuer's")


def test_a_certificate_ends_after_it_begins(the_house) -> None:
    backwards = dataclasses.replace(the_house, profile=dataclasses.replace(the_house.profile, validity_days=0))
    assert_refused(*backwards.planned(), "ends before it begins")


@pytest.mark.parametrize("serial", [2**64, 2**127, 2**159 - 1])
def test_serial_numbers_at_the_limits_are_let_through(the_house, serial) -> None:
    assert lint(*the_house.planned(serial=serial)) == []


def test_every_bit_turned_is_refused(the_house) -> None:
    tbs, expected = the_house.planned(dns_name=FQDN)

    for place in range(len(tbs)):
        changed = tbs[:place] + bytes((tbs[place] ^ 1 << place % 8,)) + tbs[place + 1 :]
        assert lint(changed, expected) != [], place


def test_times_from_2050_on_are_generalized_time(the_house) -> None:
    begin = 2_530_000_000  # 2050-03-04
    root = hierarchy.make_root(the_house.hierarchy_profile, ec.generate_private_key(ec.SECP256R1()), begin)
    facts = the_house.facts(not_before=begin)

    tbs = to_be_signed(the_house.profile, root.certificate, facts)

    assert b"\x18\x0f20500304" in tbs
    assert lint(tbs, ExpectedLeaf(the_house.profile, root.certificate, facts)) == []

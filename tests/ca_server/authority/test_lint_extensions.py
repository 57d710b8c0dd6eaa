"""The closed-list linter: certificates with a bad extension, each refused for what is wrong with it."""

import pytest
from asn1crypto import x509 as asn1

from ca_server.authority import der
from ca_server.authority.lint import lint

PROFILE = [
    ("authority_key_identifier", "authorityKeyIdentifier"),
    ("key_identifier", "subjectKeyIdentifier"),
    ("key_usage", "keyUsage"),
    ("extended_key_usage", "extendedKeyUsage"),
    ("certificate_policies", "certificatePolicies"),
    ("crl_distribution_points", "cRLDistributionPoints"),
    ("authority_information_access", "authorityInfoAccess"),
    ("subject_alt_name", "subjectAltName"),
]
"""asn1crypto's name and RFC 5280's."""

FQDN = "f123456-001.pc.example"
CA_ISSUERS = ("ca_issuers", "http://ca.example:8080/ca/issuing.cer")
OCSP = ("ocsp", "http://ca.example:8080/ocsp")
POLICY = "1.3.6.1.4.1.32473.1.1"
CPS = {"policy_qualifier_id": "certification_practice_statement", "qualifier": "https://ca.example:8443/cps"}
NOTICE = {"policy_qualifier_id": "user_notice", "qualifier": {"explicit_text": asn1.DisplayText("utf8_string", "x")}}


def purposes(*words: str) -> tuple[str, list[str]]:
    return "extended_key_usage", list(words)


def usage(*bits: str) -> tuple[str, set[str]]:
    return "key_usage", set(bits)


def policies(*listed: tuple[str, list]) -> tuple[str, list]:
    return "certificate_policies", [
        {"policy_identifier": oid, "policy_qualifiers": qualifiers} if qualifiers else {"policy_identifier": oid}
        for oid, qualifiers in listed
    ]


def access(*listed: tuple[str, str]) -> tuple[str, list]:
    return "authority_information_access", [
        {"access_method": method, "access_location": asn1.GeneralName("uniform_resource_identifier", url)}
        for method, url in listed
    ]


def names(*listed: tuple[str, str]) -> tuple[str, list]:
    return "subject_alt_name", [asn1.GeneralName(form, text) for form, text in listed]


# One extension has another value, its criticality unchanged.
OTHER_VALUE = [
    ("serverAuth too", purposes("client_auth", "server_auth")),
    ("serverAuth instead", purposes("server_auth")),
    ("anyExtendedKeyUsage", purposes("any_extended_key_usage")),
    ("anyExtendedKeyUsage too", purposes("client_auth", "any_extended_key_usage")),
    ("emailProtection too", purposes("client_auth", "email_protection")),
    ("clientAuth twice", purposes("client_auth", "client_auth")),
    ("no purpose", purposes()),
    ("keyEncipherment too", usage("digital_signature", "key_encipherment")),
    ("nonRepudiation too", usage("digital_signature", "non_repudiation")),
    ("keyCertSign too", usage("digital_signature", "key_cert_sign")),
    ("cRLSign too", usage("digital_signature", "crl_sign")),
    ("keyAgreement instead", usage("key_agreement")),
    ("AKI of another key", ("authority_key_identifier", {"key_identifier": bytes(20)})),
    ("AKI by name and number", ("authority_key_identifier", {"authority_cert_serial_number": 5})),
    ("SKI of another key", ("key_identifier", bytes(20))),
    ("anyPolicy", policies(("2.5.29.32.0", [CPS]))),
    ("anyPolicy too", policies((POLICY, [CPS]), ("2.5.29.32.0", []))),
    ("policy without CPS", policies((POLICY, []))),
    ("policy with a user notice", policies((POLICY, [CPS, NOTICE]))),
    ("caIssuers alone", access(CA_ISSUERS)),
    ("OCSP alone", access(OCSP)),
    ("caIssuers before OCSP", access(CA_ISSUERS, OCSP)),
    ("a second responder", access(OCSP, ("ocsp", "http://other.example/"), CA_ISSUERS)),
    ("another dNSName", names(("dns_name", "f123456-002.pc.example"))),
    ("a second dNSName", names(("dns_name", FQDN), ("dns_name", "f123456-001.other.example"))),
    ("a wildcard", names(("dns_name", "*.pc.example"))),
    ("a mail address", names(("rfc822_name", "a@pc.example"))),
    ("a URI too", names(("dns_name", FQDN), ("uniform_resource_identifier", "https://x.example/"))),
]

# An extension that is not in the profile.
STRANGE = [
    ("CA:TRUE", "2.5.29.19", "30030101ff"),
    ("CA:FALSE", "2.5.29.19", "3000"),
    ("nameConstraints", "2.5.29.30", "3000"),
    ("policyConstraints", "2.5.29.36", "3003800100"),
    ("ocsp-nocheck", "1.3.6.1.5.5.7.48.1.5", "0500"),
    ("the poison of a precertificate", "1.3.6.1.4.1.11129.2.4.3", "0500"),
    ("a comment", "2.16.840.1.113730.1.13", "1600"),
    ("nobody knows what", "1.2.3.4", "0500"),
]


@pytest.fixture
def planned(the_house):
    """The other fields, the extensions by name, and what the linter expects."""
    tbs, expected = the_house.planned(dns_name=FQDN)
    *fields, extensions = der.split(der.contents(tbs, der.SEQUENCE))
    listed = der.split(der.contents(der.contents(extensions, 0xA3), der.SEQUENCE))
    return fields, {asn1.Extension.load(one)["extn_id"].native: one for one in listed}, expected


def findings(planned, extensions: list[bytes]) -> list[str]:
    fields, _, expected = planned
    return lint(der.sequence(*fields, der.explicit(3, der.sequence(*extensions))), expected)


@pytest.mark.parametrize("change", [pytest.param(change, id=name) for name, change in OTHER_VALUE])
def test_an_extension_of_another_value_is_refused(planned, change) -> None:
    native, value = change
    extensions = dict(planned[1])
    critical = asn1.Extension.load(extensions[native])["critical"].native
    extensions[native] = asn1.Extension({"extn_id": native, "critical": critical, "extn_value": value}).dump()

    assert extensions != planned[1]
    (finding,) = findings(planned, list(extensions.values()))
    assert f"{dict(PROFILE)[native]} is 30" in finding


@pytest.mark.parametrize("critical", [True, False])
@pytest.mark.parametrize(("oid", "value"), [pytest.param(*row[1:], id=row[0]) for row in STRANGE])
def test_an_extension_that_is_not_in_the_profile_is_refused(planned, oid, value, critical) -> None:
    mark = der.BOOLEAN_TRUE if critical else b""
    strange = der.sequence(der.object_identifier(oid), mark, der.element(der.OCTET_STRING, bytes.fromhex(value)))

    (finding,) = findings(planned, [*planned[1].values(), strange])
    assert "is not in the profile" in finding


@pytest.mark.parametrize(("native", "name"), PROFILE)
def test_a_missing_extension_is_refused(planned, native, name) -> None:
    rest = [one for other, one in planned[1].items() if other != native]

    assert findings(planned, rest) == [f"The extension {name} is missing."]


@pytest.mark.parametrize(("native", "name"), PROFILE)
def test_an_extension_twice_is_refused(planned, native, name) -> None:
    assert findings(planned, [*planned[1].values(), planned[1][native]]) == [f"The extension {name} is there twice."]


@pytest.mark.parametrize(("native", "name"), PROFILE)
def test_an_extension_of_wrong_criticality_is_refused(planned, native, name) -> None:
    oid, *_, value = der.split(der.contents(planned[1][native], der.SEQUENCE))
    mark = b"" if der.BOOLEAN_TRUE in planned[1][native][:12] else der.BOOLEAN_TRUE
    extensions = planned[1] | {native: der.sequence(oid, mark, value)}

    (finding,) = findings(planned, list(extensions.values()))
    assert f"{name} is 30" in finding


def test_a_criticality_of_false_written_out_is_not_der(planned) -> None:
    oid, value = der.split(der.contents(planned[1]["extended_key_usage"], der.SEQUENCE))
    extensions = planned[1] | {"extended_key_usage": der.sequence(oid, b"\x01\x01\x00", value)}

    (finding,) = findings(planned, list(extensions.values()))
    assert "extendedKeyUsage is 30" in finding


def test_a_padding_bit_in_the_key_usage_is_not_der(planned) -> None:
    padded = planned[1]["key_usage"].replace(b"\x03\x02\x07\x80", b"\x03\x02\x00\x80")

    (finding,) = findings(planned, list((planned[1] | {"key_usage": padded}).values()))
    assert "keyUsage is 30" in finding


def test_the_order_of_extensions_is_free(planned) -> None:
    assert findings(planned, list(reversed(planned[1].values()))) == []

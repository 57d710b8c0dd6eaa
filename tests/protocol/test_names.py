"""The names of requirements N1 are parsed exactly or refused."""

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from protocol.names import BadName, CommonName, InstitutionCode, SubjectName


def test_a_common_name_is_written_as_it_was_read() -> None:
    assert str(CommonName.parse("F123456-001")) == "F123456-001"


def test_a_common_name_knows_its_institution_and_number() -> None:
    assert CommonName.parse("F123456-042") == CommonName(InstitutionCode("F123456"), 42)


@pytest.mark.parametrize(
    "text",
    [
        "", "F123456", "f123456-001", "F12345-001", "F1234567-001", "F123456-01", "F123456-0001", "F123456-000",
        "F123456-001 ", " F123456-001", "F123456-001\n", "F123456_001", "F123456-00A", "Ｆ123456-001", "F12345٦-001",
        "F123456-001/", "../F123456-001",
    ],
)  # fmt: skip
def test_another_text_is_no_common_name(text: str) -> None:
    with pytest.raises(BadName):
        CommonName.parse(text)


@pytest.mark.parametrize("text", ["", "F12345", "F1234567", "f123456", "G123456", "F123456\n", "F１23456", "123456"])
def test_another_text_is_no_institution_code(text: str) -> None:
    with pytest.raises(BadName):
        InstitutionCode.parse(text)


@pytest.mark.parametrize("number", [-1, 0, 1000])
def test_numbers_go_from_1_to_999(number: int) -> None:
    with pytest.raises(BadName):
        CommonName(InstitutionCode("F123456"), number)


def test_common_names_sort_by_institution_then_number() -> None:
    names = [CommonName.parse(text) for text in ("F200000-001", "F100000-010", "F100000-002")]

    assert [str(name) for name in sorted(names)] == ["F100000-002", "F100000-010", "F200000-001"]


def test_the_subject_has_country_organisation_institution_and_common_name_in_this_order() -> None:
    name = SubjectName("Example Operator", CommonName.parse("F123456-001")).x509()

    assert [(attribute.oid, attribute.value) for attribute in name] == [
        (NameOID.COUNTRY_NAME, "JP"),
        (NameOID.ORGANIZATION_NAME, "Example Operator"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "F123456"),
        (NameOID.COMMON_NAME, "F123456-001"),
    ]


def test_the_country_is_printable_and_the_others_are_utf8() -> None:
    name = SubjectName("割符", CommonName.parse("F123456-001")).x509()

    assert [attribute._type for attribute in name] == [_ASN1Type.PrintableString] + [_ASN1Type.UTF8String] * 3


def test_every_attribute_stands_in_an_rdn_of_its_own() -> None:
    name = SubjectName("Example Operator", CommonName.parse("F123456-001")).x509()

    assert len(name.rdns) == 4
    assert x509.Name(name.rdns).public_bytes() == name.public_bytes()


@pytest.mark.parametrize("organization", ["", "x" * 65, "line\nbreak", "nul\0"])
def test_an_organisation_that_no_certificate_can_hold_is_refused(organization: str) -> None:
    with pytest.raises(BadName):
        SubjectName(organization, CommonName.parse("F123456-001"))


def test_the_subject_reads_as_people_write_it() -> None:
    subject = SubjectName("Example Operator", CommonName.parse("F123456-001"))

    assert str(subject) == "C=JP, O=Example Operator, OU=F123456, CN=F123456-001"

"""The names in a certificate: the institution's code, the common name of a seat, the whole subject (requirements N1).

`C=JP, O=<operator's choice>, OU=F123456, CN=F123456-001`: the common name is the institution's code and a number of
three digits that counts up from 001 and is never used twice, so OU always equals the first part of CN. Parse or
refuse: nobody inside handles a name as bare text. Attribute types and string types follow RFC 5280 §4.1.2.4.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from cryptography import x509
from cryptography.x509.oid import NameOID

MAX_NUMBER = 999
COUNTRY = "JP"

_CODE = re.compile(r"F[0-9]{6}", re.ASCII)
_COMMON_NAME = re.compile(r"(F[0-9]{6})-([0-9]{3})", re.ASCII)


class BadName(ValueError):
    """The text is not a name of this scheme; the sentence says what one looks like."""


@dataclass(frozen=True, slots=True, order=True)
class InstitutionCode:
    """The base code of an institution (金融機関基本コード): `F` and six digits."""

    text: str

    def __post_init__(self) -> None:
        if not _CODE.fullmatch(self.text):
            raise BadName(f"{self.text!r} is not an institution code: it is F and six digits, such as F123456.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the code that `text` spells exactly. Raises BadName when it is another thing."""
        return cls(text)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, order=True)
class CommonName:
    """The name of one seat: its institution and its number there, 1 to 999. Raises BadName outside that range."""

    institution: InstitutionCode
    number: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= MAX_NUMBER:
            raise BadName(f"{self.number} is not a number of a common name: they go from 001 to {MAX_NUMBER}.")

    @staticmethod
    def parse(text: str) -> "CommonName":
        """Return the name that `text` spells exactly, case included. Raises BadName when it is another thing."""
        return _common_name(text)

    def __str__(self) -> str:
        return f"{self.institution}-{self.number:03d}"


@lru_cache(maxsize=4096)  # an enrolment meets its own a dozen times
def _common_name(text: str) -> CommonName:
    match = _COMMON_NAME.fullmatch(text)
    if match is None:
        raise BadName(f"{text!r} is not a common name: it looks like F123456-001.")
    return CommonName(InstitutionCode(match[1]), int(match[2]))


@dataclass(frozen=True, slots=True)
class SubjectName:
    """The distinguished name (識別名) of a certificate: the operator's organisation and a seat's common name.

    Raises BadName when the organisation cannot stand in a certificate (RFC 5280 allows 1 to 64 characters).
    """

    organization: str
    common_name: CommonName

    def __post_init__(self) -> None:
        if not 1 <= len(self.organization) <= 64 or not self.organization.isprintable():
            raise BadName("The organisation of a certificate has 1 to 64 printable characters.")

    def x509(self) -> x509.Name:
        """Return the name as cryptography writes it: C as PrintableString, the others as UTF8String."""
        owner = _owner(self.organization, str(self.common_name.institution))
        return x509.Name([*owner, _part(NameOID.COMMON_NAME, str(self.common_name))])

    def __str__(self) -> str:
        return f"C={COUNTRY}, O={self.organization}, OU={self.common_name.institution}, CN={self.common_name}"


@lru_cache(maxsize=4096)  # an institution has hundreds of PCs
def _owner(organization: str, institution: str) -> tuple[x509.RelativeDistinguishedName, ...]:
    """Return what the names of an institution's seats begin with."""
    return (
        _part(NameOID.COUNTRY_NAME, COUNTRY),
        _part(NameOID.ORGANIZATION_NAME, organization),
        _part(NameOID.ORGANIZATIONAL_UNIT_NAME, institution),
    )


def _part(kind: x509.ObjectIdentifier, text: str) -> x509.RelativeDistinguishedName:
    return x509.RelativeDistinguishedName([x509.NameAttribute(kind, text)])

"""Every signing request of the page is one that the server takes, and canonical DER."""

import pytest
from asn1crypto import csr
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key

from keys.algorithms import kind_of
from keys.csr import parse_signing_request
from keys.errors import KeysError
from tests.pages.conftest import Made

_IDENTIFIERS = {
    "P-256": "300a06082a8648ce3d040302",  # RFC 5758 §3.2: no parameters
    "RSA-3072": "300d06092a864886f70d01010b0500",  # RFC 4055 §5: NULL
}


def test_the_server_takes_every_request(made: list[Made]) -> None:
    for each in made:
        request = parse_signing_request(each.request)
        assert kind_of(request.public_key).name == each.kind
        assert request.public_key == load_der_private_key(each.private_key, None).public_key()
        assert request.common_names == request.dns_names == request.permanent_identifiers == ()


def test_every_request_has_no_subject_no_attribute_and_a_signature_that_verifies(made: list[Made]) -> None:
    for each in made:
        request = x509.load_der_x509_csr(each.request)
        assert request.is_signature_valid
        assert (list(request.subject), list(request.attributes)) == ([], [])


def test_every_request_is_canonical_der(made: list[Made]) -> None:
    for each in made:
        request = csr.CertificationRequest.load(each.request, strict=True)
        assert request.native["certification_request_info"]["version"] == "v1"
        assert request.dump(force=True) == each.request


def test_the_signature_is_named_as_the_standards_have_it(made: list[Made]) -> None:
    for each in made:
        identifier = csr.CertificationRequest.load(each.request)["signature_algorithm"].dump()
        assert identifier.hex() == _IDENTIFIERS[each.kind]


def test_no_key_is_made_twice(made: list[Made]) -> None:
    assert len({each.private_key for each in made}) == len(made)


@pytest.mark.parametrize("kind", ["P-256", "RSA-3072"])
def test_a_flipped_bit_is_refused(made: list[Made], kind: str) -> None:
    request = next(each.request for each in made if each.kind == kind)

    for place in range(0, len(request), 7):
        changed = bytearray(request)
        changed[place] ^= 1 << place % 8
        with pytest.raises(KeysError):
            parse_signing_request(bytes(changed))

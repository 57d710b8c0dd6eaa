"""The words are the ones registered elsewhere."""

import pytest
from cryptography import x509

from protocol.vocabulary import HOLDERS_REASONS, RevocationReason


@pytest.mark.parametrize("reason", RevocationReason)
def test_a_revocation_reason_bears_the_name_that_cryptography_knows(reason: RevocationReason) -> None:
    assert x509.ReasonFlags(reason.name).value == reason.name


@pytest.mark.parametrize("reason", [each for each in RevocationReason if each is not RevocationReason.unspecified])
def test_a_revocation_reason_has_the_code_that_stands_in_the_crl(reason: RevocationReason) -> None:
    extension = x509.CRLReason(x509.ReasonFlags(reason.name)).public_bytes()

    assert extension == bytes([0x0A, 1, reason])


def test_a_holder_may_give_five_reasons() -> None:
    assert sorted(HOLDERS_REASONS) == [0, 1, 3, 4, 5]

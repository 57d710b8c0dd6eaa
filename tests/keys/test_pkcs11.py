"""A key in a token by its URI, of SoftHSM2: made there once, used there, never given out."""

from collections.abc import Iterator

import pytest

from keys.algorithms import sign, verify
from keys.errors import KeystoreError, WrongPassphrase
from keys.pkcs11 import TokenPlace, make, opened
from tests.tokens import PIN, SoftToken, quick_folder


@pytest.fixture(scope="module")
def token() -> Iterator[SoftToken]:
    """A token of its own."""
    with quick_folder() as folder:
        yield SoftToken.make(folder / "token", "officers of ours")


def place(token: SoftToken, label: str, name: str = "officers%20of%20ours") -> TokenPlace:
    return TokenPlace.parse(f"pkcs11:token={name};object={label}?module-path={token.module}")


def test_a_key_made_in_a_token_signs_there_and_stays_there(token: SoftToken) -> None:
    public = make(place(token, "sato"), PIN)
    with opened(place(token, "sato"), PIN) as key:
        assert key.public_key() == public
        verify(public, sign(key, b"an approval"), b"an approval")
        with pytest.raises(KeystoreError):
            key.private_numbers()


def test_a_key_is_never_made_over_another(token: SoftToken) -> None:
    public = make(place(token, "suzuki"), PIN)
    with pytest.raises(KeystoreError, match="exists already"):
        make(place(token, "suzuki"), PIN)
    with opened(place(token, "suzuki"), PIN) as key:
        assert key.public_key() == public


def test_what_stands_in_the_way_is_said(token: SoftToken) -> None:
    with pytest.raises(WrongPassphrase, match="PIN"), opened(place(token, "sato"), "000000"):
        pass
    with pytest.raises(KeystoreError, match="no key nobody"), opened(place(token, "nobody"), PIN):
        pass
    with pytest.raises(KeystoreError, match="cannot be used"), opened(place(token, "sato", "absent"), PIN):
        pass
    with pytest.raises(KeystoreError, match="cannot be used"):
        make(TokenPlace("/nowhere.so", "sato", "officers"), PIN)


@pytest.mark.parametrize(
    "uri",
    [
        "pkcs11:",
        "pkcs11:token=a?module-path=/m.so",
        "pkcs11:token=a;object=b",
        "pkcs11:object=b?module-path=/m.so",
        "pkcs11:token=a;object=b?module-path=/m.so&pin-value=1234",
        "pkcs11:token=a;object=b;type=private?module-path=/m.so",
    ],
)
def test_a_uri_that_names_too_little_or_a_secret_is_refused(uri: str) -> None:
    with pytest.raises(KeystoreError) as refused:
        TokenPlace.parse(uri)
    assert "1234" not in str(refused.value)


def test_a_uri_names_a_token_by_its_serial_number_too() -> None:
    parsed = TokenPlace.parse("pkcs11:serial=a%3Bb;object=c%20d?module-path=/m.so")
    assert parsed == TokenPlace("/m.so", "c d", serial="a;b")

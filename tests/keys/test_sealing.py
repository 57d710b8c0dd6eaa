"""Sealed secrets: they open for their owner alone, with a newer or an older secret of the server."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.errors import KeystoreError, SealBroken
from keys.sealing import Sealer

OLD, NEW = b"o" * 32, b"n" * 32


@given(plaintext=st.binary(max_size=200), associated=st.binary(max_size=40))
def test_what_was_sealed_opens_again(plaintext: bytes, associated: bytes) -> None:
    sealer = Sealer([NEW])
    assert sealer.open(sealer.seal(plaintext, associated), associated) == plaintext


def test_a_change_of_any_byte_breaks_the_seal() -> None:
    sealer = Sealer([NEW])
    sealed = sealer.seal(b"5Z8XQ2M7RC4KD0TNVB9HJ3WEGS", b"credential 7")
    for place in range(len(sealed)):
        altered = bytearray(sealed)
        altered[place] ^= 1
        with pytest.raises(SealBroken):
            sealer.open(bytes(altered), b"credential 7")


@given(length=st.integers(0, 45))
def test_a_cut_seal_is_broken(length: int) -> None:
    sealer = Sealer([NEW])
    with pytest.raises(SealBroken):
        sealer.open(sealer.seal(b"0123456789abcdefg", b"owner")[:length], b"owner")


def test_a_seal_moved_to_another_owner_does_not_open() -> None:
    sealer = Sealer([NEW])
    sealed = sealer.seal(b"secret", b"credential 7")
    with pytest.raises(SealBroken):
        sealer.open(sealed, b"credential 8")


def test_sealing_twice_gives_different_bytes_without_the_plaintext() -> None:
    sealer = Sealer([NEW])
    first, second = sealer.seal(b"in the clear", b""), sealer.seal(b"in the clear", b"")
    assert first != second
    assert b"in the clear" not in first + second


def test_after_a_roll_the_older_secret_still_opens_and_the_newer_seals() -> None:
    before, rolled, after = Sealer([OLD]), Sealer([NEW, OLD]), Sealer([NEW])
    assert rolled.open(before.seal(b"kept", b"x"), b"x") == b"kept"
    assert after.open(rolled.seal(b"fresh", b"x"), b"x") == b"fresh"
    with pytest.raises(SealBroken):
        after.open(before.seal(b"kept", b"x"), b"x")


def test_each_label_derives_a_key_of_its_own_that_replicas_share() -> None:
    assert Sealer([NEW, OLD]).derive("nonces") == Sealer([NEW]).derive("nonces")
    assert Sealer([NEW]).derive("nonces") != Sealer([NEW]).derive("cursors")
    assert Sealer([NEW]).derive("nonces") != Sealer([OLD]).derive("nonces")


def test_a_derived_key_is_hkdf_with_sha256() -> None:
    extracted = hmac.digest(bytes(32), NEW, hashlib.sha256)
    expanded = hmac.digest(extracted, b"warifu derive 1 nonces\x01", hashlib.sha256)
    assert Sealer([NEW]).derive("nonces") == expanded


@pytest.mark.parametrize("secrets", [[], [b""], [NEW, b"s" * 31]])
def test_a_missing_or_short_secret_is_refused(secrets: list[bytes]) -> None:
    with pytest.raises(KeystoreError, match="32"):
        Sealer(secrets)


def test_a_sealer_does_not_show_its_secrets() -> None:
    assert "nnn" not in repr(Sealer([NEW]))

"""Keys in a token, of SoftHSM2: made there, used there, never given out."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pkcs11 import Attribute, ObjectClass
from pkcs11.exceptions import AttributeSensitive

from client.errors import ClientError, NeedsPerson
from client.stores.custody import Custody
from client.stores.holder import friendly_name, holder_of
from client.stores.pkcs11 import Pkcs11
from keys.algorithms import sign, verify
from keys.csr import build_signing_request, parse_signing_request
from keys.errors import KeystoreError
from tests.client.small_authority import Issuer
from tests.tokens import SoftToken

ISSUER = Issuer.root("Client authority")
LABEL = "warifu-0123456789abcdef0123456789abcdef"
PROMISES = (Attribute.SENSITIVE, Attribute.ALWAYS_SENSITIVE, Attribute.NEVER_EXTRACTABLE, Attribute.LOCAL)


@pytest.fixture
def holder(token: SoftToken, tmp_path: Path) -> Pkcs11:
    return Pkcs11(token.place, tmp_path)


def objects(holder: Pkcs11, reference: str) -> dict[ObjectClass, list[str]]:
    found: dict[ObjectClass, list[str]] = {}
    with holder._session() as session:
        for each in session.get_objects({Attribute.ID: reference.encode()}):
            found.setdefault(each[Attribute.CLASS], []).append(each[Attribute.LABEL])
    return found


def certificate(holder: Pkcs11, reference: str, days: int = 30) -> x509.Certificate:
    public_key = holder.key(reference).public_key()
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    return ISSUER.client("F123456-001", public_key, days)


def test_the_token_never_gives_a_key_out(holder: Pkcs11) -> None:
    reference = holder.create(LABEL)
    with holder._session() as session:
        (private,) = session.get_objects({Attribute.ID: reference.encode(), Attribute.CLASS: ObjectClass.PRIVATE_KEY})
        assert [private[each] for each in PROMISES] == [True] * 4
        assert private[Attribute.EXTRACTABLE] is False
        with pytest.raises(AttributeSensitive):
            private[Attribute.VALUE]


def test_a_key_of_the_token_signs_and_cannot_be_written_down(holder: Pkcs11) -> None:
    key = holder.key(holder.create(LABEL))
    verify(key.public_key(), sign(key, b"data"), b"data")
    assert parse_signing_request(build_signing_request(key, None)).public_key == key.public_key()
    with pytest.raises(KeystoreError, match="cannot leave"):
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_a_key_can_do_nothing_but_sign(holder: Pkcs11) -> None:
    holder.create(LABEL)
    others = (Attribute.DECRYPT, Attribute.UNWRAP, Attribute.DERIVE)
    with holder._session() as session:
        (private,) = session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})
        assert [private[each] for each in others] == [False] * 3


def test_threads_sign_with_one_session(holder: Pkcs11) -> None:
    key = holder.key(holder.create(LABEL))
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    with ThreadPoolExecutor(8) as threads:
        signatures = list(threads.map(lambda number: key.sign(b"%d" % number, ec.ECDSA(SHA256())), range(64)))
    for number, signature in enumerate(signatures):
        verify(key.public_key(), signature, b"%d" % number)


def test_a_key_that_an_interrupted_attempt_left_is_replaced(holder: Pkcs11) -> None:
    first = holder.key(holder.create(LABEL)).public_key()
    assert holder.key(holder.create(LABEL)).public_key() != first
    assert [len(each) for each in objects(holder, LABEL).values()] == [1, 1]


def test_the_certificate_is_stored_beside_its_key_under_the_friendly_name(holder: Pkcs11) -> None:
    reference = holder.create(LABEL)
    leaf = certificate(holder, reference)
    name = friendly_name(leaf)
    holder.install(reference, [leaf, ISSUER.certificate], name)
    holder.install(reference, [leaf, ISSUER.certificate], name)
    kinds = (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY, ObjectClass.CERTIFICATE)
    assert objects(holder, reference) == {kind: [name] for kind in kinds}
    (installed,) = holder.found()
    assert (installed.name, installed.certificate, installed.reference) == (name, leaf, reference)
    assert name == f"F123456-001 ({leaf.not_valid_after_utc.date()})"


def test_deleting_leaves_nothing_and_may_be_done_twice(holder: Pkcs11) -> None:
    reference, other = holder.create(LABEL), holder.create(LABEL[:-1] + "0")
    leaf = certificate(holder, reference)
    holder.install(reference, [leaf], friendly_name(leaf))
    holder.delete(reference)
    holder.delete(reference)
    assert objects(holder, reference) == {}
    assert len(objects(holder, other)) == 2
    with pytest.raises(ClientError, match="no longer in the token"):
        holder.key(reference)


def test_what_is_not_ours_is_not_found(holder: Pkcs11) -> None:
    leaf = ISSUER.certificate
    holder.create("warifu-x")
    holder.install("somebody-else", [leaf], "somebody else's")
    assert holder.found() == []


def test_the_place_tells_other_programs_which_key(holder: Pkcs11) -> None:
    holding = holder.holding(LABEL)
    assert holding.copyable is False
    assert holding.address == f"pkcs11:token=warifu;id={LABEL};type=private"


def failing(token: SoftToken, folder: Path, before: str, after: str) -> Callable[[], object]:
    assert before in token.place
    return lambda: holder_of(Custody("pkcs11", token.place.replace(before, after)), folder).create(LABEL)


def test_a_token_that_is_not_there_needs_a_person(token: SoftToken, tmp_path: Path) -> None:
    with pytest.raises(NeedsPerson, match="There is no token other"):
        failing(token, tmp_path, "token=warifu", "token=other")()


def test_a_module_that_is_none_is_named(token: SoftToken, tmp_path: Path) -> None:
    with pytest.raises(ClientError, match=r"/nowhere\.so"):
        failing(token, tmp_path, str(token.module), "/nowhere.so")()


def test_without_a_terminal_the_pin_is_not_asked_for(token: SoftToken, tmp_path: Path) -> None:
    with pytest.raises(NeedsPerson, match="no terminal to ask for the PIN"):
        Pkcs11(token.place.partition("&pin-source")[0], tmp_path)._pin(Pkcs11(token.place, tmp_path)._found())

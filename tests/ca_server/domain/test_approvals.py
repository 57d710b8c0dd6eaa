"""What an officer signs, and which signatures count: real keys, and each way to make an approval up."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ca_server.clock import MINUTE
from ca_server.domain.administrators import Half
from ca_server.domain.applications import Application, Filed, Item, Status
from ca_server.domain.approvals import Act, Approval, Mandate, OfficerKey, Trust, to_be_signed
from ca_server.errors import NotEntitled
from keys.algorithms import KEY_KINDS, PrivateKey, sign
from keys.generate import generate
from protocol.names import CommonName
from tests.ca_server.paper import NOW, SUZUKI, a_revocation, an_issuance

HERE, ELSEWHERE = "11" * 32, "22" * 32
CN = CommonName.parse("F123456-001")


@functools.cache
def key_of(officer: str, kind: str = "P-256") -> PrivateKey:
    return generate(kind)


def listed(officer: str, *, owner: str | None = None, since: int = NOW, until: int | None = None) -> OfficerKey:
    spki = key_of(officer).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return OfficerKey(owner or officer, officer, spki, since, until)


def trust(*keys: OfficerKey, installation: str = HERE, two_officers: bool = True) -> Trust:
    return Trust(installation, lambda: keys or (listed("alice"), listed("bob")), two_officers)


def filed(form: Application | None = None, number: int = 7) -> Filed:
    form = form or an_issuance(2)
    return Filed(number, Status.APPROVED, form, form.content_sha256, "clerk", "alice", "bob", NOW)


def signed(
    paper: Filed, act: Act, officer: str, *, at: int = NOW, signer: str | None = None, installation: str = HERE
) -> Approval:
    key = key_of(signer or officer)
    content = to_be_signed(installation, paper, act, officer, at)
    return Approval(act, officer, at, listed(signer or officer).sha256, sign(key, content))


def both(paper: Filed, **how: object) -> tuple[Approval, Approval]:
    return signed(paper, Act.EXAMINED, "alice", **how), signed(paper, Act.APPROVED, "bob", **how)


def test_what_is_signed_is_canonical_json_of_just_these_facts() -> None:
    paper = filed()
    content = to_be_signed(HERE, paper, Act.APPROVED, "bob", NOW)
    assert (
        content
        == (
            f'{{"application":7,"at":{NOW},"content_sha256":"{paper.application.content_sha256}",'
            f'"context":"warifu approval 1","decision":"approved","installation":"{HERE}","officer":"bob"}}'
        ).encode()
    )
    assert list(json.loads(content)) == sorted(json.loads(content))


def test_two_signatures_of_what_was_shown_count() -> None:
    trust().require(filed(), both(filed()))


@pytest.mark.parametrize("kind", [kind.name for kind in KEY_KINDS])
def test_each_kind_of_key_signs(kind: str) -> None:
    key, paper = key_of("alice", kind), filed()
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    alice = OfficerKey("alice", "alice", spki, NOW)
    by_alice = Approval(
        Act.EXAMINED,
        "alice",
        NOW,
        hashlib.sha256(spki).hexdigest(),
        sign(key, to_be_signed(HERE, paper, Act.EXAMINED, "alice", NOW)),
    )
    trust(alice, listed("bob")).require(paper, (by_alice, signed(paper, Act.APPROVED, "bob")))


def flipped(approval: Approval) -> Approval:
    signature = approval.signature[:-1] + bytes([approval.signature[-1] ^ 1])
    return dataclasses.replace(approval, signature=signature)


def moved(approval: Approval, act: Act) -> Approval:
    return dataclasses.replace(approval, act=act)


def another() -> Filed:
    return filed(an_issuance(2, administrator=SUZUKI))


def with_issuance() -> Filed:
    """A signed revocation into whose row somebody wrote an issuance, which the hash of its content does not cover."""
    paper = filed(a_revocation(str(CN)))
    items = tuple(dataclasses.replace(item, issuance=Half.WAITING) for item in paper.application.items)
    return dataclasses.replace(paper, application=dataclasses.replace(paper.application, items=items))


MADE_UP: list[tuple[str, Callable[[], tuple[Filed, tuple[Approval, ...], Trust]], str]] = [
    ("no signature", lambda: (filed(), (), trust()), "no signature of the officer who examined"),
    ("only the examination", lambda: (filed(), both(filed())[:1], trust()), "no signature of the officer who approved"),
    ("another application's", lambda: (filed(number=8), both(filed()), trust()), "not of what"),
    ("another content's", lambda: (another(), both(filed()), trust()), "not of what"),
    ("another installation's", lambda: (filed(), both(filed(), installation=ELSEWHERE), trust()), "not of what"),
    (
        "another officer's, by the records",
        lambda: (dataclasses.replace(filed(), approved_by="carol"), both(filed()), trust()),
        "no signature of the officer who approved",
    ),
    (
        "another officer's, by a key that is not the officer's",
        lambda: (
            filed(),
            (both(filed())[0], signed(filed(), Act.APPROVED, "bob", signer="mallory")),
            trust(listed("alice"), listed("bob"), listed("mallory")),
        ),
        "by no key that was registered",
    ),
    (
        "the examination's, as the approval",
        lambda: (
            dataclasses.replace(filed(), approved_by="alice"),
            (both(filed())[0], moved(both(filed())[0], Act.APPROVED)),
            trust(two_officers=False),
        ),
        "not of what",
    ),
    (
        "one with a bit flipped",
        lambda: (filed(), (both(filed())[0], flipped(both(filed())[1])), trust()),
        "not of what",
    ),
    (
        "one of other bytes",
        lambda: (filed(), (both(filed())[0], dataclasses.replace(both(filed())[1], signature=b"")), trust()),
        "not of what",
    ),
    (
        "one by a key that was withdrawn, as that of a disabled officer is",
        lambda: (filed(), both(filed()), trust(listed("alice"), listed("bob", since=NOW - 9, until=NOW))),
        "by no key that was registered",
    ),
    (
        "one from before the key was registered",
        lambda: (filed(), both(filed()), trust(listed("alice"), listed("bob", since=NOW + 1))),
        "by no key that was registered",
    ),
    (
        "one officer's twice",
        lambda: (
            dataclasses.replace(filed(), approved_by="alice"),
            (both(filed())[0], signed(filed(), Act.APPROVED, "alice")),
            trust(),
        ),
        "by one officer in two places",
    ),
    (
        "one officer's twice, by a former key and a new one",
        lambda: (
            dataclasses.replace(filed(), approved_by="alice"),
            (both(filed())[0], signed(filed(), Act.APPROVED, "alice", signer="new")),
            trust(listed("alice"), listed("new", owner="alice")),
        ),
        "by one officer in two places",
    ),
    (
        "one key's for two officers",
        lambda: (
            filed(),
            (both(filed())[0], signed(filed(), Act.APPROVED, "bob", signer="alice")),
            trust(listed("alice"), listed("alice", owner="bob")),
        ),
        "by one officer in two places",
    ),
    (
        "that of who filed it",
        lambda: (dataclasses.replace(filed(), filed_by="bob"), both(filed()), trust()),
        "by one officer in two places",
    ),
    (
        "a revocation's, for an issuance",
        lambda: (with_issuance(), both(with_issuance()), trust()),
        "more than a DCM903",
    ),
]


@pytest.mark.parametrize("row", MADE_UP, ids=[row[0] for row in MADE_UP])
def test_an_approval_that_is_made_up_does_not_count(
    row: tuple[str, Callable[[], tuple[Filed, tuple[Approval, ...], Trust]], str],
) -> None:
    _, make, words = row
    paper, approvals, whose = make()
    with pytest.raises(NotEntitled, match=words):
        whose.require(paper, approvals)


def test_what_a_key_signed_while_it_was_registered_counts_after_it_was_replaced() -> None:
    trust(listed("alice", until=NOW + 1), listed("bob")).require(filed(), both(filed()))


def test_one_officer_signs_twice_where_one_is_enough() -> None:
    paper = dataclasses.replace(filed(), approved_by="alice", filed_by="alice")
    approvals = signed(paper, Act.EXAMINED, "alice"), signed(paper, Act.APPROVED, "alice")
    trust(two_officers=False).require(paper, approvals)


@pytest.mark.parametrize("late", [-11 * MINUTE, 11 * MINUTE])
def test_a_signature_of_another_time_is_not_put_on_record(late: int) -> None:
    with pytest.raises(NotEntitled, match="of another time"):
        trust().require_fresh(filed(), both(filed())[0], NOW + late)
    trust().require_fresh(filed(), both(filed())[0], NOW + late // 2)


def assigned(*cns: CommonName) -> Filed:
    paper = filed(an_issuance(len(cns)))
    items = tuple(Item(issuance=Half.DONE, new_cn=cn) for cn in cns)
    return dataclasses.replace(paper, application=dataclasses.replace(paper.application, items=items))


def test_a_seat_stands_on_the_signed_application_that_assigned_it() -> None:
    paper = assigned(CN)
    trust().require_mandate(Mandate(paper, both(paper)), CN)


@pytest.mark.parametrize("stranger", ["F123456-002", "F654321-001"])
def test_a_seat_that_no_signed_application_assigned_gets_no_certificate(stranger: str) -> None:
    paper, other = assigned(CN), CommonName.parse(stranger)
    with pytest.raises(NotEntitled, match="did not assign"):
        trust().require_mandate(Mandate(paper, both(paper)), other)
    with pytest.raises(NotEntitled, match="No application"):
        trust().require_mandate(None, CN)


def test_a_signed_application_cannot_be_made_to_assign_one_seat_more() -> None:
    paper = assigned(CN)
    more = (*paper.application.items, Item(issuance=Half.DONE, new_cn=CommonName.parse("F123456-002")))
    grown = dataclasses.replace(paper, application=dataclasses.replace(paper.application, items=more))
    with pytest.raises(NotEntitled, match="not of what"):
        trust().require_mandate(Mandate(grown, both(paper)), CommonName.parse("F123456-002"))

"""What a form may say, and how an application moves."""

import dataclasses
import datetime

import pytest

from ca_server.domain.administrators import Half
from ca_server.domain.applications import OPEN, Filed, Item, Kind, Status, status_of_halves
from ca_server.domain.reasons import Reason
from ca_server.errors import Invalid, NotAllowed, NotEntitled
from protocol.names import CommonName
from protocol.vocabulary import RevocationReason
from tests.ca_server.paper import TODAY, YAMADA, a_revocation, an_issuance


def filed(status: Status, *, examined_by: str | None = None) -> Filed:
    form = an_issuance()
    return Filed(1, status, form, form.content_sha256, "clerk", examined_by, None)


def test_an_issuance_has_an_item_for_each_certificate() -> None:
    form = an_issuance(3)
    assert form.kind is Kind.ISSUANCE
    assert [item.issuance for item in form.items] == [Half.WAITING] * 3


@pytest.mark.parametrize("count", [-1, 0, 101])
def test_an_issuance_is_for_1_to_100_certificates(count: int) -> None:
    with pytest.raises(Invalid) as refusal:
        an_issuance(count)
    assert set(refusal.value.fields) == {"count"}


def test_every_wrong_field_is_named_at_once() -> None:
    with pytest.raises(Invalid) as refusal:
        an_issuance(0, institution="123456", institution_name="", family_name=" ", furigana="やまだ\u0007", email="")
    assert set(refusal.value.fields) == {
        "institution", "institution_name", "family_name", "furigana", "email", "count",
    }  # fmt: skip


def test_a_revocation_names_certificates_of_the_institution_each_once() -> None:
    assert len(a_revocation("F123456-001", "F123456-010").items) == 2
    for wrong, place in (
        ((), "cn"),
        (("F123456-001",) * 2, "cn (2)"),
        (("F123456-001", "F654321-001"), "cn (2)"),
        (("x",), "cn"),
    ):
        with pytest.raises(Invalid) as refusal:
            a_revocation(*wrong)
        assert place in refusal.value.fields


def test_a_reason_is_one_of_the_forms() -> None:
    with pytest.raises(Invalid) as refusal:
        a_revocation("F123456-001", reason="boredom")
    assert set(refusal.value.fields) == {"reason"}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("disposed", "broken", "unused"), RevocationReason.cessationOfOperation),
        (("replaced", "deleted", "wrong-pc", "account-changed"), RevocationReason.superseded),
        (("lost", "stolen", "missing", "misused"), RevocationReason.keyCompromise),
    ],
)
def test_each_reason_of_the_forms_has_its_code_of_rfc_5280(words: tuple[str, ...], code: RevocationReason) -> None:
    assert {Reason(word).code for word in words} == {code}


def test_every_reason_has_a_code() -> None:
    assert all(isinstance(reason.code, RevocationReason) for reason in Reason)


def test_only_what_may_be_in_other_hands_is_urgent() -> None:
    assert {reason for reason in Reason if reason.urgent} == {
        Reason.LOST, Reason.STOLEN, Reason.MISSING, Reason.MISUSED,
    }  # fmt: skip
    assert a_revocation("F123456-001", reason="stolen").urgent
    assert not a_revocation("F123456-001", reason="disposed").urgent


def test_the_hash_of_the_content_changes_with_each_field() -> None:
    form = a_revocation("F123456-001")
    other_item = dataclasses.replace(form.items[0], reason=Reason.STOLEN)
    others = [
        dataclasses.replace(form, institution_name="みなと銀行"),
        dataclasses.replace(form, administrator=dataclasses.replace(YAMADA, email="y@midori.example")),
        dataclasses.replace(form, applied_on=TODAY + datetime.timedelta(days=1)),
        dataclasses.replace(form, items=(other_item,)),
        a_revocation("F123456-002"),
    ]
    assert len({each.content_sha256 for each in [form, *others]}) == 6


def test_the_hash_of_the_content_stays_while_it_is_carried_out() -> None:
    form = an_issuance(1)
    done = dataclasses.replace(form.items[0], issuance=Half.DONE, new_cn=CommonName.parse("F123456-001"))
    assert dataclasses.replace(form, items=(done,)).content_sha256 == form.content_sha256


def test_only_a_received_application_is_examined() -> None:
    assert filed(Status.RECEIVED).examined("one").examined_by == "one"
    for status in set(Status) - {Status.RECEIVED}:
        with pytest.raises(NotAllowed):
            filed(status).examined("one")


def test_only_an_examined_application_is_approved() -> None:
    for status in set(Status) - {Status.EXAMINED}:
        with pytest.raises(NotAllowed):
            filed(status, examined_by="one").approved("two", four_eyes=True)


@pytest.mark.parametrize("officer", ["one", "clerk"])
def test_nobody_approves_what_they_examined_or_filed(officer: str) -> None:
    examined = filed(Status.EXAMINED, examined_by="one")
    with pytest.raises(NotEntitled):
        examined.approved(officer, four_eyes=True)
    assert examined.approved(officer, four_eyes=False).status is Status.APPROVED
    assert examined.approved("two", four_eyes=True).approved_by == "two"


def test_what_changed_after_it_was_filed_is_not_approved() -> None:
    examined = filed(Status.EXAMINED, examined_by="one")
    altered = dataclasses.replace(examined, application=an_issuance(100))
    with pytest.raises(NotAllowed, match="no longer says"):
        altered.approved("two", four_eyes=True)


def test_an_application_is_returned_until_it_is_approved() -> None:
    for status in Status:
        if status in (Status.RECEIVED, Status.EXAMINED):
            assert filed(status).returned().status is Status.RETURNED
        else:
            with pytest.raises(NotAllowed):
                filed(status).returned()


@pytest.mark.parametrize(
    ("halves", "status"),
    [
        ([(Half.DONE, None), (Half.DONE, Half.DONE)], Status.DONE),
        ([(Half.DONE, Half.WAITING)], Status.WAITING),
        ([(Half.FAILED, Half.WAITING)], Status.APPROVED),
        ([(Half.DONE, Half.FAILED)], Status.APPROVED),
    ],
)
def test_an_approved_application_stands_where_its_halves_stand(
    halves: list[tuple[Half, Half | None]], status: Status
) -> None:
    items = tuple(Item(revocation=revocation, issuance=issuance) for revocation, issuance in halves)
    assert status_of_halves(dataclasses.replace(an_issuance(), items=items).halves) is status


def test_an_application_is_withdrawn_until_it_is_carried_out() -> None:
    for status in Status:
        if status in OPEN:
            assert filed(status).withdrawn().status is Status.WITHDRAWN
        else:
            with pytest.raises(NotAllowed):
                filed(status).withdrawn()


def test_a_half_is_due_on_its_date_and_an_urgent_revocation_at_once() -> None:
    item = Item(reason=Reason.DISPOSED, revocation=Half.WAITING, revocation_on=TODAY, issuance=Half.WAITING)
    before = TODAY - datetime.timedelta(days=1)
    assert (item.revocation_is_due(before), item.revocation_is_due(TODAY)) == (False, True)
    assert item.issuance_is_due(before)
    assert dataclasses.replace(item, reason=Reason.LOST).revocation_is_due(before)
    assert dataclasses.replace(item, revocation=Half.FAILED).revocation_is_due(TODAY)
    assert not dataclasses.replace(item, revocation=Half.DONE).revocation_is_due(TODAY)

"""Signed approvals on the records: what is put there, and that nothing comes of what somebody else wrote into them."""

import asyncio
import dataclasses
import functools
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ca_server.authority.issuer import PlannedCertificate, WillNotSign
from ca_server.clock import DAY
from ca_server.domain.administrators import Half
from ca_server.domain.applications import Filed, Kind, Status
from ca_server.domain.approvals import RECORDED, Act, Approval, OfficerKey, Signing, Trust, to_be_signed
from ca_server.domain.officers import Acting
from ca_server.errors import NotAllowed, NotEntitled, TryLater
from ca_server.operations import applications
from ca_server.store import approvals, audit, certificates, seats
from keys.algorithms import PrivateKey, sign
from keys.errors import KeystoreError
from keys.generate import generate
from protocol.names import CommonName
from tests.ca_server.databases import located, raw
from tests.ca_server.operations.bureau import CAROL, Bureau, house
from tests.ca_server.paper import (
    ALICE,
    BOB,
    INSTITUTION,
    NOW,
    YAMADA,
    a_revocation,
    an_issuance,
    read,
    successor,
    who,
)

HERE = "11" * 32
FETCHED, MAILED, FRESH = (CommonName.parse(f"{INSTITUTION}-{number:03d}") for number in (1, 3, 4))


@functools.cache
def key_of(officer: str) -> PrivateKey:
    return generate("P-256")


def listed(officer: str, until: int | None = None) -> OfficerKey:
    spki = key_of(officer).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return OfficerKey(officer, officer, spki, NOW + 1, until)


@dataclasses.dataclass(kw_only=True)
class SignedBureau(Bureau):
    """The bureau after its operator demanded signatures; what it has done before was recorded alone."""

    keys: list[OfficerKey] = dataclasses.field(default_factory=lambda: [listed("alice"), listed("bob")])

    def demand(self) -> "SignedBureau":
        """Demand signatures."""
        self.terms = dataclasses.replace(self.terms, trust=Trust(HERE, lambda: self.keys, two_officers=True))
        return self

    def signed(self, number: int, act: Act, officer: str, *, at: int = 0) -> Approval:
        """Return an officer's signature under what the application says now."""
        content = to_be_signed(HERE, self.show(number), act, officer, at or self.now)
        return Approval(act, officer, at or self.now, listed(officer).sha256, sign(key_of(officer), content))

    def signing(self, approval: Approval | None) -> Signing:
        return Signing(self.terms.trust, demanded=True, approval=approval)

    def examine(self, number: int, approval: Approval | None, by: Acting = ALICE) -> Filed:
        """Have an officer examine with a signature. Raises what is returned."""
        return _raised(self.records.write(applications.examine, number, by, self.now, self.signing(approval)))

    def approve_by(self, number: int, approval: Approval | None, by: Acting = BOB) -> Filed:
        """Have an officer approve with a signature. Raises what is returned."""
        signing = self.signing(approval)
        return _raised(self.records.write(applications.approve, number, by, self.now, signing, four_eyes=True))

    def decide(self, number: int) -> Filed:
        """Have alice examine and bob approve, each with a signature."""
        self.examine(number, self.signed(number, Act.EXAMINED, "alice"))
        return self.approve_by(number, self.signed(number, Act.APPROVED, "bob"))

    def plant(self, statement: str, **values: object) -> None:
        """Write by hand what no operation would."""
        with raw(located(self.folder)) as connection:
            connection.execute(statement, values)
        connection.close()

    def plant_approval(self, number: int) -> None:
        """Write by hand that alice examined an application and bob approved it."""
        self.plant(
            "UPDATE application SET status = 'approved', examined_by = 'alice', approved_by = 'bob',"
            " examined_at = :moment, approved_at = :moment WHERE number = :number",
            moment=self.now,
            number=number,
        )

    def plan(self, cn: CommonName) -> str:
        """Have a PC order a first certificate of a server that demands nothing, which dies before it signs."""
        mild = dataclasses.replace(self, terms=dataclasses.replace(self.terms, trust=None))
        room = dataclasses.replace(mild._room(), issuer=_Dead())
        with pytest.raises(_Died):
            mild.enrol_in(room, mild.bind(mild.pair(str(cn))))
        (serial,) = self.records.read(certificates.orphans, "another server", self.now)
        return serial


class _Died(Exception):
    """The server ended."""


class _Dead:
    name = "issuing-1"
    certificate = house().issuing.certificate

    async def sign(self, serial: str) -> bytes:
        raise _Died


def _raised(outcome: Filed | NotEntitled) -> Filed:
    if isinstance(outcome, NotEntitled):
        raise outcome
    return outcome


@pytest.fixture
def bureau(tmp_path: Path) -> SignedBureau:
    bureau = SignedBureau.open(tmp_path)
    assert isinstance(bureau, SignedBureau)
    return bureau.demand()


def filed(bureau: SignedBureau) -> int:
    return bureau.file(an_issuance(1)).number


def test_what_two_officers_signed_is_carried_out_and_fetched_and_the_books_balance(bureau: SignedBureau) -> None:
    number = filed(bureau)
    bureau.decide(number)
    bureau.carry_out()
    bureau.fetch(str(FRESH))
    bureau.publish()
    assert bureau.show(number).status is Status.DONE
    assert [each for each in bureau.findings() if f"pplication {number}" in each] == []


@pytest.mark.parametrize("act", list(Act))
def test_a_decision_without_a_signature_is_refused_with_the_way_out(bureau: SignedBureau, act: Act) -> None:
    number = filed(bureau)
    if act is Act.EXAMINED:
        with pytest.raises(NotEntitled, match="--key"):
            bureau.examine(number, None)
        assert bureau.show(number).status is Status.RECEIVED
    else:
        bureau.examine(number, bureau.signed(number, Act.EXAMINED, "alice"))
        with pytest.raises(NotEntitled, match="--key"):
            bureau.approve_by(number, None)
        assert bureau.show(number).status is Status.EXAMINED


def test_a_signature_that_does_not_count_is_logged_and_moves_nothing(bureau: SignedBureau) -> None:
    number, other = filed(bureau), filed(bureau)
    with pytest.raises(NotEntitled, match="not of what"):
        bureau.examine(number, bureau.signed(other, Act.EXAMINED, "alice"))
    assert bureau.show(number).status is Status.RECEIVED
    assert bureau.records.read(approvals.of, number) == ()
    log = bureau.records.read(audit.of_subject, f"application:{number}")
    assert [action for _, _, action, _ in log][-1] == "signature refused"


def test_an_officer_cannot_hand_in_the_signature_of_another(bureau: SignedBureau) -> None:
    number = filed(bureau)
    with pytest.raises(NotEntitled, match="not this decision's"):
        bureau.examine(number, bureau.signed(number, Act.EXAMINED, "bob"))
    with pytest.raises(NotEntitled, match="not this decision's"):
        bureau.examine(number, bureau.signed(number, Act.APPROVED, "alice"))


def test_what_was_changed_after_it_was_shown_is_not_what_was_signed(bureau: SignedBureau) -> None:
    number = filed(bureau)
    approval = bureau.signed(number, Act.EXAMINED, "alice")
    bureau.plant("UPDATE application SET email = 'thief@example.jp' WHERE number = :number", number=number)
    with pytest.raises(NotEntitled, match="not of what"):
        bureau.examine(number, approval)


def test_a_key_that_was_withdrawn_signs_nothing_more_and_what_it_signed_before_counts(bureau: SignedBureau) -> None:
    number, other = filed(bureau), filed(bureau)
    bureau.decide(number)
    bureau.now += 60
    bureau.keys = [listed("alice", until=bureau.now), listed("bob")]
    with pytest.raises(NotEntitled, match="by no key that was registered"):
        bureau.examine(other, bureau.signed(other, Act.EXAMINED, "alice"))
    bureau.carry_out()
    assert bureau.show(number).status is Status.DONE


def test_whoever_has_a_key_that_was_withdrawn_cannot_sign_with_a_moment_before(bureau: SignedBureau) -> None:
    number = filed(bureau)
    bureau.keys = [listed("alice", until=bureau.now + 60), listed("bob")]
    approval = bureau.signed(number, Act.EXAMINED, "alice", at=bureau.now + 59)
    bureau.now += 60
    with pytest.raises(NotEntitled, match="by no key that was registered"):
        bureau.examine(number, approval)


def approved_by_hand(bureau: SignedBureau) -> int:
    """Write a whole approval into the records, with the signatures of another application."""
    signed, number = filed(bureau), filed(bureau)
    bureau.decide(signed)
    bureau.plant_approval(number)
    bureau.plant(
        "INSERT INTO approval SELECT CAST(:number AS INTEGER), act, officer, at, key_sha256, signature FROM approval"
        " WHERE application = :signed",
        number=number,
        signed=signed,
    )
    return number


def test_an_approval_written_by_hand_is_not_carried_out_and_found_by_the_books(bureau: SignedBureau) -> None:
    number = approved_by_hand(bureau)
    with pytest.raises(NotEntitled, match=f"application {number} .*not of what"):
        bureau.carry_out()
    assert bureau.show(number).application.items[0].issuance is Half.WAITING
    found = [each for each in bureau.findings() if f"application {number} " in each]
    assert any("not of what the application says" in each for each in found)


@pytest.mark.only_sqlite  # PostgreSQL keeps nothing of another type in a column
@pytest.mark.parametrize("written", ["act = 'allowed'", "at = 'yesterday'", "signature = 'text'"])
def test_a_row_that_no_operation_wrote_is_no_signature_and_found_by_the_books(
    bureau: SignedBureau, written: str
) -> None:
    number = filed(bureau)
    bureau.decide(number)
    bureau.plant(f"UPDATE approval SET {written} WHERE application = :number AND act = 'approved'", number=number)
    with pytest.raises(NotEntitled, match="no signature"):
        bureau.carry_out()
    assert f"Application {number} has no signature of the officer who approved" in str(bureau.findings())


def test_a_revocation_approved_by_hand_revokes_nothing(bureau: SignedBureau) -> None:
    number = bureau.file(a_revocation(str(FETCHED))).number
    bureau.plant_approval(number)
    with pytest.raises(NotEntitled, match="no signature"):
        bureau.carry_out()
    assert bureau.records.read(seats.get, FETCHED).status == "active"


def test_a_seat_from_before_gets_nothing_planned_until_its_officers_sign_afterwards(bureau: SignedBureau) -> None:
    with pytest.raises(NotAllowed, match="not signed"):
        bureau.fetch(str(MAILED))
    assert bureau.records.read(certificates.of_seat, str(MAILED)) == []
    number = bureau.records.read(seats.application_of, MAILED)
    assert number is not None
    bureau.decide(number)
    bureau.fetch(str(MAILED))
    assert bureau.show(number).status is Status.DONE


def test_nothing_is_planned_while_the_list_of_keys_cannot_be_read(bureau: SignedBureau) -> None:
    def damaged() -> list[OfficerKey]:
        raise KeystoreError("The list cannot be used.")

    bureau.terms = dataclasses.replace(bureau.terms, trust=Trust(HERE, damaged, two_officers=True))
    number = bureau.records.read(seats.application_of, MAILED)
    for act, officer in ((Act.EXAMINED, "alice"), (Act.APPROVED, "bob")):
        bureau.records.write(approvals.put, number, bureau.signed(number, act, officer), bureau.now, "test")
    with pytest.raises(TryLater):
        bureau.fetch(str(MAILED))
    assert bureau.records.read(certificates.of_seat, str(MAILED)) == []


def test_the_issuer_signs_no_plan_for_a_seat_without_signatures_by_itself(bureau: SignedBureau) -> None:
    serial = bureau.plan(MAILED)
    with pytest.raises(WillNotSign, match="no signature"):
        asyncio.run(bureau.issuer().sign(serial))


def test_the_issuer_signs_no_plan_for_a_seat_that_was_written_by_hand(bureau: SignedBureau) -> None:
    number = filed(bureau)
    bureau.decide(number)
    bureau.carry_out()
    serial = bureau.plan(FRESH)
    bureau.plant("UPDATE application_item SET new_cn = NULL WHERE application = :number", number=number)
    with pytest.raises(WillNotSign, match="did not assign"):
        asyncio.run(bureau.issuer().sign(serial))
    given = "UPDATE application_item SET new_cn = :cn WHERE application = :number"
    bureau.plant(given, cn=str(FRESH), number=number)
    assert asyncio.run(bureau.issuer().sign(serial))


def test_the_issuer_signs_a_renewal_of_nothing_but_a_certificate_of_its_own_for_that_seat(bureau: SignedBureau) -> None:
    serial = bureau.plan(MAILED)
    renews = "UPDATE certificate SET predecessor = :predecessor WHERE serial = :serial"
    (other,) = bureau.records.read(certificates.of_seat, str(FETCHED))
    for predecessor in (other.serial, "ff"):
        bureau.plant(renews, predecessor=predecessor, serial=serial)
        with pytest.raises(WillNotSign, match="renews no certificate of ours"):
            asyncio.run(bureau.issuer().sign(serial))


def test_the_issuer_takes_no_forged_certificate_for_one_of_its_own(bureau: SignedBureau) -> None:
    owner = bureau.records.read(certificates.owner, bureau.records.read(certificates.of_seat, str(FETCHED))[0].serial)
    assert owner is not None
    assert owner[2] is not None
    forged = owner[2][:-1] + bytes([owner[2][-1] ^ 1])
    planned = PlannedCertificate("a7", "issuing-1", FETCHED, b"", "", predecessor=owner[2])
    bureau.issuer().require_entitled(planned)
    with pytest.raises(WillNotSign, match="renews no certificate of ours"):
        bureau.issuer().require_entitled(dataclasses.replace(planned, predecessor=forged))


def test_a_certificate_from_before_is_renewed_without_signatures(bureau: SignedBureau) -> None:
    (before,) = bureau.records.read(certificates.of_seat, str(FETCHED))
    owner = bureau.records.read(certificates.owner, before.serial)
    assert owner is not None
    bureau.pass_by(days=360)
    assert bureau.enrol(owner[0]) != before.serial


def test_what_was_done_before_any_officer_had_a_key_balances_unless_a_first_certificate_is_still_to_be_had(
    bureau: SignedBureau,
) -> None:
    bureau.publish()
    number = bureau.records.read(seats.application_of, MAILED)
    unsigned = [each for each in bureau.findings() if "no signature" in each]
    assert [f"Application {number} " in each for each in unsigned] == [True, False]
    bureau.plant("UPDATE seat SET status = 'active' WHERE status = 'approved'")
    assert [each for each in bureau.findings() if "no signature" in each] == []


def test_what_was_done_unsigned_after_the_first_officer_got_a_key_is_found(bureau: SignedBureau) -> None:
    bureau.publish()
    trust, bureau.terms = bureau.terms.trust, dataclasses.replace(bureau.terms, trust=None)
    number = bureau.done(an_issuance(1)).number
    bureau.fetch(str(FRESH))
    bureau.terms = dataclasses.replace(bureau.terms, trust=trust)
    assert f"applications: Application {number} has no signature" in str(bureau.findings())


def test_an_address_written_into_the_records_by_hand_is_found(bureau: SignedBureau) -> None:
    bureau.plant("UPDATE institution SET email = 'thief@example.jp' WHERE code = :code", code=INSTITUTION)
    assert f"{INSTITUTION} is registered with an administrator whom no approved" in str(bureau.findings())


def test_a_signed_change_of_administrator_is_carried_out_and_the_address_before_counts_no_more(
    bureau: SignedBureau,
) -> None:
    number = bureau.file(read(Kind.ADMINISTRATOR_CHANGE, who() | successor(), now=bureau.now)).number
    bureau.decide(number)
    bureau.pass_by(days=3)
    bureau.carry_out()
    assert bureau.show(number).status is Status.DONE
    assert "is registered with" not in str(bureau.findings())
    bureau.plant("UPDATE institution SET email = :email WHERE code = :code", email=YAMADA.email, code=INSTITUTION)
    assert f"{INSTITUTION} is registered with an administrator whom no approved" in str(bureau.findings())


def test_an_application_that_was_approved_by_hand_and_withdrawn_is_found(bureau: SignedBureau) -> None:
    number = filed(bureau)
    bureau.plant_approval(number)
    bureau.plant("UPDATE application SET status = 'withdrawn' WHERE number = :number", number=number)
    assert f"Application {number} has no signature" in str(bureau.findings())


def test_an_approval_is_refused_where_the_examination_was_not_signed(bureau: SignedBureau) -> None:
    number = filed(bureau)
    bureau.records.write(applications.examine, number, ALICE, bureau.now, RECORDED)
    with pytest.raises(NotEntitled, match="who examined"):
        bureau.approve_by(number, bureau.signed(number, Act.APPROVED, "bob"))
    bureau.examine(number, bureau.signed(number, Act.EXAMINED, "alice"))
    assert bureau.approve_by(number, bureau.signed(number, Act.APPROVED, "bob")).status is Status.APPROVED


def test_nobody_signs_afterwards_in_the_place_of_who_decided(bureau: SignedBureau) -> None:
    number = filed(bureau)
    bureau.keys = [*bureau.keys, listed("carol")]
    bureau.decide(number)
    with pytest.raises(NotAllowed, match="only an examined one"):
        bureau.approve_by(number, bureau.signed(number, Act.APPROVED, "carol"), by=CAROL)
    assert {each.officer for each in bureau.records.read(approvals.of, number)} == {"alice", "bob"}


def test_a_signature_of_yesterday_is_refused(bureau: SignedBureau) -> None:
    number = filed(bureau)
    with pytest.raises(NotEntitled, match="of another time"):
        bureau.examine(number, bureau.signed(number, Act.EXAMINED, "alice", at=NOW - DAY))

"""Restored records have forgotten what happened since their backup; what a published list tells is taken from it."""

import asyncio
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ca_server.authority import ocsp
from ca_server.backup import lists
from ca_server.clock import DAY, HOUR, MINUTE
from ca_server.domain.credentials import CredentialStatus
from ca_server.domain.officers import Acting
from ca_server.domain.reasons import Reason
from ca_server.domain.seats import SeatStatus
from ca_server.errors import AccountUnusable, CredentialRefused, CredentialUnknown, Invalid
from ca_server.operations import accounts, issuance, restoration, suspension
from ca_server.operations.revocation import Decision, revoke_certificate, revoke_seat
from ca_server.store import SynchronousDatabase, audit, certificates, credentials, outbox, seats, snapshot
from protocol.names import CommonName
from protocol.vocabulary import RevocationReason
from tests.ca_server.databases import located
from tests.ca_server.operations.bureau import CAROL, ISSUER, Bureau, _Awaited, house
from tests.ca_server.operations.conftest import BrokenIssuer, SigningFailed

FIRST, SECOND, THIRD = (CommonName.parse(f"F123456-00{number}") for number in (1, 2, 3))
OTHER_PAIR = CommonName.parse("F654321-002")
VALIDITY = house().leaves.validity_days


@dataclasses.dataclass
class Disaster:
    """A CA, the backup that was made of it, and the folder in which it is restored."""

    bureau: Bureau
    backup: Path
    made_at: int
    folder: Path

    @classmethod
    def prepared(cls, folder: Path) -> "Disaster":
        """Publish a list, and make a backup."""
        (folder / "lost").mkdir()
        (folder / "found" / "public").mkdir(parents=True)
        bureau = Bureau.open(folder / "lost")
        bureau.publish()
        disaster = cls(bureau, folder / "found" / "warifu.db", bureau.now, folder / "found")
        disaster.back_up()
        bureau.now += HOUR
        return disaster

    def back_up(self) -> None:
        self.backup.unlink(missing_ok=True)
        self.backup.touch()
        snapshot.copy(located(self.bureau.folder), self.backup)
        self.made_at = self.bureau.now

    def serial(self, cn: CommonName) -> str:
        return self.bureau.records.read(certificates.of_seat, str(cn))[-1].serial

    def revoke(self, cn: CommonName, reason: RevocationReason = RevocationReason.superseded) -> None:
        decision = Decision(reason, "officer:carol", self.bureau.now)
        self.bureau.records.write(revoke_seat, cn, decision, self.bureau.entry)

    def newest(self) -> list[restoration.PublishedList]:
        """Return the list that outlived the records."""
        issuers = {ISSUER: house().issuing.certificate}
        return [each for each, _ in lists.newest(issuers, [], [self.bureau.crl_file]).values()]

    def restore(
        self,
        published: Sequence[restoration.PublishedList] | None = None,
        officer: Acting | None = None,
        chronicle: restoration.Chronicle = restoration.Chronicle(),  # noqa: B008 - a frozen value
    ) -> tuple[Bureau, restoration.Outcome]:
        """Restore, with the newest list unless others are given, and return the CA as it is then."""
        after = dataclasses.replace(
            self.bureau, records=SynchronousDatabase(self.backup), folder=self.folder, now=self.bureau.now + MINUTE
        )
        self.opened.append(after)
        premises = restoration.Premises(
            made_at=self.made_at,
            issuers=[ISSUER],
            terms=after.terms.pair,
            entry=after.entry,
            partitions=after.partitions,
            validity_days=VALIDITY,
            actor="login:root",
            officer=officer,
            chronicle=chronicle,
        )
        found = self.newest() if published is None else published
        outcome = after.records.write(restoration.make_safe, found, premises, after.now)
        root_crl = self.bureau.folder / "public" / "root.crl"
        (self.folder / "public" / "root.crl").write_bytes(root_crl.read_bytes())
        if found:
            after.crl_file.write_bytes(self.bureau.crl_file.read_bytes())
        return after, outcome

    opened: list[Bureau] = dataclasses.field(default_factory=list)


@pytest.fixture
def disaster(tmp_path: Path) -> Iterator[Disaster]:
    made = Disaster.prepared(tmp_path)
    yield made
    for each in (made.bureau, *made.opened):
        each.records.close()


def status(bureau: Bureau, cn: CommonName) -> SeatStatus:
    return bureau.records.read(seats.get, cn).status


def test_numbers_go_on_above_every_list_that_can_have_been_published_without_any_at_hand(disaster: Disaster) -> None:
    """The schedule publishes four times a second at the most."""
    for _ in range(4):
        last = disaster.bureau.publish()
    disaster.bureau.now = disaster.made_at + 1 - MINUTE
    after, _ = disaster.restore([])
    assert after.publish() > last


def test_numbers_go_on_above_the_newest_list_however_young_the_backup_is(disaster: Disaster) -> None:
    newest = dataclasses.replace(disaster.newest()[0], number=1_000_000)
    after, _ = disaster.restore([newest])
    assert after.publish() > 1_000_000


def test_what_was_revoked_since_is_revoked_again_as_the_list_says(disaster: Disaster) -> None:
    disaster.revoke(FIRST, RevocationReason.cessationOfOperation)
    revoked_at = disaster.bureau.now
    disaster.bureau.publish()
    disaster.bureau.now += DAY
    after, outcome = disaster.restore()
    assert outcome.revoked == [disaster.serial(FIRST)]
    assert status(after, FIRST) is SeatStatus.REVOKED
    assert after.told(disaster.serial(FIRST)) == ocsp.revoked(revoked_at, RevocationReason.cessationOfOperation)
    after.publish()
    assert after.shown() == disaster.bureau.shown()
    assert after.findings() == []


def test_the_entry_in_the_log_bears_the_moment_of_the_restore_and_not_that_of_the_revocation(
    disaster: Disaster,
) -> None:
    disaster.revoke(FIRST)
    disaster.bureau.publish()
    disaster.bureau.now += DAY
    after, _ = disaster.restore()
    entries = after.records.read(audit.of_subject, str(FIRST))
    assert {at for at, actor, *_ in entries if actor == "login:root"} == {after.now}


def test_a_key_that_was_compromised_since_is_blocked_again(disaster: Disaster) -> None:
    disaster.revoke(FIRST, RevocationReason.keyCompromise)
    disaster.bureau.publish()
    after, _ = disaster.restore()
    key = after.records.read(certificates.key_of, disaster.serial(FIRST))
    assert after.records.read(certificates.key_blocked, str(key))


def test_a_seat_lives_on_when_one_of_two_certificates_was_revoked(disaster: Disaster) -> None:
    bureau = disaster.bureau
    bureau.now = disaster.made_at + (VALIDITY - 40) * DAY
    owner = bureau.records.read(certificates.owner, disaster.serial(FIRST))
    assert owner is not None
    renewed = bureau.enrol(owner[0])
    disaster.back_up()
    old, _ = sorted(bureau.records.read(certificates.of_seat, str(FIRST)), key=lambda each: each.serial == renewed)
    decision = Decision(RevocationReason.superseded, "officer:carol", bureau.now)
    bureau.records.write(revoke_certificate, old.serial, decision, bureau.entry)
    bureau.publish()
    after, outcome = disaster.restore()
    assert outcome.revoked == [old.serial]
    assert status(after, FIRST) is SeatStatus.ACTIVE
    after.publish()
    assert after.findings() == []


def test_what_the_records_have_lost_stays_revoked_until_it_must_have_ended(disaster: Disaster) -> None:
    serial = disaster.bureau.fetch(str(THIRD))
    disaster.revoke(THIRD)
    disaster.bureau.publish()
    after, outcome = disaster.restore()
    assert outcome.lost == [serial]
    after.publish()
    assert serial in after.shown()
    assert after.told(serial) == ocsp.revoked(disaster.bureau.now, RevocationReason.superseded)
    assert after.findings() == []
    after.now += VALIDITY * DAY + 1
    after.publish()  # one list more shows it (RFC 5280 §3.3)
    assert serial in after.shown()
    after.now += HOUR
    after.publish()
    assert serial not in after.shown()


def test_what_the_records_have_lost_is_on_the_list_of_its_partition(disaster: Disaster) -> None:
    disaster.bureau.partitions = 2
    serial = disaster.bureau.fetch(str(THIRD))
    disaster.revoke(THIRD)
    disaster.bureau.publish()
    after, _ = disaster.restore()
    after.publish()
    own = after.crl_file.with_name(f"{ISSUER}-{1 + int(serial, 16) % 2}.crl")
    number = int(serial, 16)
    assert number.to_bytes(number.bit_length() // 8 + 1, "big") in own.read_bytes()  # as DER has it
    assert after.findings() == []


def test_what_was_suspended_since_wants_an_officer_and_is_suspended_again(disaster: Disaster) -> None:
    request = suspension.Request(Reason.LOST, "the administrator", CAROL)
    disaster.bureau.records.write(suspension.suspend, FIRST, request, disaster.bureau.entry, disaster.bureau.now)
    disaster.bureau.publish()
    with pytest.raises(Invalid, match=str(FIRST)):
        disaster.restore()
    after, outcome = disaster.restore(officer=CAROL)
    assert outcome.suspended == [str(FIRST)]
    assert status(after, FIRST) is SeatStatus.SUSPENDED
    after.publish()
    assert after.shown() == {disaster.serial(FIRST): "certificateHold"}
    assert after.findings() == []


def test_a_pair_that_was_open_yields_nothing_any_more_and_a_fresh_one_leaves_after_some_hours(
    disaster: Disaster,
) -> None:
    """It may have been used since the backup, and would yield a second certificate."""
    pair = disaster.bureau.pair(str(THIRD))
    disaster.bureau.fetch(str(THIRD))
    after, outcome = disaster.restore()
    assert outcome.invited == [str(THIRD), str(OTHER_PAIR)]
    with pytest.raises((CredentialRefused, CredentialUnknown)):
        after.bind(pair)
    soon = after.records.read(outbox.due, after.now + restoration.SECONDS_TO_CORRECT - 1, 100)
    later = after.records.read(outbox.due, after.now + restoration.SECONDS_TO_CORRECT + HOUR, 100)
    fresh = after.records.read(credentials.live_of_seat, THIRD)[-1]
    kinds = [mail.kind for mail in later if mail.credential_id == fresh.id]
    assert [mail for mail in soon if mail.credential_id == fresh.id] == []
    assert sorted(kinds) == ["enrolment-password", "enrolment-url"]
    assert after.fetch(str(THIRD))
    after.publish()
    assert after.findings() == []


def test_an_account_that_may_have_got_a_certificate_since_gets_no_second_one(disaster: Disaster) -> None:
    account = disaster.bureau.bind(disaster.bureau.pair(str(THIRD)))
    disaster.back_up()
    disaster.bureau.enrol(account)
    after, _ = disaster.restore()
    with pytest.raises(AccountUnusable):
        after.enrol(account)


def test_an_account_bound_by_a_pair_that_ran_out_ends_too_and_nobody_is_invited(disaster: Disaster) -> None:
    """Expiry stops nobody who bound it before (protocol.md, State, rule 3)."""
    account = disaster.bureau.bind(disaster.bureau.pair(str(THIRD)))
    disaster.back_up()
    disaster.bureau.now += 31 * DAY
    after, outcome = disaster.restore()
    assert outcome.invited == []
    with pytest.raises(AccountUnusable):
        after.records.read(accounts.show, account)


def test_a_used_pair_and_the_account_of_a_certificate_stay_as_they_are(disaster: Disaster) -> None:
    before = disaster.bureau.records.read(credentials.of_seat, str(FIRST))
    after, _ = disaster.restore()
    assert after.records.read(credentials.of_seat, str(FIRST)) == before
    assert before[-1][0].status is CredentialStatus.USED


def test_what_a_list_names_that_is_revoked_on_record_is_left_alone(disaster: Disaster) -> None:
    disaster.revoke(SECOND)
    disaster.bureau.publish()
    disaster.back_up()
    _, outcome = disaster.restore()
    assert (outcome.revoked, outcome.lost) == ([], [])


def test_the_log_says_that_the_records_were_restored_and_as_of_when(disaster: Disaster) -> None:
    after, _ = disaster.restore()
    newest = after.records.read(audit.of_subject, "2026-11-23T12:01:00Z")
    assert [(actor, action) for _, actor, action, _ in newest] == [("login:root", "records restored")]


def test_a_certificate_that_the_audit_log_alone_knows_is_revoked_and_its_seat_gets_a_fresh_pair(
    disaster: Disaster,
) -> None:
    """Nobody could revoke it any more, for the records do not know it."""
    disaster.bureau.now = disaster.made_at + (VALIDITY - 40) * DAY
    disaster.back_up()
    owner = disaster.bureau.records.read(certificates.owner, disaster.serial(FIRST))
    assert owner is not None
    renewed = disaster.bureau.enrol(owner[0])
    told = restoration.Chronicle([restoration.Planned(renewed, FIRST)])
    after, outcome = disaster.restore(chronicle=told)
    assert (outcome.lost, outcome.unknown) == ([renewed], [])
    assert str(FIRST) in outcome.invited
    after.publish()
    assert after.shown() == {renewed: "superseded"}
    assert after.fetch(str(FIRST)) != renewed
    assert after.findings() == []


def test_a_seat_that_was_revoked_since_gets_no_fresh_pair_where_the_audit_log_tells_of_it(disaster: Disaster) -> None:
    serial = disaster.bureau.fetch(str(THIRD))
    disaster.revoke(THIRD, RevocationReason.keyCompromise)
    revoked_at = disaster.bureau.now
    disaster.bureau.publish()
    told = restoration.Chronicle(
        [restoration.Planned(serial, THIRD)],
        [restoration.Revoked(THIRD, RevocationReason.keyCompromise, revoked_at)],
    )
    after, outcome = disaster.restore(chronicle=told)
    assert (outcome.ended, outcome.lost, outcome.invited) == ([str(THIRD)], [serial], [str(OTHER_PAIR)])
    assert status(after, THIRD) is SeatStatus.REVOKED
    after.publish()
    assert after.shown() == disaster.bureau.shown()
    assert after.findings() == []


def test_a_seat_that_was_approved_since_is_named(disaster: Disaster) -> None:
    told = restoration.Chronicle([restoration.Planned("5eed", CommonName.parse("F123456-009"))])
    _, outcome = disaster.restore(chronicle=told)
    assert (outcome.lost, outcome.unknown) == (["5eed"], ["F123456-009"])


def test_a_plan_that_stood_is_finished_as_ever_with_its_pair(disaster: Disaster) -> None:
    """The same bytes are signed again under the same serial number, which the PC may have."""
    bureau = disaster.bureau
    account = bureau.bind(bureau.pair(str(THIRD)))
    room = dataclasses.replace(bureau._room(), issuer=BrokenIssuer(ISSUER, house().issuing, nobody))
    with pytest.raises(SigningFailed):
        bureau.enrol_in(room, account)
    disaster.back_up()
    after, outcome = disaster.restore()
    assert outcome.invited == [str(OTHER_PAIR)]
    serial = disaster.serial(THIRD)
    asyncio.run(issuance.finish_orphans(_Awaited(after.records), after._room(), after.entry, after.now))  # type: ignore[arg-type]
    after.publish()
    assert after.told(serial) == ocsp.GOOD
    assert after.findings() == []


def test_a_plan_that_the_list_revokes_is_given_up(disaster: Disaster) -> None:
    bureau = disaster.bureau
    account = bureau.bind(bureau.pair(str(THIRD)))
    room = dataclasses.replace(bureau._room(), issuer=BrokenIssuer(ISSUER, house().issuing, nobody))
    with pytest.raises(SigningFailed):
        bureau.enrol_in(room, account)
    disaster.back_up()
    serial = disaster.serial(THIRD)
    listed = restoration.Listed(serial, bureau.now, RevocationReason.superseded)
    newest = dataclasses.replace(disaster.newest()[0], entries=[listed])
    after, outcome = disaster.restore([newest])
    assert outcome.revoked == [serial]
    after.publish()
    assert serial in after.shown()
    assert after.findings() == []


async def nobody(_: str) -> None:
    """Know no plan."""

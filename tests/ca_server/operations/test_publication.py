"""CRLs are published whole, in the order of their numbers, by one server at a time, and by partitions where wanted."""

import asyncio
import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca_server.authority import crl, hierarchy
from ca_server.authority.extensions import crl_url_of
from ca_server.clock import DAY, HOUR, MINUTE
from ca_server.domain.reasons import Reason
from ca_server.operations import publication, suspension
from ca_server.operations.revocation import Decision, revoke_seat
from ca_server.store import Conflict, SynchronousDatabase, certificates, leases, outbox, revocations
from keys.generate import generate
from protocol.names import CommonName
from protocol.vocabulary import RevocationReason
from tests.ca_server.databases import copied, located, raw
from tests.ca_server.operations.bureau import ISSUER, At, Bureau, _Awaited, house
from tests.ca_server.paper import ALICE, NOW

FIRST, SECOND = CommonName.parse("F123456-001"), CommonName.parse("F123456-002")
CALL = suspension.Request(Reason.LOST, "みどり銀行 山田様", ALICE)


@pytest.fixture
def bureau(tmp_path: Path) -> Iterator[Bureau]:
    opened = Bureau.open(tmp_path)
    yield opened
    opened.records.close()


class Died(Exception):
    """A server died; whatever it held is left as it was."""


class Meddled(_Awaited):
    """The records, and something else that happens before one of the steps."""

    def __init__(self, bureau: Bureau, step: Callable[..., Any], meanwhile: Callable[[], object]) -> None:
        super().__init__(bureau.records)
        self._step = step
        self._meanwhile = meanwhile

    async def write(self, operation: Any, *arguments: Any, **named: Any) -> Any:
        if operation is self._step:
            self._meanwhile()
        return await super().write(operation, *arguments, **named)

    async def read(self, operation: Any, *arguments: Any, **named: Any) -> Any:
        if operation is self._step:
            self._meanwhile()
        return await super().lookup(operation, *arguments, **named)


def publish(bureau: Bureau, *presses: publication.Press, holder: str = "bureau", records: Any = None) -> int | None:
    awaited = records or _Awaited(bureau.records)
    return asyncio.run(publication.publish(awaited, presses or (bureau.press,), holder, At(bureau.now)))


def elsewhere(bureau: Bureau) -> int | None:
    """Have another server publish, while this one is in the middle of it."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(publish, bureau, holder="other").result()


def due(bureau: Bureau, *presses: publication.Press) -> bool:
    return bureau.records.read(publication.is_due, presses or (bureau.press,), bureau.now)


def serial(bureau: Bureau, cn: CommonName = FIRST) -> str:
    (certificate,) = bureau.records.read(certificates.of_seat, str(cn))
    return certificate.serial


def revoke(bureau: Bureau, cn: CommonName = FIRST) -> None:
    decision = Decision(RevocationReason.superseded, "officer:test", bureau.now)
    bureau.records.write(revoke_seat, cn, decision, bureau.entry)


def in_partitions(bureau: Bureau, count: int) -> publication.Press:
    """Put the certificates on record in partitions by their serial numbers, as their plans would have."""
    with contextlib.closing(raw(located(bureau.folder))) as outside:
        serials = [row[0] for row in outside.execute("SELECT serial FROM certificate")]
        profile = dataclasses.replace(house().leaves, crl_partitions=count)
        for each in serials:
            partition = profile.partition(int(each, 16))
            outside.execute("UPDATE certificate SET partition = ? WHERE serial = ?", (partition, each))
        outside.commit()
    return dataclasses.replace(bureau.press, partitions=count)


def lists(bureau: Bureau) -> dict[int, x509.CertificateRevocationList]:
    """Return the published lists by partition, 0 for the one of all."""
    found = {}
    for path in bureau.crl_file.parent.glob(f"{ISSUER}*.crl"):
        partition = path.stem.removeprefix(ISSUER).removeprefix("-")
        found[int(partition or 0)] = x509.load_der_x509_crl(path.read_bytes())
    return found


def serials(published: x509.CertificateRevocationList) -> set[str]:
    return {f"{entry.serial_number:x}" for entry in published}


# Numbers


def test_numbers_rise_by_one_from_list_to_list(bureau: Bureau) -> None:
    assert [bureau.publish() for _ in range(3)] == [1, 2, 3]


def test_after_a_restore_the_number_is_above_the_published_files(bureau: Bureau) -> None:
    backup = bureau.folder / "backup"
    backup.mkdir()
    bureau.records.close()
    copied(located(bureau.folder), backup)
    bureau.records = SynchronousDatabase(located(bureau.folder))
    numbers = [bureau.publish() for _ in range(3)]
    bureau.records.close()
    restored = dataclasses.replace(bureau, records=SynchronousDatabase(located(backup)))
    assert restored.publish() == max(numbers) + 1
    assert restored.findings() == []


def test_a_damaged_file_is_an_alarm_and_the_records_say_which_number_is_next(
    bureau: Bureau, caplog: pytest.LogCaptureFixture
) -> None:
    bureau.publish()
    for damage in (b"", b"no CRL", bureau.crl_file.read_bytes()[:-1]):
        bureau.crl_file.write_bytes(damage)
        caplog.clear()
        number = bureau.publish()
        assert "is damaged" in caplog.text
        assert crl.number_of(bureau.crl_file.read_bytes()) == number


def test_the_number_of_a_list_that_never_came_out_is_not_taken_again(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bureau.publish()
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("No space left on device")))
        with pytest.raises(OSError, match="No space"):
            bureau.publish()
    assert due(bureau)
    assert bureau.publish() == first + 2
    assert bureau.findings() == []
    assert [path.name for path in bureau.crl_file.parent.iterdir() if path.name.startswith(".")] == []


# What is on a list


def test_a_certificate_that_ended_is_on_one_list_more_and_then_on_none(bureau: Bureau) -> None:
    revoke(bureau)
    bureau.publish()
    (certificate,) = bureau.records.read(certificates.of_seat, str(FIRST))
    bureau.now = certificate.not_after - HOUR
    bureau.publish()
    bureau.now = certificate.not_after + 1
    bureau.publish()
    assert serials(lists(bureau)[0]) == {certificate.serial}
    bureau.now += HOUR
    bureau.publish()
    assert serials(lists(bureau)[0]) == set()


def test_what_is_revoked_while_a_list_is_begun_is_on_it_and_waits_for_the_next_all_the_same(bureau: Bureau) -> None:
    meddled = Meddled(bureau, certificates.crl_entries, lambda: revoke(bureau))
    publish(bureau, records=meddled)
    assert serials(lists(bureau)[0]) == {serial(bureau)}
    assert due(bureau)
    bureau.publish()
    assert not due(bureau)


def test_the_record_says_how_many_entries_the_list_has(bureau: Bureau) -> None:
    revoke(bureau)
    revoke(bureau, SECOND)
    number = bureau.publish()
    newest = bureau.records.read(revocations.published_crl, ISSUER)
    assert newest is not None
    assert (newest.number, newest.entries) == (number, 2)


# When


@pytest.mark.parametrize("cn", [FIRST, CommonName.parse("F123456-003")])
def test_a_hold_and_its_release_bring_one_list_forward_each_though_the_clock_stands(
    bureau: Bureau, cn: CommonName
) -> None:
    bureau.publish()
    assert not due(bureau)
    bureau.records.write(suspension.suspend, cn, CALL, bureau.entry, bureau.now)
    assert due(bureau)
    bureau.publish()
    assert not due(bureau)
    bureau.records.write(suspension.release, cn, ALICE.actor, bureau.now)
    assert due(bureau)
    bureau.publish()
    assert not due(bureau)
    assert serials(lists(bureau)[0]) == set()


def test_a_list_is_due_each_hour_and_when_the_clock_went_back(bureau: Bureau) -> None:
    bureau.publish()
    bureau.now += HOUR - 1
    assert not due(bureau)
    bureau.now += 1
    assert due(bureau)
    bureau.now -= HOUR + 1
    assert due(bureau)


def test_many_decisions_are_told_by_one_list(bureau: Bureau, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication, "_TOLD_AT_ONCE", 1)
    revoke(bureau)
    revoke(bureau, SECOND)
    bureau.publish()
    waiting = bureau.records.read(outbox.due, bureau.now, 100)
    assert sorted(mail.cn or "" for mail in waiting if mail.kind == "revoked") == [str(FIRST), str(SECOND)]
    assert not due(bureau)


# One server at a time


def test_a_server_waits_while_another_publishes(bureau: Bureau) -> None:
    answers = []
    meddled = Meddled(bureau, certificates.crl_entries, lambda: answers.append(elsewhere(bureau)))
    assert publish(bureau, records=meddled) == 1
    assert answers == [None]
    assert publish(bureau, holder="other") == 2


def test_a_server_that_died_keeps_others_from_publishing_for_seconds_and_itself_not_at_all(bureau: Bureau) -> None:
    def die() -> None:
        raise Died

    for holder, seconds, number in (("bureau", 0, 2), ("other", publication._LEASE_SECONDS, 4)):
        with pytest.raises(Died):
            publish(bureau, records=Meddled(bureau, certificates.crl_entries, die))
        if seconds:
            assert publish(bureau, holder=holder) is None
            bureau.now += seconds
        assert publish(bureau, holder=holder) == number


def test_a_server_that_was_stopped_until_another_published_places_nothing(bureau: Bureau) -> None:
    def overtake() -> None:
        bureau.now += MINUTE
        assert elsewhere(bureau) == 2

    with pytest.raises(Conflict):
        publish(bureau, records=Meddled(bureau, leases.renew, overtake))
    assert crl.number_of(bureau.crl_file.read_bytes()) == 2
    assert bureau.findings() == []


def test_a_server_that_was_stopped_right_before_it_places_finds_its_files_gone(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out = publication._lay_out

    def stopped(sheets: Any) -> None:
        monkeypatch.setattr(publication, "_lay_out", lay_out)
        bureau.now += 2 * MINUTE
        assert elsewhere(bureau) == 2
        lay_out(sheets)

    monkeypatch.setattr(publication, "_lay_out", stopped)
    with pytest.raises(FileNotFoundError):
        publish(bureau)
    assert crl.number_of(bureau.crl_file.read_bytes()) == 2


# Several issuers


def test_the_lists_of_all_issuers_bear_one_number_and_a_decision_is_told_when_all_are_out(bureau: Bureau) -> None:
    other = dataclasses.replace(
        bureau.press,
        issuer="issuing-2",
        signer=hierarchy.make_issuing(house().profile, house().root, generate("P-256"), NOW),
        path=bureau.crl_file.with_name("issuing-2.crl"),
    )
    assert [bureau.publish(), bureau.publish()] == [1, 2]
    assert due(bureau, bureau.press, other)
    revoke(bureau)
    (decision,) = bureau.records.read(revocations.unpublished)

    def nothing_told() -> None:
        assert bureau.records.read(revocations.unpublished) == [decision]
        assert {crl.number_of(path.read_bytes()) for path in (bureau.press.path, other.path)} == {3}

    assert publish(bureau, bureau.press, other, records=Meddled(bureau, publication._record, nothing_told)) == 3
    assert bureau.records.read(revocations.unpublished) == []
    assert not due(bureau, bureau.press, other)
    published = x509.load_der_x509_crl(other.path.read_bytes())
    assert published.is_signature_valid(other.signer.certificate.public_key())
    assert serials(published) == set()
    assert serials(lists(bureau)[0]) == {serial(bureau)}


@pytest.mark.parametrize(("issuers", "outlived"), [("ab", 200), ("a", 200), ("b", 100)])
def test_the_time_that_was_outlived_is_read_issuer_by_issuer(bureau: Bureau, issuers: str, outlived: int) -> None:
    for issuer, number, at in (
        ("a", 1, 100),
        ("a", 2, 200),
        ("a", 3, 900),
        ("b", 7, 500),
        ("b", 8, 100),
        ("b", 9, 700),
    ):
        if issuer in issuers:
            bureau.records.write(revocations.draft_crl, issuer, number, (at, at + DAY), 0)
            bureau.records.write(revocations.crl_published, issuer, (number, 0, "x"), at)
    assert bureau.records.read(revocations.last_update_until, 600) == outlived


# Partitions


def test_each_partition_has_a_list_of_the_same_number_and_the_list_of_all_holds_everything(bureau: Bureau) -> None:
    press = in_partitions(bureau, 3)
    revoke(bureau)
    revoke(bureau, SECOND)
    number = publish(bureau, press)
    published = lists(bureau)
    assert sorted(published) == [0, 1, 2, 3]
    assert serials(published[0]) == {serial(bureau), serial(bureau, SECOND)}
    for partition, found in published.items():
        assert crl.number_of(found.public_bytes(Encoding.DER)) == number
        assert found.is_signature_valid(house().issuing.certificate.public_key())
        if partition:
            point = found.extensions.get_extension_for_class(x509.IssuingDistributionPoint)
            assert point.critical
            assert point.value.full_name == [x509.UniformResourceIdentifier(crl_url_of(press.url, partition))]
            assert serials(found) == {each for each in serials(published[0]) if 1 + int(each, 16) % 3 == partition}
    with pytest.raises(x509.ExtensionNotFound):
        published[0].extensions.get_extension_for_class(x509.IssuingDistributionPoint)


def test_more_partitions_have_their_lists_at_once_so_that_no_certificate_names_a_missing_one(bureau: Bureau) -> None:
    bureau.publish()
    press = dataclasses.replace(bureau.press, partitions=2)
    assert due(bureau, press)
    publish(bureau, press)
    assert not due(bureau, press)
    assert sorted(lists(bureau)) == [0, 1, 2]


def test_partitions_that_certificates_are_in_keep_their_lists_when_new_ones_go_elsewhere(bureau: Bureau) -> None:
    press = in_partitions(bureau, 3)
    publish(bureau, press)
    used = bureau.records.read(certificates.last_partition, ISSUER)
    for partitions in (0, 1):
        bureau.now += HOUR
        number = publish(bureau, dataclasses.replace(press, partitions=partitions))
        found = lists(bureau)
        current = {key for key, each in found.items() if crl.number_of(each.public_bytes(Encoding.DER)) == number}
        assert current == set(range(used + 1))
        assert not due(bureau, dataclasses.replace(press, partitions=partitions))


def test_a_server_that_dies_between_the_files_of_a_round_leaves_no_number_to_be_taken_again(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    press = in_partitions(bureau, 2)
    publish(bureau, press)

    def cut_off(sheets: Any) -> None:
        (beside, path), *_ = sheets
        beside.replace(path)
        raise Died

    with monkeypatch.context() as broken:
        broken.setattr(publication, "_lay_out", cut_off)
        with pytest.raises(Died):
            publish(bureau, press)
    assert crl.number_of(bureau.crl_file.read_bytes()) == 2
    assert due(bureau, press)
    assert publish(bureau, press) == 3
    assert {crl.number_of(each.public_bytes(Encoding.DER)) for each in lists(bureau).values()} == {3}

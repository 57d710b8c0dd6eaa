"""Several servers publish, each in a folder of its own: the same bytes everywhere, and never a lower number."""

import asyncio
import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ca_server.authority import crl
from ca_server.clock import MINUTE
from ca_server.operations import publication
from ca_server.store import Conflict, revocations
from tests.ca_server.operations.bureau import ISSUER, Bureau, _Awaited
from tests.ca_server.operations.test_publication import Died, Meddled, bureau, due, in_partitions, publish

__all__ = ["bureau"]


async def test_the_lease_is_renewed_while_a_list_is_made_however_long_it_takes(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publication, "_RENEWED_EACH", 0.01)

    class Slow(_Awaited):
        async def read(self, operation: Any, *arguments: Any, **named: Any) -> Any:
            bureau.now += publication._LEASE_SECONDS - 1
            await asyncio.sleep(0.1)
            bureau.now += publication._LEASE_SECONDS - 1
            return await super().lookup(operation, *arguments, **named)

    class Now:
        def now(self) -> int:
            return bureau.now

    assert await publication.publish(Slow(bureau.records), (bureau.press,), "bureau", Now()) == 1
    assert bureau.findings() == []


# Several servers, each with a folder of its own


def another_folder(bureau: Bureau) -> publication.Press:
    folder = bureau.crl_file.parent.parent / "elsewhere"
    folder.mkdir(exist_ok=True)
    return dataclasses.replace(bureau.press, path=folder / bureau.crl_file.name, shared=True)


def place(bureau: Bureau, press: publication.Press, records: Any = None) -> None:
    asyncio.run(publication.place_published(records or _Awaited(bureau.records), [press]))


def facts(path: Path) -> dict[str, tuple[bytes, int]]:
    """Return the lists in the folder of one, and the times that make their ETags."""
    found = path.parent.glob(f"{ISSUER}*.crl")
    return {each.name: (each.read_bytes(), each.stat().st_mtime_ns) for each in found}


@pytest.mark.parametrize("partitions", [0, 3])
def test_another_server_places_the_same_bytes_with_the_same_times(bureau: Bureau, partitions: int) -> None:
    press = dataclasses.replace(in_partitions(bureau, partitions) if partitions else bureau.press, shared=True)
    other = another_folder(bureau)
    for _ in range(2):
        assert publish(bureau, press)
        place(bureau, other)
        assert facts(other.path) == facts(press.path)
        assert len(facts(other.path)) == partitions + 1


def test_a_list_is_kept_in_pieces_and_nothing_is_left_of_a_longer_one(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocations, "_OCTETS_OF_A_PIECE", 100)
    long, short = bytes(range(250)), b"short"
    for number, der in enumerate((long, short, long * 3), start=1):
        bureau.records.write(revocations.draft_crl, ISSUER, number, (bureau.now, bureau.now + 1), 0)
        bureau.records.write(revocations.keep_crl, ISSUER, 0, number, der)
        assert bureau.records.read(revocations.crl_content, ISSUER, 0) == (number, der)
        assert bureau.records.read(revocations.kept_crls, ISSUER) == [(0, number, bureau.now)]
    with pytest.raises(Conflict):
        bureau.records.write(revocations.keep_crl, ISSUER, 0, 3, short)
    assert bureau.records.read(revocations.crl_content, ISSUER, 0) == (3, long * 3)


def test_a_server_whose_lists_are_newer_than_those_on_record_keeps_them(bureau: Bureau) -> None:
    press, other = dataclasses.replace(bureau.press, shared=True), another_folder(bureau)
    publish(bureau, press)
    place(bureau, other)

    def die() -> None:
        raise Died

    with pytest.raises(Died):
        publish(bureau, press, records=Meddled(bureau, publication._record, die))
    place(bureau, press)
    assert [crl.number_of(each.path.read_bytes()) for each in (press, other)] == [2, 1]


def test_a_damaged_list_is_replaced_by_the_one_on_record(bureau: Bureau) -> None:
    press = dataclasses.replace(bureau.press, shared=True)
    publish(bureau, press)
    before = facts(press.path)
    press.path.write_bytes(b"")
    place(bureau, press)
    assert facts(press.path) == before


def test_who_was_stopped_right_before_the_record_records_nothing_and_has_its_list_replaced(bureau: Bureau) -> None:
    press, other = dataclasses.replace(bureau.press, shared=True), another_folder(bureau)

    def overtake() -> None:
        bureau.now += MINUTE
        with ThreadPoolExecutor(1) as thread:
            assert thread.submit(publish, bureau, other, holder="other").result() == 2

    with pytest.raises(Conflict):
        publish(bureau, press, records=Meddled(bureau, publication._record, overtake))
    place(bureau, press)
    assert [crl.number_of(each.path.read_bytes()) for each in (press, other)] == [2, 2]
    newest = bureau.records.read(revocations.published_crl, ISSUER)
    assert newest is not None
    assert newest.number == 2


def test_lists_are_due_that_no_other_server_could_place(bureau: Bureau) -> None:
    bureau.publish()
    press = dataclasses.replace(bureau.press, shared=True)
    assert not due(bureau)
    assert due(bureau, press)
    publish(bureau, press)
    assert not due(bureau, press)

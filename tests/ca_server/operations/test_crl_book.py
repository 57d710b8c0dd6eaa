"""The book of CRLs knows the lists of partitions: which must be there, for whom they speak, and what they show."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ca_server.authority import crl
from ca_server.clock import DAY, HOUR
from ca_server.operations.revocation import Decision, revoke_seat
from ca_server.store import certificates
from protocol.names import CommonName
from protocol.vocabulary import RevocationReason
from tests.ca_server.operations.bureau import Bureau, house

THIRD = CommonName.parse("F123456-003")


@dataclasses.dataclass
class Lists:
    """A CA whose certificate F123456-003 is in a partition and revoked, two rounds of lists after its start."""

    bureau: Bureau
    serial: str
    partition: int
    older: dict[int, bytes]

    @classmethod
    def open(cls, folder: Path) -> "Lists":
        bureau = Bureau.open(folder)
        bureau.partitions = 2
        serial = bureau.fetch(str(THIRD))
        bureau.publish()
        made = cls(bureau, serial, 1 + int(serial, 16) % 2, {})
        made.older = {place: made.file(place).read_bytes() for place in range(3)}
        bureau.now += HOUR
        decision = Decision(RevocationReason.superseded, "officer:test", bureau.now)
        bureau.records.write(revoke_seat, THIRD, decision, bureau.entry)
        bureau.publish()
        bureau.now += HOUR - 1
        return made

    @property
    def other(self) -> int:
        return 3 - self.partition

    def file(self, partition: int) -> Path:
        name = self.bureau.crl_file.name
        return self.bureau.crl_file.with_name(name.replace(".crl", f"-{partition}.crl") if partition else name)

    def url(self, partition: int) -> str:
        return f"http://ca.example:8080/crl/{self.file(partition).name}"

    def put(self, partition: int, scope: str | None, *entries: bytes, number: int = 2) -> None:
        """Put another list, which our key signed too, in the place of a partition's."""
        now = self.bureau.now
        self.file(partition).write_bytes(crl.build(house().issuing, entries, number, now, now + DAY, scope))

    def entry(self, serial: str) -> bytes:
        return crl.entry_of_records(serial, self.bureau.now - HOUR + 1, RevocationReason.superseded)

    def findings(self) -> str:
        return "\n".join(self.bureau.findings())


@pytest.fixture
def lists(tmp_path: Path) -> Iterator[Lists]:
    opened = Lists.open(tmp_path)
    yield opened
    opened.bureau.records.close()


def test_partitions_balance_and_the_revoked_certificate_is_on_its_own_list_and_on_that_of_all(lists: Lists) -> None:
    assert lists.findings() == ""
    serial = int(lists.serial, 16)
    octets = serial.to_bytes(serial.bit_length() // 8 + 1, "big")  # as DER has it
    found = {place: octets in lists.file(place).read_bytes() for place in range(3)}
    assert found == {0: True, lists.partition: True, lists.other: False}


def test_the_records_hold_the_partition_that_the_certificate_names(lists: Lists) -> None:
    assert lists.bureau.records.read(certificates.last_partition, "issuing-1") == lists.partition
    owner = lists.bureau.records.read(certificates.owner, lists.serial)
    assert owner is not None
    assert owner[2] is not None
    assert lists.url(lists.partition).encode() in owner[2]


DEFECTS: dict[str, tuple[str, Callable[[Lists], object]]] = {
    "missing": ("There is no CRL of partition {own} file", lambda it: it.file(it.partition).unlink()),
    "an older one": (
        "The CRL of partition {own} file has the number 1, but CRL 2 was published",
        lambda it: it.file(it.partition).write_bytes(it.older[it.partition]),
    ),
    "a number of nobody": (
        "The CRL of partition {own} file has the number 3, which the records have not taken",
        lambda it: it.put(it.partition, it.url(it.partition), it.entry(it.serial), number=3),
    ),
    "altered": (
        "The CRL of partition {own} file cannot be believed",
        lambda it: it.file(it.partition).write_bytes(it.file(it.partition).read_bytes()[:-1] + b"!"),
    ),
    "without a revoked certificate": (
        "{serial} of F123456-003 is revoked, but the CRL of partition {own} does not show it",
        lambda it: it.put(it.partition, it.url(it.partition)),
    ),
    "with what is not revoked": (
        "The CRL of partition {other} shows {serial}",
        lambda it: it.put(it.other, it.url(it.other), it.entry(it.serial)),
    ),
    "for all": (
        "The CRL of partition {own} file is for all certificates",
        lambda it: it.put(it.partition, None, it.entry(it.serial)),
    ),
    "for a URL that its certificates do not name": (
        "{serial} of F123456-003 names http://ca.example:8080/crl/issuing-1-{own}.crl, but its CRL is for http://x/",
        lambda it: it.put(it.partition, "http://x/", it.entry(it.serial)),
    ),
    "that of all for a partition": (
        "The CRL file is for http://ca.example:8080/crl/issuing-1-{own}.crl",
        lambda it: it.put(0, it.url(it.partition), it.entry(it.serial)),
    ),
}


@pytest.mark.parametrize("defect", list(DEFECTS))
def test_a_defect_of_a_list_is_found(lists: Lists, defect: str) -> None:
    words, plant = DEFECTS[defect]
    plant(lists)
    assert words.format(own=lists.partition, other=lists.other, serial=lists.serial) in lists.findings()

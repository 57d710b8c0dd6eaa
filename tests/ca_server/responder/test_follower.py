"""A responder on another machine: what the source says, and what becomes of it when it says nonsense or nothing."""

import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from ca_server.responder.follower import Follower, SourceTrouble
from ca_server.store.standings import Standing, Stretch

ROW = ["issuing-1", "a1", None, None, 2_000_000_000]


class Source(Follower):
    """A follower whose source is a table of answers."""

    def __init__(self, folder: Path) -> None:
        super().__init__("https://source.example", "secret", ssl.create_default_context(), folder)
        self.said: dict[str, bytes] = {}
        self.asked: list[str] = []

    def say(self, until: int, last: int, changes: list[Any], files: object) -> None:
        """Have the source tell this of the changes from now on."""
        document = {"until": until, "last": last, "changes": changes, "newest": "", "files": files}
        self.said["/responder/changes"] = json.dumps(document).encode("utf-8")

    def _get(self, target: str) -> bytes:
        self.asked.append(target)
        found = self.said.get(target.partition("?")[0])
        if found is None:
            raise SourceTrouble(f"source.example answered 404 to {target}")
        return found


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path)


def test_what_the_source_tells_is_what_changed(source: Source) -> None:
    source.say(1, 1, [ROW], {})
    assert source.since(0, 1000) == Stretch(1, 1, [Standing(*ROW)])


def test_a_source_that_has_nothing_new_is_asked_twice_a_second_at_most(source: Source) -> None:
    source.say(1, 1, [], {})
    for _ in range(20):
        assert source.since(1, 1000) == Stretch(1, 1, [])
    assert len(source.asked) == 1


def test_while_there_is_more_it_is_asked_at_once(source: Source) -> None:
    source.say(1, 2, [ROW], {})
    source.since(0, 1000)
    source.say(2, 2, [ROW], {})
    assert source.since(1, 1000).until == 2
    assert source.asked == ["/responder/changes?after=0", "/responder/changes?after=1"]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"[]", b"null", b"{}", b"\xff", b"[" * 100_000,
        b'{"until": 1, "last": 1, "changes": [], "newest": ""}',
        b'{"until": "x", "last": 1, "changes": [], "newest": "", "files": {}}',
        b'{"until": 1, "last": 1, "changes": [[1, 2]], "newest": "", "files": {}}',
        b'{"until": 1, "last": 1, "changes": [7], "newest": "", "files": {}}',
        b'{"until": 1, "last": 1, "changes": [], "newest": "", "files": 7}',
    ],
)  # fmt: skip
def test_an_answer_that_cannot_be_read_is_trouble_of_one_kind(source: Source, body: bytes) -> None:
    source.said["/responder/changes"] = body
    with pytest.raises(SourceTrouble):
        source.since(0, 1000)


def test_published_files_are_brought_along_once(source: Source, tmp_path: Path) -> None:
    source.said |= {"/crl/issuing-1.crl": b"crl", "/ca/issuing-1.cer": b"certificate"}
    source.say(0, 0, [], {"issuing-1.crl": 5, "issuing-1.cer": 6})
    for after in (0, 1, 2):
        source.since(after, 1000)
    assert (tmp_path / "issuing-1.crl").read_bytes() == b"crl"
    assert (tmp_path / "issuing-1.cer").read_bytes() == b"certificate"
    assert source.asked.count("/crl/issuing-1.crl") == source.asked.count("/ca/issuing-1.cer") == 1


def test_a_file_that_does_not_come_holds_no_revocation_back_and_is_tried_again(
    source: Source, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source.say(1, 1, [ROW], {"lost.crl": 5, "there.crl": 5})
    source.said["/crl/there.crl"] = b"crl"
    for _ in range(3):
        assert source.since(0, 1000).changes == [Standing(*ROW)]
    assert (tmp_path / "there.crl").read_bytes() == b"crl"
    assert len([record for record in caplog.records if "lost.crl" in record.getMessage()]) == 1
    source.said["/crl/lost.crl"] = b"found"
    source.since(0, 1000)
    assert (tmp_path / "lost.crl").read_bytes() == b"found"


def test_a_folder_that_cannot_be_written_holds_no_revocation_back(tmp_path: Path) -> None:
    source = Source(tmp_path / "none")
    source.said["/crl/a.crl"] = b"crl"
    source.say(1, 1, [ROW], {"a.crl": 5})
    assert source.since(0, 1000).changes == [Standing(*ROW)]


@pytest.mark.parametrize("name", ["../a.crl", "/etc/a.crl", "a/b.crl", "..", "a.txt", "a.crl.exe", ""])
def test_a_name_that_leads_elsewhere_is_passed_over(source: Source, tmp_path: Path, name: str) -> None:
    before = sorted(tmp_path.parent.rglob("*"))
    source.say(0, 0, [], {name: 5})
    source.since(0, 1000)
    assert len(source.asked) == 1
    assert sorted(tmp_path.parent.rglob("*")) == before

"""A responder on another machine: what the source says, and what becomes of it when it says nonsense or nothing."""

import json
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ca_server.cli.output import FAILURE, run
from ca_server.cli.serve import serve
from ca_server.responder.courier import Courier
from ca_server.responder.follower import Follower
from ca_server.responder.source import Source, SourceTrouble
from ca_server.store.standings import Standing, Stretch
from tests.ca_server.web.office import Folder

ROW = ["issuing-1", "a1", None, None, 2_000_000_000]


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


class Table(Source):
    """A source that is a table of answers."""

    def __init__(self) -> None:
        super().__init__("https://source.example", "secret", ssl.create_default_context(), 3)
        self.said: dict[str, bytes] = {}
        self.asked: list[str] = []

    def say(self, until: int, last: int, changes: list[Any], files: object) -> None:
        """Tell this of the changes from now on."""
        document = {"until": until, "last": last, "changes": changes, "witness": "", "files": files}
        self.said["/responder/changes"] = json.dumps(document).encode("utf-8")

    def get(self, target: str) -> bytes:
        """Return what the table says."""
        self.asked.append(target)
        found = self.said.get(target.partition("?")[0])
        if found is None:
            raise SourceTrouble(f"source.example answered 404 to {target}")
        return found


@pytest.fixture
def source() -> Table:
    return Table()


@pytest.fixture
def courier(source: Table, tmp_path: Path) -> Courier:
    """Return a courier that goes when it is told to."""
    return Courier(source, tmp_path)


@pytest.fixture
def follower(source: Table, courier: Courier) -> Follower:
    return Follower(source, courier)


def test_what_the_source_tells_is_what_changed(source: Table, follower: Follower) -> None:
    source.say(1, 1, [ROW], {})
    assert follower.since(0, 1000) == Stretch(1, 1, [Standing(*ROW)])


def test_a_source_that_has_nothing_new_is_asked_twice_a_second_at_most(source: Table, follower: Follower) -> None:
    source.say(1, 1, [], {})
    for _ in range(20):
        assert follower.since(1, 1000) == Stretch(1, 1, [])
    assert len(source.asked) == 1


def test_while_there_is_more_it_is_asked_at_once(source: Table, follower: Follower) -> None:
    source.say(1, 2, [ROW], {})
    follower.since(0, 1000)
    source.say(2, 2, [ROW], {})
    assert follower.since(1, 1000).until == 2
    assert source.asked == ["/responder/changes?after=0", "/responder/changes?after=1"]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"[]", b"null", b"{}", b"\xff", b"[" * 100_000,
        b'{"until": 1, "last": 1, "changes": [], "witness": ""}',
        b'{"until": "x", "last": 1, "changes": [], "witness": "", "files": {}}',
        b'{"until": 1, "last": 1, "changes": [[1, 2]], "witness": "", "files": {}}',
        b'{"until": 1, "last": 1, "changes": [7], "witness": "", "files": {}}',
        b'{"until": 1, "last": 1, "changes": [], "witness": "", "files": 7}',
    ],
)  # fmt: skip
def test_an_answer_that_cannot_be_read_is_trouble_of_one_kind(source: Table, follower: Follower, body: bytes) -> None:
    source.said["/responder/changes"] = body
    with pytest.raises(SourceTrouble):
        follower.since(0, 1000)


@pytest.mark.parametrize("files", [[[1, 2, 3]], {"a.crl": "x"}, {"a.crl": float("inf")}, [7], "a.crl"])
def test_files_that_nobody_can_name_are_trouble_of_that_kind(source: Table, follower: Follower, files: object) -> None:
    source.say(1, 1, [ROW], files)
    with pytest.raises(SourceTrouble):
        follower.since(0, 1000)


def test_published_files_are_brought_along_once(
    source: Table, follower: Follower, courier: Courier, tmp_path: Path
) -> None:
    source.said |= {"/crl/issuing-1.crl": b"crl", "/ca/issuing-1.cer": b"certificate"}
    source.say(0, 0, [], {"issuing-1.crl": 5, "issuing-1.cer": 6})
    for after in (0, 1, 2):
        follower.since(after, 1000)
        courier.bring()
    assert (tmp_path / "issuing-1.crl").read_bytes() == b"crl"
    assert (tmp_path / "issuing-1.cer").read_bytes() == b"certificate"
    assert source.asked.count("/crl/issuing-1.crl") == source.asked.count("/ca/issuing-1.cer") == 1


def test_a_file_that_was_published_anew_is_brought_along_again(
    source: Table, follower: Follower, courier: Courier, tmp_path: Path
) -> None:
    for stamp, content in ((5, b"older"), (6, b"newer")):
        source.said["/crl/a.crl"] = content
        source.say(0, 0, [], {"a.crl": stamp})
        follower.since(stamp, 1000)
        courier.bring()
    assert (tmp_path / "a.crl").read_bytes() == b"newer"


def test_a_revocation_does_not_wait_for_a_file_that_is_on_its_way(source: Table, tmp_path: Path) -> None:
    arrived = threading.Event()

    class Slow(Table):
        def get(self, target: str) -> bytes:
            self.asked.append(target)
            assert arrived.wait(30)
            return b"crl"

    slow = Slow()
    courier = Courier(slow, tmp_path)
    courier.start()
    follower = Follower(source, courier)
    source.say(1, 1, [], {"a.crl": 5})
    follower.since(0, 1000)
    until(lambda: slow.asked == ["/crl/a.crl"])
    source.say(2, 2, [ROW], {"a.crl": 5})
    assert follower.since(0, 1000).changes == [Standing(*ROW)]
    assert not (tmp_path / "a.crl").exists()
    arrived.set()
    until((tmp_path / "a.crl").exists)


def test_a_file_that_does_not_come_is_told_once_and_tried_again(
    source: Table, courier: Courier, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    courier.want({"lost.crl": 5, "there.crl": 5})
    source.said["/crl/there.crl"] = b"crl"
    for _ in range(3):
        courier.bring()
    assert (tmp_path / "there.crl").read_bytes() == b"crl"
    assert len([record for record in caplog.records if "lost.crl" in record.getMessage()]) == 1
    source.said["/crl/lost.crl"] = b"found"
    courier.bring()
    assert (tmp_path / "lost.crl").read_bytes() == b"found"


def test_a_folder_that_cannot_be_written_is_told(
    source: Table, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source.said["/crl/a.crl"] = b"crl"
    courier = Courier(source, tmp_path / "none")
    courier.want({"a.crl": 5})
    courier.bring()
    assert "ALARM: a.crl" in caplog.text


def test_a_name_that_no_file_can_have_is_told_and_stops_nothing(
    source: Table, courier: Courier, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source.said |= {"/crl/a\0.crl": b"crl", "/crl/b.crl": b"crl"}
    courier.want({"a\0.crl": 5, "b.crl": 5})
    courier.bring()
    assert "ALARM: a\0.crl" in caplog.text
    assert (tmp_path / "b.crl").read_bytes() == b"crl"


def around(folder: Path) -> list[Path]:
    """Return what is in a folder, and beside it under the name that a stranger might reach."""
    return sorted([*folder.rglob("*"), *folder.parent.glob("*.crl"), *Path("/etc").glob("*.crl")])


@pytest.mark.parametrize("name", ["../a.crl", "/etc/a.crl", "a/b.crl", "..", "a.txt", "a.crl.exe", ""])
def test_a_name_that_leads_elsewhere_is_passed_over(source: Table, courier: Courier, tmp_path: Path, name: str) -> None:
    before = around(tmp_path)
    courier.want({name: 5})
    courier.bring()
    assert source.asked == []
    assert around(tmp_path) == before


@pytest.mark.parametrize(("language", "told"), [("en", "remove it here"), ("ja", "ここでは削除してください")])
def test_serve_follows_nobody(folder: Folder, capsys: pytest.CaptureFixture[str], language: str, told: str) -> None:
    config = folder.config.path.with_name("following.toml")
    text = folder.config.path.read_text("utf-8").replace('database = "warifu.db"', 'database = "none.db"')
    following = '[responder]\nsource = "https://ca.example"\nfeed_token_file = "feed.token"\n'
    config.write_text(f"{text}\n{following}", "utf-8")
    capsys.readouterr()
    assert run(serve, ["--config", str(config), "--lang", language]) == FAILURE
    said = capsys.readouterr().err
    assert "responder.source: " in said
    assert told in said

"""The log of a running service: each line is one whole object, and tells which request it is about."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca_server import logs

HOSTILE = 'a"b\\c\r\n\x00\x1b[31m\x85\u2028\ud800é'


@pytest.fixture(autouse=True)
def _outside_of_requests() -> Iterator[None]:
    yield
    logs._errand.set(None)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the access log writes, and a logger `aside` beside it, as JSON."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonLines())
    for logger in (logs.access, logging.getLogger("aside")):
        monkeypatch.setattr(logger, "handlers", [handler])
        monkeypatch.setattr(logger, "propagate", False)
        monkeypatch.setattr(logger, "level", logging.INFO)
    return stream


def only_line(written: io.StringIO) -> dict[str, object]:
    (line,) = written.getvalue().splitlines(keepends=True)
    assert line.endswith("\n")
    assert line[:-1].isascii()
    assert line[:-1].isprintable()
    document = json.loads(line)
    assert isinstance(document, dict)
    return document


@pytest.mark.parametrize("place", ["method", "route", "address", "problem", "account", "cn"])
def test_a_line_is_one_object_whatever_a_stranger_wrote(written: io.StringIO, place: str) -> None:
    said = dict.fromkeys(("method", "route", "address", "problem", "account", "cn"), "x") | {place: HOSTILE}
    errand = logs.begin("id")
    logs.concerns(said["account"], said["cn"])
    logs.tell(errand, (said["method"], said["route"], said["address"]), (200, said["problem"], 5), 1.26)
    line = only_line(written)
    assert line.pop("time")
    assert line == {"request": "id", "status": 200, "ms": 1.3, "bytes": 5, **said}


@given(st.text(alphabet=st.characters()))
def test_a_message_is_one_object_whatever_stands_in_it(text: str) -> None:
    record = logging.LogRecord("aside", logging.ERROR, "", 0, "met %s", (text,), None)
    line = logs.JsonLines().format(record)
    assert line.isprintable()
    assert json.loads(line)["message"] == f"met {text}"


def test_a_trace_is_a_member_of_the_line(written: io.StringIO) -> None:
    try:
        raise ValueError("a\nb")
    except ValueError:
        logging.getLogger("aside").exception("ALARM: it broke")
    line = only_line(written)
    assert (line["level"], line["message"]) == ("ERROR", "ALARM: it broke")
    assert "ValueError: a\nb" in str(line["trace"])


def test_what_is_logged_while_a_request_is_served_bears_its_id(written: io.StringIO) -> None:
    logs.begin("the id")
    logging.getLogger("aside").info("something")
    assert only_line(written)["request"] == "the id"


def test_in_words_too_a_message_cannot_begin_a_line_of_its_own() -> None:
    record = logging.LogRecord("aside", logging.ERROR, "", 0, "met %s", ("x\n2026-01-01 ALARM\x1b[31m\x9b",), None)
    line = logs.Words().format(record)
    assert line.endswith("ERROR met x\\x0a2026-01-01 ALARM\\x1b[31m\\x9b")
    assert line.isprintable()


def test_alarms_are_counted_and_nothing_else_is() -> None:
    alarms, log = logs.Alarms(), logging.getLogger("counted")
    log.addHandler(alarms)
    log.error("ALARM: %s", "one")
    log.warning("ALARM: two")
    log.warning("ALARM over: two")
    log.error("%s", "ALARM: quoted")
    assert alarms.count == 2

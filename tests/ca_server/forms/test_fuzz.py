"""Whatever bytes come, nothing but a refusal or an application leaves the reading."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ca_server.domain.applications import Kind
from ca_server.errors import Invalid
from ca_server.forms.errors import UnreadableForm
from ca_server.forms.reading import read_workbook
from tests.ca_server.forms.workbooks import RULES, complete, filled, packed, parts

FILLED = filled(Kind.ISSUANCE, complete(Kind.ISSUANCE))
PARTS = parts(FILLED)
READ = [
    "[Content_Types].xml",
    "xl/workbook.xml",
    "xl/_rels/workbook.xml.rels",
    *(name for name in PARTS if "sheet" in name),
]
TOKENS = [
    b"<",
    b">",
    b"/>",
    b'"',
    b"&",
    b"&amp;",
    b"&#0;",
    b"&#x10ffff;",
    b"\xff\xfe",
    b"\0",
    b"<!DOCTYPE x>",
    b"9" * 400,
]
TOKENS += [
    b"1e309",
    b"-1",
    b"nan",
    b"inf",
    b't="b"',
    b't="s"',
    b't="e"',
    b't="d"',
    b'"visible"',
    b'"hidden"',
    b"D9",
    b"_form",
]

edits = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 40),
        st.one_of(st.sampled_from(TOKENS), st.binary(max_size=6)),
    ),
    min_size=1,
    max_size=4,
)
"""Where in a text, as a part of its length; how many bytes go; what comes."""


def edited(content: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    for where, gone, come in changes:
        start = int(where * len(content))
        content = content[:start] + come + content[start + gone :]
    return content


def leaves_nothing_else(content: bytes) -> None:
    faults: dict[str, str] = {}
    try:
        read_workbook(content, RULES)
    except UnreadableForm:
        pass
    except Invalid as invalid:
        faults = invalid.fields
    assert all(name.isprintable() and len(name) < 100 for name in faults)


@settings(max_examples=200, deadline=None)
@given(edits)
def test_an_archive_with_bytes_changed_is_read_or_refused(changes: list[tuple[float, int, bytes]]) -> None:
    leaves_nothing_else(edited(FILLED, changes))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(READ), edits)
def test_a_part_with_bytes_changed_is_read_or_refused(name: str, changes: list[tuple[float, int, bytes]]) -> None:
    leaves_nothing_else(packed(PARTS | {name: edited(PARTS[name], changes)}))


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from([*READ, "xl/sharedStrings.xml", "mimetype"]), st.binary(max_size=60)))
def test_parts_of_any_bytes_are_refused(some: dict[str, bytes]) -> None:
    leaves_nothing_else(packed(PARTS | some))


@given(st.binary(max_size=200))
@example(b"PK\x03\x04")
@example(b"PK\x03\x04" + bytes(60))
@example(b"PK\x05\x06" + bytes(18))
@example(b"PK\x03\x04PK\x05\x06" + bytes(18))
def test_bytes_of_any_kind_are_refused(content: bytes) -> None:
    with pytest.raises(UnreadableForm):
        read_workbook(content, RULES)

"""JSON has one meaning or is refused, in little time."""

import contextlib
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.problems import Problem, ProblemType
from protocol.strict_json import MAX_INTEGER, strict_json

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(values, st.booleans())
def test_plain_json_is_read_as_every_parser_reads_it(value: object, ascii_only: bool) -> None:
    octets = json.dumps(value, ensure_ascii=ascii_only).encode()

    assert strict_json(octets) == value


@pytest.mark.parametrize(
    "octets",
    [
        b"", b" ", b"{", b"{}{}", b"{'a':1}", b'{"a":1,}', b"[1,]", b"01", b"+1", b"tru", b'"\n"', b'"\\x"', b"// x\n1",
        b"\xff", b'"\xed\xa0\x80"', b'"\xc0\xaf"', "[1]".encode("utf-16"), "[1]".encode("utf-32"), b"\xef\xbb\xbf[1]",
        b'{"a":1,"a":1}', b'{"a":1,"\\u0061":2}', b'[{"b":{"a":1,"a":2}}]',
        b"NaN", b"[Infinity]", b"-Infinity", b"1e999", b"-1e999",
        str(MAX_INTEGER + 1).encode(), str(-MAX_INTEGER - 1).encode(), b"1" * 5000, b"[" + b"9" * 60_000 + b"]",
        b'"\\ud800"', b'"\\udc00\\ud800"', b'{"\\ud800":1}', b'["\\ud83d"]', b'"\\u0000"', b'{"a":["\\u0000"]}',
    ],
)  # fmt: skip
def test_what_has_two_meanings_or_none_is_malformed(octets: bytes) -> None:
    with pytest.raises(Problem) as caught:
        strict_json(octets)

    assert caught.value.type is ProblemType.MALFORMED


def test_a_pair_of_surrogates_is_a_character() -> None:
    assert strict_json(b'"\\ud83d\\ude00"') == "\N{GRINNING FACE}"


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert strict_json(b'"\\\\u0000"') == "\\u0000"


def test_the_greatest_integers_are_read() -> None:
    assert strict_json(f"[{MAX_INTEGER},{-MAX_INTEGER}]".encode()) == [MAX_INTEGER, -MAX_INTEGER]


def test_the_deepest_nesting_allowed_is_read() -> None:
    assert strict_json(b"[" * 16 + b"]" * 16)
    assert strict_json(b"[[]," + b"[" * 15 + b"]" * 15 + b"]")


def test_one_level_more_is_refused() -> None:
    for octets in (b"[" * 17 + b"]" * 17, b'{"a":' * 17 + b"1" + b"}" * 17, b"[" + b"[]," * 20 + b"[" * 16 + b"]" * 17):
        with pytest.raises(Problem, match="nested"):
            strict_json(octets)


def test_brackets_in_texts_are_no_levels() -> None:
    text = '[{"\\' * 100

    assert strict_json(json.dumps([text, text]).encode()) == [text, text]


def test_many_objects_beside_each_other_are_not_deep() -> None:
    assert strict_json(b"[" + b",".join([b'{"a":[]}'] * 500) + b"]") == [{"a": []}] * 500


@pytest.mark.parametrize(
    "octets",
    [
        b"[" * 65_000, b'{"a":' * 13_000, b'[{"a":' * 10_000, b"[" * 30_000 + b"]" * 30_000, b'"' + b'\\"' * 32_000,
        b"[" * 20 + b'"' + b'\\"' * 32_000, b"{[" * 20 + b'"' * 65_000, b"[[" * 20 + b'"\\' * 32_000, b"]" * 65_000,
    ],
    ids=lambda octets: repr(octets[:12]) + f"…{len(octets)}",
)  # fmt: skip
def test_a_bomb_is_refused_within_a_quarter_of_a_second(octets: bytes) -> None:
    started = time.process_time()

    with pytest.raises(Problem):
        strict_json(octets)

    assert time.process_time() - started < 0.25


@settings(derandomize=True, max_examples=1000, deadline=None)
@given(st.binary() | st.text('{}[]",:\\u0dD8ae1-.NIn \0', max_size=40).map(str.encode))
def test_whatever_comes_is_read_or_a_problem(octets: bytes) -> None:
    with contextlib.suppress(Problem):
        strict_json(octets)

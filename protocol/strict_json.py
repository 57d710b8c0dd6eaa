"""JSON as I-JSON restricts it (RFC 7493), so that a text has one meaning, in every program that reads it.

Refused: octets that are not UTF-8, names that occur twice, NaN and infinities (1e999 too), integers beyond 2^53, lone
surrogates, the character NUL (PostgreSQL keeps no such text) and more than MAX_DEPTH levels. The depth is counted
before the parser runs, because the parser recurses.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Final, NoReturn

from protocol.problems import Problem, ProblemType

MAX_DEPTH: Final = 16
MAX_INTEGER: Final = 2**53 - 1

# A string runs to its quotation mark or to the end; no search starts over inside one, so the time is linear.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")
_BLANKS = " \t\n\r"
_NOT_TEXT = re.compile("[\0\ud800-\udfff]")


def strict_json(octets: bytes) -> object:
    """Return the value that `octets` stand for. Raises Problem (malformed) unless they are strict JSON."""
    if _too_deep(octets):
        raise Problem(ProblemType.MALFORMED, f"JSON is nested deeper than {MAX_DEPTH} levels.")
    try:
        text = octets.decode("utf-8").strip(_BLANKS)
        value: object
        value, end = _DECODER.raw_decode(text)
        if end != len(text):
            raise ValueError("something follows the value")
        if "\\u" in text and any(_NOT_TEXT.search(each) for each in _strings(value)):
            raise ValueError("a text holds NUL or half a surrogate pair")
    except (ValueError, RecursionError) as error:
        raise Problem(ProblemType.MALFORMED, "This is not strict JSON (RFC 7493).") from error
    return value


def _too_deep(octets: bytes) -> bool:
    """Tell whether brackets stand deeper than MAX_DEPTH; few brackets in all settle it without looking at strings."""
    if octets.count(b"{") + octets.count(b"[") <= MAX_DEPTH:
        return False
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", octets)):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)
    elif isinstance(value, dict):
        yield from value
        for each in value.values():
            yield from _strings(each)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name occurs twice")
    return members


def _integer(digits: str) -> int:
    if len(digits) > 17 or abs(int(digits)) > MAX_INTEGER:
        raise ValueError("an integer is beyond 2^53")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("a number is infinite")
    return value


def _constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_integer, parse_float=_float, parse_constant=_constant)

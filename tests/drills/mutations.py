"""Mutations, each drawn from a seeded `random.Random`: of octets, of base64url, of JSON, of DER.

They start from something valid and change a little, so that what comes out gets past the first check and meets the
second, the third, the last.
"""

import dataclasses
import json
import random
from collections.abc import Callable
from typing import Any

_OCTETS = (b"\x00", b"\x7f", b"\x80", b"\xff", b"\r\n", b'"', b"{", b"\xed\xa0\x80", b"\xc0\xaf", b"%00")
_TAGS = (0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0C, 0x13, 0x16, 0x17, 0x1E, 0x30, 0x31, 0x80, 0xA0, 0xA3, 0x1F, 0x24)
_CONTENTS = (
    b"",
    b"\x00",
    b"\xff" * 9,
    b"\x7f" + b"\xff" * 600,
    b"\x00" * 40,
    b"\x80" * 20,
    b"\xc0\xaf\xed\xa0\x80",
    b"a\x00b",
    "みどり銀行".encode(),
    b"A" * 3000,
)
VALUES: tuple[object, ...] = (
    None,
    True,
    0,
    -1,
    2**31,
    2**64,
    10**40,
    1.5,
    1e308,
    "",
    " ",
    "\x00",
    "\ud800",
    "e\u0301",
    "\u202e\U0001f600",
    "A" * 5000,
    "../../../etc/passwd",
    "%00%ff",
    "' OR 1=1 --",
    "\r\nSet-Cookie: a=b",
    "https://evil.example/acme/account/1",
    "=",
    "AAAA",
    [],
    [[]],
    [None],
    ["mailto:a@b.example"] * 200,
    {},
    {"": {}},
    {"alg": "none"},
)
_TEXTS: tuple[Callable[[str], str], ...] = (
    lambda text: text.replace("{", '{"alg":"none",', 1),
    lambda text: text + text,
    lambda text: "\ufeff" + text,
    lambda text: text.replace(":", ":NaN,", 1),
    lambda text: text.replace('"', "'"),
    lambda text: "[" * 3000 + text + "]" * 3000,
    lambda text: '{"a":' * 40 + text + "}" * 40,
    lambda text: text[:-1] + ',"x":1e400}',
    lambda text: text[:-1] + ',"x":' + "9" * 5000 + "}",
    lambda text: text[:-1] + ',"x":"\\ud800"}',
    lambda text: text[:-1],
    lambda text: "",
    lambda text: "null",
)


def octets(chance: random.Random, whole: bytes) -> bytes:
    """Return `whole` with one to four edits."""
    changed = bytearray(whole)
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(changed) + 1)
        end = min(len(changed), start + chance.choice((0, 1, 1, 2, 8, 100)))
        match chance.randrange(6):
            case 0 if start < len(changed):
                changed[start] ^= 1 << chance.randrange(8)
            case 1:
                changed[start:end] = chance.choice(_OCTETS)
            case 2:
                del changed[start:end]
            case 3:
                changed[end:end] = changed[start:end] * chance.randint(1, 20)
            case 4:
                changed[start:start] = chance.randbytes(chance.randint(1, 8))
            case _:
                del changed[max(1, start) :]
    return bytes(changed)


def base64url(chance: random.Random, text: str) -> str:
    """Return a text that a lenient reader of base64 takes and a strict one refuses, or a wrong one."""
    place = chance.randrange(len(text) + 1)
    match chance.randrange(7):
        case 0:
            return text + "=" * chance.randint(1, 3)
        case 1:
            return text.replace("-", "+").replace("_", "/") + "+"
        case 2:
            return text[:place] + chance.choice((" ", "\n", "\x00", "\u3000", "é", "=")) + text[place:]
        case 3:
            return text[:-1]
        case 4:
            return text[:-1] + chance.choice("BCDEFGRSTUVWXYZ")
        case 5:
            return ""
        case _:
            return text[:place] + text[place + 1 :]


def value(chance: random.Random, whole: object) -> object:
    """Return a JSON value with one node of it replaced, dropped, renamed or wrapped."""
    whole = json.loads(json.dumps(whole))
    parent, name = _a_node(chance, whole)
    if parent is None:
        return chance.choice(VALUES)
    match chance.randrange(6):
        case 0:
            del parent[name]
        case 1:
            parent[name] = [parent[name]]
        case 2:
            parent[name] = {str(name): parent[name]}
        case 3 if isinstance(parent, dict):
            parent[str(name).upper()] = parent.pop(name)
        case _:
            parent[name] = chance.choice(VALUES)
    return whole


def _a_node(chance: random.Random, whole: object) -> tuple[Any, Any]:
    nodes: list[tuple[Any, Any]] = [(None, None)]
    waiting: list[Any] = [whole]
    while waiting:
        parent = waiting.pop()
        members = list(parent) if isinstance(parent, dict) else range(len(parent)) if isinstance(parent, list) else ()
        for name in members:
            nodes += [(parent, name)] * 3
            waiting.append(parent[name])
    return chance.choice(nodes)


def json_text(chance: random.Random, whole: object) -> bytes:
    """Return JSON that means something else, or that only a lenient reader takes for JSON."""
    if chance.random() < 0.7:
        return json.dumps(value(chance, whole)).encode()
    text = json.dumps(whole, ensure_ascii=False)
    if chance.random() < 0.3:
        return octets(chance, text.encode())
    return chance.choice(_TEXTS)(text).encode(chance.choice(("utf-8", "utf-8", "utf-8", "utf-16", "utf-32")))


@dataclasses.dataclass
class _Element:
    """A DER element: its tag, and its contents or its parts."""

    tag: int
    contents: bytes | list["_Element"]
    raw_length: bytes | None = None

    def encode(self) -> bytes:
        inside = self.contents if isinstance(self.contents, bytes) else b"".join(map(_Element.encode, self.contents))
        return bytes((self.tag,)) + (self.raw_length or _length(len(inside))) + inside


def _length(size: int) -> bytes:
    if size < 0x80:
        return bytes((size,))
    octets_of = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((0x80 | len(octets_of),)) + octets_of


def _elements(whole: bytes) -> list[_Element]:
    """Read DER that is valid: definite lengths, single-octet tags. Raises IndexError or ValueError otherwise."""
    found, at = [], 0
    while at < len(whole):
        tag, size, at = whole[at], whole[at + 1], at + 2
        if size & 0x80:
            size, at = int.from_bytes(whole[at : at + (size & 0x7F)]), at + (size & 0x7F)
        if at + size > len(whole):
            raise ValueError("an element ends beyond what holds it")
        inside = whole[at : at + size]
        found.append(_Element(tag, _elements(inside) if tag & 0x20 else _wrapped(tag, inside)))
        at += size
    return found


def _wrapped(tag: int, inside: bytes) -> "bytes | list[_Element]":
    """Look into an OCTET STRING, which in extensions holds DER again."""
    if tag != 0x04 or not inside.startswith(b"\x30"):
        return inside
    try:
        return _elements(inside)
    except (IndexError, ValueError):
        return inside


def der(chance: random.Random, whole: bytes) -> bytes:
    """Return DER with one to three elements changed and the lengths around them right; now and then, raw edits."""
    if chance.random() < 0.2:
        return octets(chance, whole)
    top = _Element(0x30, _elements(whole))
    for _ in range(chance.randint(1, 3)):
        _change(chance, top)
    assert isinstance(top.contents, list)
    return b"".join(map(_Element.encode, top.contents))


def _change(chance: random.Random, top: _Element) -> None:
    parents = [top]
    for parent in parents:
        parents += [each for each in parent.contents if isinstance(each, _Element) and isinstance(each.contents, list)]
    siblings = chance.choice(parents).contents
    assert isinstance(siblings, list)
    if not siblings:
        siblings.append(_Element(chance.choice(_TAGS), chance.choice(_CONTENTS)))
        return
    place = chance.randrange(len(siblings))
    element = siblings[place]
    match chance.randrange(9):
        case 0:
            element.tag = chance.choice(_TAGS)
        case 1 | 2:
            element.contents = chance.choice(_CONTENTS)
        case 3:
            del siblings[place]
        case 4:
            siblings.insert(place, element)
        case 5:
            chance.shuffle(siblings)
        case 6:
            inside = b"".join(each.encode() for each in [element])
            element.raw_length = chance.choice((b"\x80", b"\x84\xff\xff\xff\xff", b"\x81" + inside[1:2], b"\x00"))
        case 7:
            siblings[place] = _Element(chance.choice(_TAGS), octets(chance, element.encode()))
        case _:
            siblings[place] = _Element(0x30, [element] * chance.choice((1, 2, 300)))

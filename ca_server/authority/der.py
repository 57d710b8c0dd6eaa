"""DER by whole elements: enough to write what the library's builders lack or do too slowly, and to take apart strictly.

ITU-T X.690: an element is a tag, a definite length in its shortest form and the contents. Nothing here patches bytes
inside an element; elements are joined, or split and compared. Tags of more than one octet do not occur in RFC 5280.
"""

import datetime
import mmap
from functools import lru_cache

from asn1crypto import core

from ca_server.clock import moment

BOOLEAN_TRUE = b"\x01\x01\xff"
NULL = b"\x05\x00"

INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
UTF8_STRING = 0x0C
PRINTABLE_STRING = 0x13
IA5_STRING = 0x16
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
SEQUENCE = 0x30
SET = 0x31


class BadDer(ValueError):
    """The bytes are not whole elements of DER."""


def element(tag: int, *contents: bytes) -> bytes:
    """Return one element around `contents` joined."""
    body = b"".join(contents)
    return head(tag, len(body)) + body


@lru_cache(maxsize=4096)
def head(tag: int, length: int) -> bytes:
    """Return the tag and the length of an element: all of it but its contents, which may have many megabytes."""
    if length < 0x80:
        return bytes((tag, length))
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets


def sequence(*elements: bytes) -> bytes:
    """Return a SEQUENCE of whole elements."""
    return element(SEQUENCE, *elements)


def explicit(number: int, *elements: bytes) -> bytes:
    """Return whole elements under the context-specific constructed tag `number`."""
    return element(0xA0 | number, *elements)


def integer(value: int) -> bytes:
    """Return an INTEGER; `value` is not negative, and a leading zero keeps it so."""
    return element(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


@lru_cache(maxsize=256)
def object_identifier(dotted: str) -> bytes:
    """Return an OBJECT IDENTIFIER. Raises ValueError when `dotted` is not one."""
    return bytes(core.ObjectIdentifier(dotted).dump())


def extension(oid: bytes, value: bytes, *, critical: bool = False) -> bytes:
    """Return an Extension of RFC 5280 §4.1 around the DER of its value."""
    return sequence(oid, BOOLEAN_TRUE if critical else b"", element(OCTET_STRING, value))


@lru_cache(maxsize=64)  # what is made within a second has the same
def time(seconds: int) -> bytes:
    """Return a Time of RFC 5280 §4.1.2.5: UTCTime for its years, 1950 through 2049, otherwise GeneralizedTime."""
    at = moment(seconds)
    if 1950 <= at.year < 2050:
        return element(UTC_TIME, at.strftime("%y%m%d%H%M%SZ").encode())
    return element(GENERALIZED_TIME, at.strftime("%Y%m%d%H%M%SZ").encode())


def seconds(at: datetime.datetime) -> int:
    """Return an aware datetime of the library as seconds since 1970."""
    return int(at.timestamp())


def split(encoded: bytes) -> list[bytes]:
    """Return the whole elements that `encoded` is a row of. Raises BadDer when a length is wrong or too long."""
    elements = []
    start = 0
    while start < len(encoded):
        end = bounds(encoded, start)[1]
        elements.append(encoded[start:end])
        start = end
    return elements


def contents(whole: bytes, tag: int) -> bytes:
    """Return what the one element `whole` holds. Raises BadDer when it has another tag or bytes follow it."""
    body, end = bounds(whole, 0)
    if whole[0] != tag or end != len(whole):
        raise BadDer("Another element was expected here, or bytes follow it.")
    return whole[body:end]


def key_bits(public_key_info: bytes) -> bytes:
    """Return the subjectPublicKey without tag, length and count of unused bits: what key identifiers are hashes of."""
    return contents(split(contents(public_key_info, SEQUENCE))[1], BIT_STRING)[1:]


def bounds(encoded: bytes | mmap.mmap, start: int) -> tuple[int, int]:
    """Return where the contents of the element at `start` begin and end. Raises BadDer when there is no whole one."""
    body = start + 2
    if body > len(encoded) or encoded[start] & 0x1F == 0x1F:
        raise BadDer("An element has no length, or a tag of more than one octet.")
    length = encoded[start + 1]
    if length >= 0x80:
        octets = encoded[body : body + (length & 0x7F)]
        body += len(octets)
        length = int.from_bytes(octets, "big")
        if length < 0x80 or octets[0] == 0:
            raise BadDer("A length is not in its shortest form.")
    if body + length > len(encoded):
        raise BadDer("An element ends before its length says.")
    return body, body + length

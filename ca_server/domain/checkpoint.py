"""Checkpoints of the audit log (c2sp.org/tlog-checkpoint): what is signed, published and mailed to auditors.

    origin                        the name of the log and of its key
    size                          how many entries the tree has
    root                          its root hash (RFC 9162 §2.1), base64
    time 2026-11-26T00:00:00Z     when it was made
    institutions 12 ROOT          how many institutions have a log of their certificates, and the root over them

Each institution's log is a Merkle tree over the SHA-256 fingerprints of its certificates, in the order of issuance. The
last line's root is that of a tree over all institutions sorted by their codes, a leaf `code size head` each.
"""

import base64
import binascii
import dataclasses
import datetime
import re
from collections.abc import Iterable
from typing import Final, NamedTuple, Self

from ca_server.clock import rfc3339
from ca_server.domain import merkle

_TEXT: Final = re.compile(
    r"(?P<origin>[^\s+]+)\n(?P<size>0|[1-9][0-9]{0,15})\n(?P<root>[A-Za-z0-9+/]{43}=)\n"
    r"time (?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)\n"
    r"institutions (?P<count>0|[1-9][0-9]{0,5}) (?P<institutions>[A-Za-z0-9+/]{43}=)\n",
    re.ASCII,
)
_NOTE: Final = re.compile(
    r"^[^\s+]+\n[0-9]+\n\S{44}\ntime \S+\ninstitutions [0-9]+ \S{44}\n\n(?:\u2014 \S+ \S+\n)+", re.M
)


class NoCheckpoint(ValueError):
    """A text is no checkpoint."""


class Head(NamedTuple):
    """The log of an institution's certificates: how many there are, and the root over them."""

    institution: str
    size: int
    root: bytes

    def leaf(self) -> bytes:
        """Return the hash of its leaf in the tree over institutions."""
        return merkle.leaf_hash(f"{self.institution} {self.size} {self.root.hex()}".encode("ascii"))


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """What a log stands for at a moment."""

    origin: str
    size: int
    root: bytes
    at: int
    institutions: int
    institutions_root: bytes

    def text(self) -> str:
        """Return the lines that are signed."""
        return (
            f"{self.origin}\n{self.size}\n{_base64(self.root)}\ntime {rfc3339(self.at)}\n"
            f"institutions {self.institutions} {_base64(self.institutions_root)}\n"
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what lines say. Raises NoCheckpoint unless they are just those of `text`."""
        found = _TEXT.fullmatch(text)
        try:
            if found is None:
                raise ValueError(text)
            made = cls(
                found["origin"],
                int(found["size"]),
                base64.b64decode(found["root"], validate=True),
                int(datetime.datetime.fromisoformat(found["time"]).timestamp()),
                int(found["count"]),
                base64.b64decode(found["institutions"], validate=True),
            )
        except (ValueError, binascii.Error) as error:
            raise NoCheckpoint("This is no checkpoint of an audit log.") from error
        if made.text() != text:
            raise NoCheckpoint("This checkpoint is not written as one is.")
        return made


def root_over(heads: Iterable[Head]) -> bytes:
    """Return the root over the logs of institutions, sorted by their codes."""
    return merkle.root_of(head.leaf() for head in sorted(heads))


def notes_in(text: str) -> list[str]:
    """Return every signed checkpoint in a text, such as mails that were saved. Raises NoCheckpoint when it has none."""
    lines = "".join(f"{line.strip()}\n" for line in text.splitlines())
    found = list(dict.fromkeys(_NOTE.findall(lines)))
    if not found:
        raise NoCheckpoint("There is no checkpoint in this text.")
    return found


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")

"""What a process of the responder says of itself, a line a second: `there again=12 ready=3`.

Numbers that are `counters` begin at 0 with each process; the others tell how things are.
"""

import re
from collections.abc import Mapping
from typing import Final

COUNTERS: Final = ("again", "alarms", "later", "malformed", "ready", "signed", "unauthorized")
_NUMBER: Final = re.compile(rb"([a-z_]+)=([0-9]{1,18})")


def line(numbers: Mapping[str, int]) -> str:
    """Return what is said."""
    return " ".join(["there", *(f"{name}={number}" for name, number in numbers.items())])


def heard(said: bytes) -> dict[str, int]:
    """Return the numbers of a line; whatever else stands there is passed over."""
    return {name.decode("ascii"): int(number) for name, number in _NUMBER.findall(said)}

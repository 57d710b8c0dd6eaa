"""Names for things that have none of their own: 130 random bits, so that no id can be guessed from another.

Base32 in Crockford's alphabet, 26 characters, lower case: safe in a URL and in a file name on every system.
"""

import os
import time
from collections import deque

_ALPHABET = b"0123456789abcdefghjkmnpqrstvwxyz"
_LETTERS = bytes(_ALPHABET[octet % 32] for octet in range(256))
_LENGTH = 26
_AT_ONCE = 64

_ready: deque[str] = deque()
"""Ids that nobody has yet: amid a request the kernel takes 6 µs for random octets, few or many."""
os.register_at_fork(after_in_child=_ready.clear)


def new_id() -> str:
    """Return a fresh id of 26 characters."""
    try:
        return _ready.pop()
    except IndexError:
        letters = os.urandom(_LENGTH * _AT_ONCE).translate(_LETTERS).decode("ascii")
        _ready.extend(letters[start : start + _LENGTH] for start in range(0, len(letters), _LENGTH))
        return new_id()


def sorted_id() -> str:
    """Return a fresh id of 26 characters that sorts behind those made before, on this machine's clock; 40 bits of it
    are random.
    """
    return f"{time.time_ns():016x}{os.urandom(5).hex()}"

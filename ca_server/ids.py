"""Names for things that have none of their own: the moment to the nanosecond, then 50 random bits.

Ids sort behind those made before, on this machine's clock. So what was made together stands together in an index, and a
commit writes fewer pages of it; none can be guessed from another. Base32 in Crockford's alphabet, 26 characters, lower
case: safe in a URL and in a file name on every system.
"""

import os
import time
from collections import deque

_ALPHABET = b"0123456789abcdefghjkmnpqrstvwxyz"
_LETTERS = bytes(_ALPHABET[octet % 32] for octet in range(256))
_LENGTH = 10
_AT_ONCE = 128

_ready: deque[str] = deque()
"""Random ends that no id has yet: amid a request the kernel takes 6 µs for random octets, few or many."""
os.register_at_fork(after_in_child=_ready.clear)


def new_id() -> str:
    """Return a fresh id of 26 characters."""
    try:
        return f"{time.time_ns():016x}{_ready.pop()}"
    except IndexError:
        letters = os.urandom(_LENGTH * _AT_ONCE).translate(_LETTERS).decode("ascii")
        _ready.extend(letters[start : start + _LENGTH] for start in range(0, len(letters), _LENGTH))
        return new_id()

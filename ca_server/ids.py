"""Names for things that have none of their own, in Crockford's Base32, lower case: safe in a URL and in a file name.

What goes on record gets an id of the moment to the nanosecond and 50 random bits: it sorts behind those made before, on
this machine's clock. So what was made together stands together in an index, and a commit writes fewer pages of it; none
can be guessed from another. What is no record gets random letters, which tell no moment.
"""

import os
import time
from collections import deque

_ALPHABET = b"0123456789abcdefghjkmnpqrstvwxyz"
_LETTERS = bytes(_ALPHABET[octet % 32] for octet in range(256))
_PIECE = 10
_AT_ONCE = 128

_ready: deque[str] = deque()
"""Random letters that nothing has yet: amid a request the kernel takes 6 µs for random octets, few or many."""
os.register_at_fork(after_in_child=_ready.clear)


def new_id() -> str:
    """Return a fresh id of 26 characters for a record."""
    return f"{time.time_ns():016x}{_piece()}"


def request_id() -> str:
    """Return a fresh id of 20 random characters for a request: two ids by time would measure what is between them."""
    return _piece() + _piece()


def _piece() -> str:
    try:
        return _ready.pop()
    except IndexError:
        letters = os.urandom(_PIECE * _AT_ONCE).translate(_LETTERS).decode("ascii")
        _ready.extend(letters[start : start + _PIECE] for start in range(0, len(letters), _PIECE))
        return _piece()

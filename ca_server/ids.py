"""Names for things that have none of their own: 128 random bits, so that no id can be guessed from another.

Base32 in Crockford's alphabet, 26 characters, lower case: safe in a URL and in a file name on every system.
"""

import os

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_TEN_BITS = (1 << 10) - 1


def new_id() -> str:
    """Return a fresh id of 26 characters."""
    number = int.from_bytes(os.urandom(16))
    return "".join([_PAIRS[number >> place & _TEN_BITS] for place in range(0, 130, 10)])

"""Names for things that have none of their own: 130 random bits, so that no id can be guessed from another.

Base32 in Crockford's alphabet, 26 characters, lower case: safe in a URL and in a file name on every system.
"""

import os
import time

_ALPHABET = b"0123456789abcdefghjkmnpqrstvwxyz"
_LETTERS = bytes(_ALPHABET[octet % 32] for octet in range(256))


def new_id() -> str:
    """Return a fresh id of 26 characters."""
    return os.urandom(26).translate(_LETTERS).decode("ascii")


def sorted_id() -> str:
    """Return a fresh id of 26 characters that sorts behind those made before, on this machine's clock; 40 bits of it
    are random.
    """
    return f"{time.time_ns():016x}{os.urandom(5).hex()}"

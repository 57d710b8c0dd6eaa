"""Names for things that have none of their own: 128 random bits, so that no id can be guessed from another.

Base32 in Crockford's alphabet, 26 characters, lower case: safe in a URL and in a file name on every system.
"""

import secrets

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH = 26


def new_id() -> str:
    """Return a fresh id of 26 characters."""
    number = secrets.randbits(128)
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in range(_LENGTH))

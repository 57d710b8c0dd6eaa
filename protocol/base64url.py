"""base64url without padding, read strictly (RFC 7515 §2, RFC 4648 §5): one text for each value, no other accepted.

Plain calls of binascii: every request is read through here four times, and `base64` takes nearly twice as long.
"""

from binascii import a2b_base64, b2a_base64

_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_TO_URL = bytes.maketrans(b"+/", b"-_")


def encode(octets: bytes) -> str:
    """Return `octets` as base64url without padding."""
    return _encode(octets).decode("ascii")


def decode(text: str) -> bytes:
    """Return the octets that `text` stands for.

    Encoding them again must give `text` back: one comparison refuses padding, foreign letters, line breaks, a length
    that cannot be and stray bits in the last letter. Raises ValueError.
    """
    given = text.encode("ascii")
    octets = a2b_base64(given.translate(_TO_STANDARD) + b"=="[: -len(given) % 4])
    if _encode(octets) != given:
        raise ValueError("This is not canonical base64url without padding.")
    return octets


def _encode(octets: bytes) -> bytes:
    return b2a_base64(octets, newline=False).rstrip(b"=").translate(_TO_URL)

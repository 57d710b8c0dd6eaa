"""The two halves of a one-time credential and the MAC key that they make together (protocol.md, The credential).

The kid travels in the URL mail, the password in the password mail; an ACME client sends neither password nor MAC key,
only a MAC (RFC 8555 §7.3.4). Whoever sees that MAC can test guesses offline, so entropy is the security: 130 random
bits in the kid, 120 in the password, no setting for fewer. A check character (Luhn mod 32) finds a typing error on
the PC, where it costs no attempt. Both are written in Crockford's base32 and forgiven what people and word processors
do to them: wide letters, blanks, line breaks, dashes, lower case, O for 0, I or L for 1. No message names a half.
"""

import hmac
import re
import secrets
import unicodedata
from typing import Final
from urllib.parse import urlsplit

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
KID_LENGTH: Final = 26
PASSWORD_LENGTH: Final = 25
PATH: Final = "/e/"

_LONGEST_INPUT = 1000
_READ_AS = str.maketrans("OIL", "011")
_ALLOWED = frozenset(ALPHABET)
# The dashes that NFKC leaves: MINUS SIGN, and the long-vowel mark that a Japanese keyboard types for a hyphen.
_DASHES = frozenset("\u2212\u30fc")


class BadCredential(ValueError):
    """The text cannot be such a half of a credential; the sentence never repeats it."""


def new_kid() -> str:
    """Make the half for the URL mail: 26 random characters, 130 bits."""
    return _random(KID_LENGTH)


def new_password() -> str:
    """Make the half for the password mail: 24 random characters, 120 bits, and their check character."""
    body = _random(PASSWORD_LENGTH - 1)
    return body + check_character(body)


def check_character(body: str) -> str:
    """Return the Luhn mod 32 check character of `body`, the rightmost character doubled first.

    It finds every single wrong character and nearly every swap of neighbours.
    """
    total = 0
    for place, character in enumerate(reversed(body)):
        addend = ALPHABET.index(character) * (1 if place % 2 else 2)
        total += addend // len(ALPHABET) + addend % len(ALPHABET)
    return ALPHABET[-total % len(ALPHABET)]


def normalise_kid(text: str) -> str:
    """Return the kid that was meant by `text`. Raises BadCredential when it cannot be one."""
    kid = _normalise(text)
    if len(kid) != KID_LENGTH:
        raise BadCredential(f"The one-time URL ends in {KID_LENGTH} letters and digits; copy it whole from the mail.")
    return kid


def normalise_password(text: str) -> str:
    """Return the password that was meant by `text`, 25 characters without hyphens.

    Raises BadCredential when it cannot be one, also for a check character that does not fit.
    """
    password = _normalise(text)
    if len(password) != PASSWORD_LENGTH:
        raise BadCredential(f"The password has {PASSWORD_LENGTH} characters in five groups; this has {len(password)}.")
    if check_character(password[:-1]) != password[-1]:
        raise BadCredential("The password has a typing error: its check character does not fit. No attempt was used.")
    return password


def grouped(password: str) -> str:
    """Return the password as people read it, five groups of five joined by hyphens."""
    return "-".join(re.findall(".{5}", normalise_password(password)))


def mac_key(kid: str, password: str) -> bytes:
    """Derive the 32 bytes that sign the external account binding: HMAC-SHA256(kid, password) over their ASCII.

    RFC 7518 §3.2 wants as many as the hash has, and clients refuse less. Raises BadCredential.
    """
    return hmac.digest(normalise_kid(kid).encode(), normalise_password(password).encode(), "sha256")


def make_mac(key: bytes, message: bytes) -> bytes:
    """Return the HS256 MAC of `message` (RFC 7518 §3.2)."""
    return hmac.digest(key, message, "sha256")


def verify_mac(key: bytes, message: bytes, mac: bytes) -> bool:
    """Tell whether `mac` is the HS256 MAC of `message`, in a time that does not depend on where they differ."""
    return hmac.compare_digest(make_mac(key, message), mac)


def kid_of_url(url: str) -> str:
    """Return the kid in a one-time URL as it was pasted: blanks, line breaks and angle brackets do no harm.

    Raises BadCredential when it is no such URL.
    """
    text = as_meant(url)
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    _, mark, kid = parts.path.rpartition(PATH)
    if parts.scheme not in ("https", "http") or not parts.netloc or not mark:
        raise BadCredential("This is not a one-time URL: it looks like https://…/e/ and letters and digits.")
    return normalise_kid(kid.rstrip("/"))


def as_meant(url: str) -> str:
    """Return the one-time URL without what pasting did to it: wide letters, blanks, line breaks, angle brackets."""
    folded = unicodedata.normalize("NFKC", url)
    return "".join(character for character in folded if not _is_noise(character)).strip("<>\"'")


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _normalise(text: str) -> str:
    if len(text) > _LONGEST_INPUT:
        raise BadCredential("This is too long for a part of a credential.")
    if _ALLOWED.issuperset(text):  # as programs send it: there is nothing to read in it but what it says
        return text
    folded = unicodedata.normalize("NFKC", text)
    meant = "".join(c for c in folded if not (_is_noise(c) or _is_dash(c))).upper().translate(_READ_AS)
    if not _ALLOWED.issuperset(meant):
        raise BadCredential("This holds a character that no credential has: they are digits and Latin letters but U.")
    return meant


def _is_noise(character: str) -> bool:
    """Blanks, line breaks, and the invisible marks (byte order, zero width, soft hyphen) that documents carry along."""
    return character.isspace() or unicodedata.category(character) == "Cf"


def _is_dash(character: str) -> bool:
    return unicodedata.category(character) == "Pd" or character in _DASHES

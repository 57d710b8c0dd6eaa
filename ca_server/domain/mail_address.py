"""Which texts are the address of a mail: of those that RFC 5321 allows, the ones that nothing can read as two."""

import re

from ca_server.language import sentence

_LONGEST_ADDRESS = 254  # RFC 5321 §4.5.3.1.3, without the angle brackets
_LONGEST_LOCAL_PART = 64
_LOCAL_PART = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"({_LABEL}\.)+(?![0-9]+$){_LABEL}", re.ASCII | re.IGNORECASE)  # 192.0.2.1 is none


class UnsafeAddress(ValueError):
    """The text cannot be the address of a mail; the sentence says what an address looks like."""


def require_safe_address(text: str) -> str:
    """Return `text` if it is one plain mail address that no header or mail server can read as two (RFC 5321 §4.1.2).

    Quoted local parts, address literals and non-ASCII addresses are lawful but refused: not every mail server on the
    way takes them. Raises UnsafeAddress with what is wrong.
    """
    if not text.isascii() or not text.isprintable():
        raise UnsafeAddress(
            sentence("A mail address has ASCII letters, digits and signs only, and no control characters.")
        )
    local, _, domain = text.partition("@")
    if text.count("@") != 1 or not local or not domain:
        raise UnsafeAddress(sentence("A mail address is a name, one @ and a domain."))
    if local.startswith("-"):
        raise UnsafeAddress(sentence("A mail address does not begin with a dash."))
    if not _LOCAL_PART.fullmatch(local):
        raise UnsafeAddress(
            sentence("The name in a mail address has no blanks, commas, quotes, brackets or doubled dots.")
        )
    if not _DOMAIN.fullmatch(domain):
        raise UnsafeAddress(
            sentence("The domain of a mail address is two or more names joined by dots, such as example.jp.")
        )
    if len(text) > _LONGEST_ADDRESS or len(local) > _LONGEST_LOCAL_PART:
        raise UnsafeAddress(
            sentence("A mail address has at most {most} characters, 64 of them before the @.", most=_LONGEST_ADDRESS)
        )
    return text

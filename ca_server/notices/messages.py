"""What each notice says: a template a kind and a language, its first line the subject, and the facts it is filled with.

A template that asks for a fact it is not given fails (StrictUndefined) rather than sending a gap. The URL stands alone
on a line, and the message is encoded so that no mail server folds it (base64 of UTF-8, RFC 2045 §6.8).
"""

import dataclasses
import datetime
from collections.abc import Mapping
from email.header import Header
from email.message import Message
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime, formataddr
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import jinja2

from ca_server.clock import TOKYO, moment

_LONGEST_ADDRESS = 254
_POLICY = compat32.clone(linesep="\r\n")
KIND_HEADER = "X-Warifu-Notice"
CN_HEADER = "X-Warifu-CN"


class NoticeKind(StrEnum):
    """The notices there are."""

    ENROLMENT_URL = "enrolment-url"
    ENROLMENT_PASSWORD = "enrolment-password"  # noqa: S105
    RENEWAL_URL = "renewal-url"
    RENEWAL_PASSWORD = "renewal-password"  # noqa: S105
    FETCHED = "fetched"
    REVOKED = "revoked"
    RETURNED = "returned"


class Operator(Protocol):
    """What mails say of who sends them."""

    @property
    def contact_name(self) -> str: ...
    @property
    def telephone(self) -> str: ...
    @property
    def mail(self) -> str: ...
    @property
    def hours(self) -> str: ...
    @property
    def hours_en(self) -> str | None: ...
    @property
    def sender_domains(self) -> tuple[str, ...]: ...


@dataclasses.dataclass(frozen=True)
class Sender:
    """Who sends: the organisation's name, the address, and the domain of Message-IDs is the address's."""

    organization: str
    address: str


@dataclasses.dataclass(frozen=True)
class Rendered:
    """A notice in words, with what tells programs which one it is."""

    kind: NoticeKind
    cn: str | None
    subject: str
    text: str


class UnsafeAddress(ValueError):
    """The text cannot be the address of a mail."""


class Messages:
    """Renders notices."""

    def __init__(self, sender: Sender, operator: Operator) -> None:
        self._sender = sender
        self._operator = operator
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
            undefined=jinja2.StrictUndefined,
            autoescape=False,  # noqa: S701 - plain text
            keep_trailing_newline=True,
        )
        self._environment.filters |= {"day": _day, "moment": _moment}

    def render(self, kind: NoticeKind, language: str, facts: Mapping[str, object]) -> Rendered:
        """Return the notice in words. Raises jinja2.UndefinedError when a fact is missing."""
        text = self._environment.get_template(f"{language}/{kind}.txt").render(
            facts, language=language, operator=self._operator, organization=self._sender.organization
        )
        subject, _, body = text.partition("\n")
        cn = facts.get("cn")
        return Rendered(kind, None if cn is None else str(cn), subject, body)

    def compose(self, rendered: Rendered, recipient: str, message_id: str, now: int) -> Message:
        """Return the mail; `message_id` stays the same at every try, so that a second copy shows as one.

        Made with the older of the library's two kinds of message, which takes a quarter of the other's time.
        """
        sender = require_safe_address(self._sender.address)
        mail = MIMEText(rendered.text.replace("\n", "\r\n"), "plain", "utf-8", policy=_POLICY)
        mail["From"] = formataddr((self._sender.organization, sender))
        mail["To"] = require_safe_address(recipient)
        mail["Subject"] = Header(rendered.subject, "utf-8").encode()
        mail["Date"] = format_datetime(moment(now))
        mail["Message-ID"] = f"<{message_id}@{sender.partition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail[KIND_HEADER] = rendered.kind
        if rendered.cn is not None:
            mail[CN_HEADER] = rendered.cn
        return mail


def require_safe_address(text: str) -> str:
    """Return `text` if it is one plain mail address that no header or mail server can read as two.

    Raises UnsafeAddress with what is wrong.
    """
    local, at, domain = text.rpartition("@")
    if not at or not local or "." not in domain or len(text) > _LONGEST_ADDRESS:
        raise UnsafeAddress("A mail address is a name, @ and a domain.")
    if not text.isascii() or not text.isprintable() or set(text) & set(' ,;:<>()[]"\\') or "@" in local:
        raise UnsafeAddress("A mail address has no blanks, commas, quotes or control characters, and one @.")
    if text.startswith("-") or domain.startswith("-"):
        raise UnsafeAddress("A mail address does not begin with a dash.")
    return text


@jinja2.pass_context
def _day(context: jinja2.runtime.Context, seconds: int) -> str:
    """Render a moment as a day of Japan."""
    day = datetime.datetime.fromtimestamp(seconds, TOKYO)
    return f"{day.year}年{day.month}月{day.day}日" if context["language"] == "ja" else f"{day:%-d %B %Y}"


@jinja2.pass_context
def _moment(context: jinja2.runtime.Context, seconds: int) -> str:
    """Render a moment in Japan's time."""
    local = datetime.datetime.fromtimestamp(seconds, TOKYO)
    return f"{_day(context, seconds)} {local:%H:%M:%S}" + ("" if context["language"] == "ja" else " (Japan time)")

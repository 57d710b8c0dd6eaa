"""What each notice (通知メール) says: a template a kind and a language, its first line the subject.

A template sees only the facts of its kind, so the URL and the password cannot meet in one mail whatever the caller
hands in; one that asks for another fact fails (StrictUndefined) rather than sending a gap. Every value is printed on
one line, so that a name cannot add a paragraph to a mail. The text goes out as base64 of UTF-8 with CRLF (RFC 2045
§6.8, RFC 2046 §4.1.1): no mail server folds it, and the URL stays alone on its line.
"""

import base64
import dataclasses
import datetime
import functools
import unicodedata
from collections.abc import Mapping, Sequence, Set
from email.message import Message
from email.policy import compat32
from email.utils import format_datetime, formataddr
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Protocol

import jinja2

from ca_server.clock import MINUTE, TOKYO, day_in_tokyo, moment
from ca_server.domain.applications import Kind
from ca_server.domain.mail_address import require_safe_address
from ca_server.notices.attachment import Attachment, enclose
from ca_server.notices.icalendar import Event, Organizer, calendar

KIND_HEADER: Final = "X-Warifu-Notice"
CN_HEADER: Final = "X-Warifu-CN"
JAPANESE: Final = "ja"

# Headers are folded here: the library would begin a long one with an empty line, which reads back as a blank.
_POLICY = compat32.clone(linesep="\r\n", max_line_length=None)
_TEMPLATES = Path(__file__).parent / "templates"
_LONGEST_STATEMENT = 80
_LONGEST_WORD = 39  # octets: "Subject: " and the encoded word stay within a line of 76
_UNPRINTED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_STATED_BY_STRANGERS = frozenset({"host_name", "agent", "caller", "successor"})


class NoticeKind(StrEnum):
    """The notices there are."""

    ENROLMENT_URL = "enrolment-url"
    ENROLMENT_PASSWORD = "enrolment-password"  # noqa: S105
    RENEWAL_URL = "renewal-url"
    RENEWAL_PASSWORD = "renewal-password"  # noqa: S105
    FETCHED = "fetched"
    REVOKED = "revoked"
    RECEIVED = "received"
    RETURNED = "returned"
    WITHDRAWN = "withdrawn"
    RENEWAL_REMINDER = "renewal-reminder"
    EXPIRED_UNUSED = "expired-unused"
    SUSPENDED = "suspended"
    RELEASED = "released"
    FORM_OWED = "form-owed"
    CHANGE_RECEIVED = "change-received"
    CHANGED = "changed"
    ATTEMPT = "attempt"
    INVENTORY = "inventory"
    KEY_CHANGED = "key-changed"
    CHECKPOINT = "audit-checkpoint"


_ADDRESSEE = {"institution_name", "administrator"}
_SEAT = _ADDRESSEE | {"cn", "application?"}
_FORM = _ADDRESSEE | {"application", "form", "cns"}
_CREDENTIAL = _SEAT | {"expires", "reissued"}
_PASSWORD = _CREDENTIAL | {"password", "wrong_passwords"}
_TABLE: Final[Mapping[NoticeKind, Set[str]]] = {
    NoticeKind.ENROLMENT_URL: _CREDENTIAL | {"url"},
    NoticeKind.ENROLMENT_PASSWORD: _PASSWORD,
    NoticeKind.RENEWAL_URL: _CREDENTIAL | {"url", "not_after", "ended"},
    NoticeKind.RENEWAL_PASSWORD: _PASSWORD | {"not_after"},
    NoticeKind.FETCHED: _SEAT | {"serial", "fetched_at", "not_after", "host_name?", "agent?", "address?"},
    NoticeKind.REVOKED: _SEAT | {"serials", "reason", "revoked_at", "published_at", "seconds_taken"},
    NoticeKind.RECEIVED: _FORM,
    NoticeKind.RETURNED: _FORM | {"return_reason"},
    NoticeKind.WITHDRAWN: _FORM | {"withdrawal_reason"},
    NoticeKind.RENEWAL_REMINDER: _SEAT | {"not_after", "days_left"},
    NoticeKind.EXPIRED_UNUSED: _SEAT | {"expired_at", "fresh_pair_until"},
    NoticeKind.SUSPENDED: _SEAT | {"suspended_at", "incident", "caller?", "held_until?"},
    NoticeKind.RELEASED: _SEAT | {"released_at"},
    NoticeKind.FORM_OWED: _SEAT | {"act", "acted_at", "incident", "caller"},
    NoticeKind.CHANGE_RECEIVED: _ADDRESSEE | {"application", "successor"},
    NoticeKind.CHANGED: _ADDRESSEE | {"application", "former", "successor", "changed_at"},
    NoticeKind.ATTEMPT: _ADDRESSEE | {"attempt", "attempted_at", "cn?"},
    NoticeKind.INVENTORY: _ADDRESSEE | {"listed_at", "count"},
    NoticeKind.KEY_CHANGED: _SEAT | {"changed_at", "host_name?", "address?"},
    NoticeKind.CHECKPOINT: {"made_at", "entries", "lines"},
}
"""What each kind is filled with; what bears a `?` may be unknown (None).

Moments are epoch seconds; `password` comes grouped in fives; `form` is a DCM number; `cns` are CNs with ", " between
them, and `serials` serial numbers, perhaps none; `reissued` tells whether an earlier pair for the same certificate was
mailed, `ended` whether it ended; `act` is `revoked` or `suspended`; `attempt` is an Attempt; `lines` are those of a
checkpoint of the audit log.
"""
FACTS: Final[Mapping[NoticeKind, frozenset[str]]] = {
    kind: frozenset(name.rstrip("?") for name in names) for kind, names in _TABLE.items()
}
_NEEDED: Final[Mapping[NoticeKind, frozenset[str]]] = {
    kind: frozenset(name for name in names if not name.endswith("?")) for kind, names in _TABLE.items()
}

_FORM_NAMES: Final = {
    "ja": {
        Kind.ISSUANCE: "証明書新規発行申請書（DCM902）",
        Kind.REVOCATION: "証明書失効申請書（DCM903）",
        Kind.REPLACEMENT: "証明書失効・新規発行申請書（DCM904）",
        Kind.ADMINISTRATOR_CHANGE: "管理者変更申請書（DCM905）",
    },
    "en": {
        Kind.ISSUANCE: "Application for new issuance (DCM902)",
        Kind.REVOCATION: "Application for revocation (DCM903)",
        Kind.REPLACEMENT: "Application for revocation and new issuance (DCM904)",
        Kind.ADMINISTRATOR_CHANGE: "Application for a change of administrator (DCM905)",
    },
}


class Operator(Protocol):
    """What mails say of whom to ask."""

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
    @property
    def privacy_url(self) -> str | None: ...


@dataclasses.dataclass(frozen=True)
class Sender:
    """Who sends: the organisation's name, the address whose domain Message-IDs bear, and where its rules are read.

    Raises UnsafeAddress, or ValueError for a name that cannot stand in a header.
    """

    organization: str
    address: str
    repository_url: str | None = None
    cps_url: str | None = None

    def __post_init__(self) -> None:
        require_safe_address(self.address)
        if not self.organization or _one_line(self.organization) != self.organization:
            raise ValueError("The organisation that mails come from is a name without control characters.")

    @property
    def domain(self) -> str:
        """Return the domain of its address."""
        return self.address.partition("@")[2]

    @functools.cached_property
    def header(self) -> str:
        """Return the value of From: the name in words of at most 75 characters (RFC 2047 §2), and the address."""
        if self.organization.isascii():
            return formataddr((self.organization, self.address))
        return f"{_encoded_words(self.organization)} <{self.address}>"


@dataclasses.dataclass(frozen=True)
class Rendered:
    """A notice in words, with what tells programs which one it is."""

    kind: NoticeKind
    cn: str | None
    subject: str
    text: str = dataclasses.field(repr=False)
    """Holds a half of a credential, so it never shows in a log."""
    event: Event | None = None
    """What goes into the recipient's calendar."""


class Messages:
    """Renders notices and makes mails of them."""

    def __init__(self, sender: Sender, operator: Operator) -> None:
        self._sender = sender
        self._operator = operator
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_TEMPLATES),
            undefined=jinja2.StrictUndefined,
            autoescape=False,  # noqa: S701 - plain text
            finalize=_printed,
            trim_blocks=True,
            auto_reload=False,
            keep_trailing_newline=True,
        )
        self._environment.filters |= {"day": _day, "moment": _moment, "duration": _duration, "form_name": _form_name}

    def render(self, kind: NoticeKind, language: str, facts: Mapping[str, object]) -> Rendered:
        """Return the notice in words; facts that are not of its kind are left out, whatever they are.

        Raises jinja2.UndefinedError naming the facts of its kind that are missing.
        """
        own = {name: _of_strangers(name, facts.get(name)) for name in FACTS[kind]}
        missing = sorted(name for name in _NEEDED[kind] if own[name] is None)
        if missing:
            raise jinja2.UndefinedError(f"A notice {kind} needs {', '.join(missing)}.")
        template = self._environment.get_template(f"{language}/{kind}.txt")
        text = template.render(own, language=language, operator=self._words_of_operator(language))
        subject, _, body = text.partition("\n")
        cn = own.get("cn")
        event = self._ending(language, own) if kind is NoticeKind.RENEWAL_REMINDER else None
        return Rendered(kind, None if cn is None else str(cn), subject, body, event)

    def _ending(self, language: str, facts: Mapping[str, Any]) -> Event:
        """Return the day on which the certificate of a reminder ends."""
        template = self._environment.get_template(f"{language}/_ending.txt")
        text = template.render(facts, language=language, operator=self._words_of_operator(language))
        summary, _, description = text.rstrip().partition("\n")
        day = day_in_tokyo(facts["not_after"])
        return Event(f"{facts['cn']}-{day:%Y%m%d}", day, summary, description)

    def compose(
        self, rendered: Rendered, recipient: str, message_id: str, now: int, attachments: Sequence[Attachment] = ()
    ) -> Message:
        """Return the mail; `message_id` stays the same at every try, so that a second copy shows as one.

        Made with the older of the library's two kinds of message, which takes a quarter of the other's time. Raises
        UnsafeAddress when `recipient` is not one plain address.
        """
        text = _plain(rendered.text)
        if rendered.event is not None:
            organizer = Organizer(self._sender.organization, self._sender.address)
            attachments = (*attachments, calendar(rendered.event, organizer, now))
        mail = enclose(text, attachments, message_id, _POLICY) if attachments else text
        mail["From"] = self._sender.header
        mail["To"] = require_safe_address(recipient)
        mail["Subject"] = _encoded_words(rendered.subject)
        mail["Date"] = format_datetime(moment(now))
        mail["Message-ID"] = f"<{message_id}@{self._sender.domain}>"
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: no holiday notice comes back
        mail[KIND_HEADER] = rendered.kind
        if rendered.cn is not None:
            mail[CN_HEADER] = rendered.cn
        return mail

    def _words_of_operator(self, language: str) -> dict[str, object]:
        operator, sender = self._operator, self._sender
        hours = operator.hours if language == JAPANESE else operator.hours_en or operator.hours
        return {
            "organization": sender.organization,
            "sender": sender.address,
            "repository_url": sender.repository_url,
            "cps_url": sender.cps_url,
            "contact_name": operator.contact_name,
            "telephone": operator.telephone,
            "mail": operator.mail,
            "hours": hours,
            "sender_domains": operator.sender_domains,
            "privacy_url": operator.privacy_url,
        }


def _plain(text: str) -> Message:
    """Return a text as the body of a mail, like the library's MIMEText, which tries every encoding first."""
    body = Message(_POLICY)
    body["Content-Type"] = 'text/plain; charset="utf-8"'
    body["MIME-Version"] = "1.0"
    body["Content-Transfer-Encoding"] = "base64"
    body.set_payload(base64.encodebytes(text.replace("\n", "\r\n").encode()).decode("ascii"))
    return body


def _encoded_words(text: str) -> str:
    """Return a text of any script in words of whole characters, a line each, none of more than 75 (RFC 2047 §2, §5)."""
    words = [b""]
    for character in text:
        octets = character.encode()
        if len(words[-1]) + len(octets) > _LONGEST_WORD:
            words.append(b"")
        words[-1] += octets
    return "\n ".join(f"=?utf-8?b?{base64.b64encode(word).decode('ascii')}?=" for word in words)


def _one_line(text: str) -> str:
    """Take out what would break a line or turn the reading direction; ideographic blanks and variants stay."""
    if text.isprintable():  # most are, and this is quick
        return text
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in _UNPRINTED else c for c in text)


def _printed(value: object) -> object:
    return value if isinstance(value, jinja2.Undefined) else _one_line(str(value))


def _of_strangers(name: str, value: object) -> object:
    """Shorten what a PC, a caller or a form states of itself, and make no link of it: a thief may have written it."""
    if name not in _STATED_BY_STRANGERS or not isinstance(value, str):
        return value
    short = value if len(value) <= _LONGEST_STATEMENT else value[: _LONGEST_STATEMENT - 1] + "…"
    return short.replace("://", ": //").replace("@", " @ ")


@jinja2.pass_context
def _day(context: jinja2.runtime.Context, seconds: int) -> str:
    """Render a moment as a day of Japan."""
    day = datetime.datetime.fromtimestamp(seconds, TOKYO)
    return f"{day.year}年{day.month}月{day.day}日" if _japanese(context) else f"{day.day} {day:%B %Y}"


@jinja2.pass_context
def _moment(context: jinja2.runtime.Context, seconds: int) -> str:
    """Render a moment in Japan's time; the seconds fall off, so that a deadline is never promised too late."""
    clock = f"{datetime.datetime.fromtimestamp(seconds, TOKYO):%H:%M}"
    day = _day(context, seconds)
    return f"{day} {clock}（日本時間）" if _japanese(context) else f"{day}, {clock} JST"


@jinja2.pass_context
def _duration(context: jinja2.runtime.Context, seconds: int) -> str:
    """Render how long a thing took: in seconds up to two minutes, then in minutes begun."""
    if seconds <= 2 * MINUTE:
        return f"{seconds} 秒" if _japanese(context) else f"{seconds} seconds"
    minutes = -(-seconds // MINUTE)
    return f"約 {minutes} 分" if _japanese(context) else f"about {minutes} minutes"


@jinja2.pass_context
def _form_name(context: jinja2.runtime.Context, form: str) -> str:
    """Render the name of a form."""
    return _FORM_NAMES[str(context["language"])][Kind(form)]


def _japanese(context: jinja2.runtime.Context) -> bool:
    return bool(context["language"] == JAPANESE)

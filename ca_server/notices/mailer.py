"""How mails leave: by SMTP (RFC 5321), or into a maildir beside the database for trials.

A mailer answers what became of a mail: accepted, deferred for another try, or rejected for good. Rejected is only a
5xx that judges this mail: its addressee or content. What would meet any other mail as well (no connection, no TLS, a
certificate that is not trusted, silence, a line that drops, 421, a no to the greeting, to our password or to the
sender, who is always the same) is an outage: a fault to be mended, after which the mail can still leave. With STARTTLS
configured nothing is ever sent in the clear (RFC 8314 §3). Reasons hold codes and never the server's own words, for a
filter that dislikes a URL may quote it.
"""

import asyncio
import contextlib
import dataclasses
import email
import email.policy
import functools
import os
import re
import secrets
import ssl
import time
from collections.abc import Iterator, Sequence
from email.message import EmailMessage, Message
from pathlib import Path
from typing import Final, Protocol, cast

import aiosmtplib

from ca_server.clock import DAY, HOUR

# Of one try in all, so that a server that drips its answers holds up nobody. Shorter, a server that is only slow would
# get the same mail again and again; longer, the try that hangs when the server returns would hold up the rest.
_TIMEOUT_SECONDS = 20
_FAREWELL_SECONDS = 2
LONGEST_TRY_SECONDS: Final = _TIMEOUT_SECONDS + _FAREWELL_SECONDS
_GIVE_UP_SECONDS: Final = 5 * DAY  # RFC 5321 §4.5.4.1: at least four or five days
_FIRST_WAIT_SECONDS = 15
_FREQUENT_TRIES = 8
_DOUBLINGS = 8
_CLOSING = 421  # RFC 5321 §3.8: an answer to any command of a server that is about to go
_TOO_LARGE = 552  # already to MAIL when the SIZE that we state is too much (RFC 1870 §6.1)
_ABOUT_OUR_LOGIN = frozenset({530, 534, 535, 538})  # RFC 4954 §6
_ENHANCED_CODE = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?!\d)", re.ASCII)  # RFC 3463
_SUFFIX = ".warifu"


@dataclasses.dataclass(frozen=True)
class Accepted:
    """The mail server has it."""


@dataclasses.dataclass(frozen=True)
class Deferred:
    """Not now; another try may succeed."""

    reason: str


@dataclasses.dataclass(frozen=True)
class Outage(Deferred):
    """Not now, and no other mail either: the mail server cannot be used."""


@dataclasses.dataclass(frozen=True)
class Rejected:
    """Never."""

    reason: str


class Mailer(Protocol):
    """Takes a mail away."""

    async def deliver(self, mail: Message) -> Accepted | Deferred | Rejected:
        """Try once and tell what became of it."""


def next_try(attempts: int, now: int) -> int:
    """Return when to try again after `attempts` earlier tries and one now.

    Every 15 s for two minutes, for a server that puts off whatever it is offered is often back soon, then doubling up
    to an hour.
    """
    doublings = max(0, attempts - _FREQUENT_TRIES + 1)
    return now + min(_FIRST_WAIT_SECONDS << min(doublings, _DOUBLINGS), HOUR)


def is_hopeless(created_at: int, now: int) -> bool:
    """Tell whether a mail that was only ever deferred is given up: after five days, as mail servers do."""
    return now - created_at > _GIVE_UP_SECONDS


class MaildirMailer:
    """Puts mails into a maildir: written under tmp, synced, renamed into new, readable by the owner alone.

    What comes in one turn of the loop shares a thread and the folder's sync, and each mail is written before the first
    is synced, so that the disk's journal has to be written once for all: 16 mails take two thirds of the time of each.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: list[bytes] = []
        self._storing: asyncio.Task[Accepted | Deferred] | None = None
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("tmp", "new", "cur"):
            (folder / name).mkdir(mode=0o700, exist_ok=True)

    async def deliver(self, mail: Message) -> Accepted | Deferred | Rejected:
        """Store the mail; a full disk defers it, and whatever was to be stored with it."""
        if self._storing is None:
            self._storing = asyncio.create_task(self._store())
        self._waiting.append(octets(mail))
        return await asyncio.shield(self._storing)

    async def _store(self) -> Accepted | Deferred:
        contents, self._waiting, self._storing = self._waiting, [], None
        try:
            await asyncio.to_thread(self._write, contents)
        except OSError as error:
            return Deferred(f"The maildir cannot be written: {error.strerror}.")
        return Accepted()

    def _write(self, contents: Sequence[bytes]) -> None:
        with contextlib.ExitStack() as stack:
            drafts = [stack.enter_context(self._draft(content)) for content in contents]
            for descriptor, _ in drafts:
                os.fsync(descriptor)
            for _, path in drafts:
                path.rename(self._folder / "new" / path.name)
        _sync_folder(self._folder / "new")

    @contextlib.contextmanager
    def _draft(self, content: bytes) -> Iterator[tuple[int, Path]]:
        """Write a mail under tmp; what was not renamed goes again."""
        path = self._folder / "tmp" / f"{time.time_ns()}.{secrets.token_hex(8)}{_SUFFIX}"
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                yield descriptor, path
        finally:
            path.unlink(missing_ok=True)


def octets(mail: Message) -> bytes:
    """Return a mail as `bytes(mail)` does, which takes twenty times as long for one part that is folded already."""
    text = mail.get_payload()
    if mail.policy.max_line_length is not None or not isinstance(text, str):
        return bytes(mail)
    head = "".join(f"{name}: {value}\n" for name, value in mail.items())
    return f"{head}\n{text}".replace("\n", mail.policy.linesep).encode("ascii")


def read_maildir(folder: Path) -> list[EmailMessage]:
    """Return the mails of a maildir by date, those that a mail program has opened too."""
    found: dict[str, EmailMessage] = {}
    # What a mail program moves from new to cur meanwhile is found in one of them.
    for path in (*(folder / "new").glob(f"*{_SUFFIX}"), *(folder / "cur").glob(f"*{_SUFFIX}*")):
        with contextlib.suppress(FileNotFoundError):
            mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            found[path.name.partition(":")[0]] = mail
    return [mail for _, mail in sorted(found.items(), key=lambda item: (item[1]["Date"].datetime, item[0]))]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclasses.dataclass(frozen=True)
class SmtpMailer:
    """Hands mails to a mail server."""

    host: str
    port: int
    starttls: bool
    user: str | None = None
    password: str | None = dataclasses.field(default=None, repr=False)
    ca_file: Path | None = None
    """Whom to trust, and nobody else; the system's store when absent."""

    def __post_init__(self) -> None:
        if self.user is not None and not self.starttls:
            raise ValueError("A user name and password are sent to a mail server over STARTTLS only; switch it on.")

    async def deliver(self, mail: Message) -> Accepted | Deferred | Rejected:
        """Try once; whatever is not a clear no to this very mail is worth another try."""
        try:
            connection = aiosmtplib.SMTP(
                hostname=self.host,
                port=self.port,
                username=self.user,
                password=self.password,
                use_tls=False,
                start_tls=self.starttls,
                tls_context=self._trust if self.starttls else None,
                timeout=_TIMEOUT_SECONDS,
            )
        except OSError as error:
            return Outage(f"The trust store for the mail server cannot be read: {error.strerror}.")
        line: asyncio.WriteTransport | None = None
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                await connection.connect()
                line = cast(asyncio.WriteTransport, connection.transport)
                await connection.send_message(mail)
            await _take_leave(connection)
        except aiosmtplib.SMTPRecipientsRefused as error:
            return _judged(error.recipients[0], "the addressee")
        except aiosmtplib.SMTPSenderRefused as error:
            return _judged(error, "the size") if error.code == _TOO_LARGE else _outage(error, "the sender")
        except aiosmtplib.SMTPDataError as error:
            return _judged(error, "the content")
        except (aiosmtplib.SMTPException, OSError) as error:
            return Outage(f"{self.host}:{self.port}: {_trouble(error)}")
        finally:
            connection.close()
            if line is not None:
                line.abort()  # a polite end of TLS would wait for the server
        return Accepted()

    @functools.cached_property
    def _trust(self) -> ssl.SSLContext:
        # Not create_default_context, which writes the session's keys wherever SSLKEYLOGFILE says.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.ca_file is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(self.ca_file)
        return context


async def _take_leave(connection: aiosmtplib.SMTP) -> None:
    """Say QUIT; the mail is the server's already, so whatever goes wrong now changes nothing."""
    with contextlib.suppress(aiosmtplib.SMTPException, OSError):
        async with asyncio.timeout(_FAREWELL_SECONDS):
            await connection.quit()


def _judged(answer: aiosmtplib.SMTPResponseException, what: str) -> Deferred | Rejected:
    if answer.code == _CLOSING or answer.code in _ABOUT_OUR_LOGIN or not 400 <= answer.code < 600:
        return _outage(answer, what)
    sentence = _answered(answer, what)
    return Deferred(sentence) if answer.code < 500 else Rejected(sentence)


def _outage(answer: aiosmtplib.SMTPResponseException, what: str) -> Outage:
    return Outage(_answered(answer, what))


def _answered(answer: aiosmtplib.SMTPResponseException, what: str) -> str:
    return f"The mail server answered {_codes(answer)} to {what}."


def _codes(answer: aiosmtplib.SMTPResponseException) -> str:
    enhanced = _ENHANCED_CODE.match(answer.message)
    return f"{answer.code} {enhanced[0]}" if enhanced else str(answer.code)


def _trouble(error: aiosmtplib.SMTPException | OSError) -> str:
    """Say in a sentence why the server could not be used, without its words."""
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return f"our user name and password were refused ({_codes(error)})."
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"the mail server answered {_codes(error)} before any mail was offered."
    if isinstance(error, TimeoutError):
        return "the mail server did not answer in time."
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the mail server's certificate is not trusted ({error.verify_message})."
    if isinstance(error, ssl.SSLError):
        return "TLS with the mail server failed."
    if isinstance(error, aiosmtplib.SMTPServerDisconnected):
        return "the mail server closed the connection."
    if isinstance(error, OSError):
        return "no connection could be made."
    return "the mail server does not offer what the configuration requires (STARTTLS, or AUTH for the password)."

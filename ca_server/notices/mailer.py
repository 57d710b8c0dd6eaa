"""How mails leave: by SMTP (RFC 5321), or into a maildir beside the database for trials.

A mailer answers what became of a mail: accepted, deferred for another try (4xx, no connection), or rejected for good
(5xx). With STARTTLS configured nothing is ever sent in the clear. No reason holds anything of the mail's text.
"""

import asyncio
import dataclasses
import email
import email.policy
import os
import secrets
import ssl
import time
from email.message import EmailMessage, Message
from pathlib import Path
from typing import Protocol

import aiosmtplib

from ca_server.clock import DAY, HOUR, MINUTE

_TIMEOUT_SECONDS = 20
_GIVE_UP_SECONDS = 5 * DAY


@dataclasses.dataclass(frozen=True)
class Accepted:
    """The mail server has it."""


@dataclasses.dataclass(frozen=True)
class Deferred:
    """Not now; another try may succeed."""

    reason: str


@dataclasses.dataclass(frozen=True)
class Rejected:
    """Never, for this addressee."""

    reason: str


class Mailer(Protocol):
    """Takes a mail away."""

    async def deliver(self, mail: Message) -> Accepted | Deferred | Rejected:
        """Try once and tell what became of it."""


def next_try(attempts: int, now: int) -> int:
    """Return when the try after `attempts` comes: a minute, doubling, at most an hour."""
    return now + min(MINUTE << min(attempts, 6), HOUR)


def is_hopeless(created_at: int, now: int) -> bool:
    """Tell whether a mail that was only ever deferred is given up: after five days, as mail servers do."""
    return now - created_at > _GIVE_UP_SECONDS


@dataclasses.dataclass(frozen=True)
class MaildirMailer:
    """Puts mails into a maildir: written under tmp, synced, renamed into new, readable by the owner alone."""

    folder: Path

    async def deliver(self, mail: Message) -> Accepted | Deferred | Rejected:
        """Store the mail; a full disk defers it."""
        try:
            await asyncio.to_thread(self._store, bytes(mail))
        except OSError as error:
            return Deferred(f"The maildir cannot be written: {error.strerror}.")
        return Accepted()

    def __post_init__(self) -> None:
        for name in ("tmp", "new", "cur"):
            (self.folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    def _store(self, content: bytes) -> None:
        name = f"{time.time_ns()}.{secrets.token_hex(8)}.warifu"
        written = self.folder / "tmp" / name
        with open(written, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        written.rename(self.folder / "new" / name)


def read_maildir(folder: Path) -> list[EmailMessage]:
    """Return the mails of a maildir in the order in which they came."""
    paths = sorted((folder / "new").glob("*.warifu")) if folder.is_dir() else []
    mails = []
    for path in paths:
        mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        assert isinstance(mail, EmailMessage)  # noqa: S101 - the default policy makes no other
        mails.append(mail)
    return mails


@dataclasses.dataclass(frozen=True)
class SmtpMailer:
    """Hands mails to a mail server."""

    host: str
    port: int
    starttls: bool
    user: str | None = None
    password: str | None = None
    ca_file: Path | None = None

    async def deliver(self, mail: Message) -> Accepted | Deferred | Rejected:
        """Try once; whatever is not a clear no is worth another try."""
        try:
            await aiosmtplib.send(
                mail,
                hostname=self.host,
                port=self.port,
                username=self.user,
                password=self.password,
                start_tls=self.starttls,
                tls_context=self._trust() if self.starttls else None,
                timeout=_TIMEOUT_SECONDS,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            return _judged([refusal.code for refusal in error.recipients], "the addressee")
        except aiosmtplib.SMTPResponseException as error:
            return _judged([error.code], "the mail")
        except (aiosmtplib.SMTPException, OSError, ssl.SSLError) as error:
            return Deferred(f"{self.host}:{self.port} could not be used: {type(error).__name__}.")
        return Accepted()

    def _trust(self) -> ssl.SSLContext:
        if self.ca_file is None:
            return ssl.create_default_context()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.ca_file)
        return context


def _judged(codes: list[int], what: str) -> Deferred | Rejected:
    sentence = f"The mail server answered {', '.join(map(str, codes))} to {what}."
    return Rejected(sentence) if codes and all(code >= 500 for code in codes) else Deferred(sentence)

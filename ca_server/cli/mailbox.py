"""`warifu-ca mailbox`: the mails of a trial, which go into a maildir instead of leaving."""

from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from typing import Any

import click

from ca_server.cli.front import Command
from ca_server.cli.options import common, settings
from ca_server.cli.output import answer
from ca_server.clock import rfc3339
from ca_server.errors import NotAllowed
from ca_server.language import sentence
from ca_server.notices.mailer import read_maildir
from ca_server.notices.messages import CN_HEADER, KIND_HEADER


def _text(mail: EmailMessage) -> str:
    """Return the text of a mail, with or without attachments."""
    body = mail.get_body(("plain",))
    return "" if body is None else str(body.get_content()).replace("\r\n", "\n")


@click.command(cls=Command)
@common
def mailbox() -> None:
    """Show the mails of a trial, oldest first. Refuses when mails really leave by SMTP."""
    config = settings().config()
    if config.mail.transport != "maildir":
        raise NotAllowed(sentence("Mails leave by SMTP here, so there is no mailbox to look into."))
    listed: list[dict[str, Any]] = [
        {
            "to": str(mail["To"]),
            "subject": str(mail["Subject"]),
            "kind": str(mail[KIND_HEADER]),
            "cn": None if mail[CN_HEADER] is None else str(mail[CN_HEADER]),
            "text": _text(mail),
            "attachments": [part.get_filename() for part in mail.iter_attachments()],
            "date": rfc3339(int(parsedate_to_datetime(str(mail["Date"])).timestamp())),
        }
        for mail in read_maildir(config.mail.maildir)
    ]
    words: list[str] = []
    for one in listed:
        words += [
            sentence("To: {to}", to=one["to"]),
            sentence("Subject: {subject}", subject=one["subject"]),
            sentence("Date: {date}", date=one["date"]),
            *(sentence("Attached: {name}", name=name) for name in one["attachments"]),
            "",
            str(one["text"]),
            "─" * 72,
        ]
    answer(listed, words or [sentence("No mail has been delivered.")])

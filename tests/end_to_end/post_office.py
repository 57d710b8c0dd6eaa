"""The mail server that an agency's mails go to: aiosmtpd, which takes them over STARTTLS only and keeps them."""

import contextlib
import email
import email.policy
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import parsedate_to_datetime

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


class PostOffice:
    """Keeps every mail with the address that it was really sent to."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._mails: list[dict[str, str]] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        assert session.ssl is not None
        assert isinstance(envelope.content, bytes)
        (addressee,) = envelope.rcpt_tos
        self._mails.append(_told(addressee, envelope.content))
        return "250 taken"

    def delivered(self) -> int:
        """Return how many mails came."""
        return len(self._mails)

    def mails(self) -> list[dict[str, str]]:
        """Return every mail, as `warifu-ca mailbox` tells of mails that stay in a maildir."""
        return list(self._mails)


def _told(addressee: str, content: bytes) -> dict[str, str]:
    mail = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    assert str(mail["To"]) == addressee
    text = mail.get_body(("plain",))
    assert text is not None
    told = {
        "to": addressee,
        "subject": str(mail["Subject"]),
        "kind": str(mail["X-Warifu-Notice"]),
        "text": text.get_content().replace("\r\n", "\n"),
        "date": parsedate_to_datetime(str(mail["Date"])).isoformat(),
    }
    return told | ({} if mail["X-Warifu-CN"] is None else {"cn": str(mail["X-Warifu-CN"])})


@contextlib.contextmanager
def post_office(port: int, tls: ssl.SSLContext) -> Iterator[PostOffice]:
    """Run a mail server on a port of loopback."""
    office = PostOffice(port)
    controller = Controller(
        office,
        hostname="127.0.0.1",
        port=port,
        server_hostname="localhost",
        tls_context=tls,
        require_starttls=True,
    )
    controller.start()
    try:
        yield office
    finally:
        controller.stop()

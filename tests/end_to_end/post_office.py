"""The mail server that an agency's mails go to: aiosmtpd, which takes them over STARTTLS only and keeps them."""

import contextlib
import email
import email.policy
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.end_to_end.agency import free_ports


class PostOffice:
    """Keeps every mail with the address that it was really sent to."""

    def __init__(self) -> None:
        self._taken: list[tuple[str, bytes]] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        assert session.ssl is not None
        assert isinstance(envelope.content, bytes)
        (addressee,) = envelope.rcpt_tos
        self._taken.append((addressee, envelope.content))
        return "250 taken"

    def delivered(self) -> int:
        """Return how many mails came."""
        return len(self._taken)

    def mails(self) -> list[dict[str, str]]:
        """Return every mail, as `warifu-ca mailbox` tells of mails that stay in a maildir."""
        return [_told(addressee, content) for addressee, content in list(self._taken)]


def _told(addressee: str, content: bytes) -> dict[str, str]:
    mail = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    assert str(mail["To"]) == addressee
    text = {
        "to": addressee,
        "subject": str(mail["Subject"]),
        "kind": str(mail["X-Warifu-Notice"]),
        "text": mail.get_content().replace("\r\n", "\n"),
        "date": parsedate_to_datetime(str(mail["Date"])).isoformat(),
    }
    return text | ({} if mail["X-Warifu-CN"] is None else {"cn": str(mail["X-Warifu-CN"])})


@contextlib.contextmanager
def post_office(certificate: Path, key: Path, passphrase: str) -> Iterator[tuple[PostOffice, int]]:
    """Run a mail server called localhost and give it with its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key, passphrase)
    office = PostOffice()
    controller = Controller(
        office,
        hostname="127.0.0.1",
        port=free_ports(1)[0],
        server_hostname="localhost",
        tls_context=context,
        require_starttls=True,
    )
    controller.start()
    try:
        yield office, controller.port
    finally:
        controller.stop()

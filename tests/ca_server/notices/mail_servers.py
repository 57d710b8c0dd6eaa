"""Mail servers to deliver to: a real one with STARTTLS and a CA of its own, and scripted ones that misbehave."""

import asyncio
import contextlib
import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

LOGIN = ("warifu", "correct-horse-battery")
STALL = "stall"
DROP = "drop"


class Authority:
    """A small CA that certifies mail servers."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"test CA {folder.name}")])
        certificate = self._builder(self._name, self._key).add_extension(x509.BasicConstraints(True, 0), critical=True)
        self.file = folder / "ca.pem"
        self.file.write_bytes(certificate.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def server(self, host: str) -> ssl.SSLContext:
        """Return what a server called `host` speaks TLS with."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._builder(x509.Name([]), key).add_extension(
            x509.SubjectAlternativeName([x509.DNSName(host)]), critical=True
        )
        chain = self._folder / f"{host}.pem"
        chain.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + certificate.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        return context

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
        )


class Desk:
    """What happens at the mail server: keeps what it accepts, answers as it is told."""

    def __init__(self, *, sender: str = "250 ok", recipient: str = "250 ok", content: str = "250 ok") -> None:
        self._answers = (sender, recipient, content)
        self.received: list[bytes] = []
        self.encrypted: list[bool] = []
        self.logins: list[LoginPassword] = []

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's names
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self._answers[0]

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self._answers[1]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.received.append(envelope.content)
        self.encrypted.append(session.ssl is not None)
        if self._answers[2] == DROP:
            assert server.transport is not None
            server.transport.abort()
        if self._answers[2] in (DROP, STALL):
            await asyncio.Event().wait()
        return self._answers[2]

    def authenticate(self, *asked: object) -> AuthResult:
        """Let `LOGIN` in and nobody else."""
        login = asked[-1]
        assert isinstance(login, LoginPassword)
        self.logins.append(login)
        good = (login.login.decode(), login.password.decode()) == LOGIN
        return AuthResult(success=good, handled=False)


@contextlib.asynccontextmanager
async def postbox(desk: Desk, tls: ssl.SSLContext | None, *, login: bool = False) -> AsyncIterator[int]:
    """Run a real mail server and give its port."""

    def protocol() -> SMTP:
        return SMTP(
            desk,
            tls_context=tls,
            require_starttls=tls is not None,
            hostname="mail.example",
            auth_required=login,
            authenticator=desk.authenticate if login else None,
            enable_SMTPUTF8=False,
        )

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@contextlib.asynccontextmanager
async def serving(talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[int]:
    """Run a server that talks to whoever comes, give its port, and leave nothing open behind."""
    conversations: set[asyncio.Task[None]] = set()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        conversations.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await talk(reader, writer)
        finally:
            writer.transport.abort()

    async with await asyncio.start_server(meet, "127.0.0.1", 0) as server:
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            for task in conversations:
                task.cancel()
            await asyncio.gather(*conversations, return_exceptions=True)


@contextlib.asynccontextmanager
async def scripted(answer: Callable[[str], str]) -> AsyncIterator[tuple[int, list[str]]]:
    """Run a server that answers each line by rule (STALL and DROP are deeds); give its port and what it heard."""
    heard: list[str] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = "CONNECT"
        while (reply := answer(line)) != DROP:
            if reply == STALL:
                await asyncio.Event().wait()
            if reply:
                writer.write(reply.encode() + b"\r\n")
                await writer.drain()
            raw = await reader.readline()
            if not raw:
                return
            line = raw.decode("latin-1").strip()
            heard.append(line)

    async with serving(talk) as port:
        yield port, heard


def plainly(verb: str, reply: str) -> Callable[[str], str]:
    """Answer like a polite mail server, but with `reply` to `verb` (`.` is the end of the content)."""
    usual = {
        "CONNECT": "220 mail.example",
        "EHLO": "250 mail.example",
        "HELO": "250 mail.example",
        "MAIL": "250 ok",
        "RCPT": "250 ok",
        "DATA": "354 go on",
        ".": "250 queued",
        "RSET": "250 ok",
        "QUIT": "221 bye",
    }

    def answer(line: str) -> str:
        word = line.partition(" ")[0].upper()
        return reply if word == verb else usual.get(word, "")

    return answer

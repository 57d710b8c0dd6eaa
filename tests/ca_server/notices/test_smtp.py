"""Delivery to mail servers: a real one with STARTTLS, and scripted ones that misbehave."""

import asyncio
import contextlib
import datetime
import email
import email.policy
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from email.message import Message
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ca_server.notices import mailer
from ca_server.notices.mailer import Accepted, Deferred, Rejected, SmtpMailer
from tests.ca_server.notices.conftest import URL

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


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ours") / "ca")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("strangers") / "ca")


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


def over_tls(port: int, ca_file: Path | None, **changes: object) -> SmtpMailer:
    settings: dict[str, object] = {"host": "localhost", "port": port, "starttls": True, "ca_file": ca_file}
    return SmtpMailer(**(settings | changes))  # type: ignore[arg-type]


def in_clear(port: int) -> SmtpMailer:
    return SmtpMailer("127.0.0.1", port, starttls=False)


async def test_over_starttls_the_mail_arrives_as_it_was_composed(authority: Authority, mail: Message) -> None:
    desk = Desk()
    async with postbox(desk, authority.server("localhost")) as port:
        assert await over_tls(port, authority.file).deliver(mail) == Accepted()
    assert desk.encrypted == [True]
    (received,) = (email.message_from_bytes(each, policy=email.policy.default) for each in desk.received)
    assert received["Subject"] == "証明書取得用 URL のお知らせ（F123456-001）"
    assert received["Message-ID"] == mail["Message-ID"]
    assert received.get_payload(decode=True) == mail.get_payload(decode=True)
    assert f"\n{URL}\n" in received.get_content().replace("\r\n", "\n")
    assert max(map(len, desk.received[0].split(b"\r\n"))) <= 78


async def test_the_password_is_shown_inside_tls_only(authority: Authority, mail: Message) -> None:
    desk = Desk()
    async with postbox(desk, authority.server("localhost"), login=True) as port:
        post = over_tls(port, authority.file, user=LOGIN[0], password=LOGIN[1])
        assert await post.deliver(mail) == Accepted()
    assert len(desk.logins) == 1
    with pytest.raises(ValueError, match="STARTTLS"):
        SmtpMailer("localhost", port, starttls=False, user=LOGIN[0], password=LOGIN[1])


async def test_a_password_that_the_server_refuses_kills_no_mail_and_is_not_repeated(
    authority: Authority, mail: Message
) -> None:
    desk = Desk()
    async with postbox(desk, authority.server("localhost"), login=True) as port:
        post = over_tls(port, authority.file, user=LOGIN[0], password="a-wrong-secret")
        outcome = await post.deliver(mail)
    assert isinstance(outcome, Deferred)
    assert "user name and password were refused (535" in outcome.reason
    assert "a-wrong-secret" not in outcome.reason + repr(post)
    assert desk.received == []


async def test_a_server_without_starttls_gets_nothing(authority: Authority, mail: Message) -> None:
    desk = Desk()
    async with postbox(desk, tls=None) as port:
        outcome = await over_tls(port, authority.file).deliver(mail)
    assert isinstance(outcome, Deferred)
    assert "STARTTLS" in outcome.reason
    assert desk.received == []


@pytest.mark.parametrize("reply", ["454 4.7.0 TLS not available", "554 no TLS today", DROP, "220 go ahead"])
async def test_a_server_that_breaks_off_starttls_hears_no_mail_in_clear(
    authority: Authority, mail: Message, reply: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailer, "_TIMEOUT_SECONDS", 0.5)
    usual = plainly("EHLO", "250-mail.example\r\n250 STARTTLS")

    def answer(line: str) -> str:
        return reply if line == "STARTTLS" else usual(line)

    async with scripted(answer) as (port, heard):
        outcome = await over_tls(port, authority.file).deliver(mail)
    assert isinstance(outcome, Deferred)
    assert not [line for line in heard if line.upper().startswith(("MAIL", "RCPT", "DATA", "AUTH"))]


async def test_a_certificate_of_another_ca_is_not_trusted_whatever_the_environment_says(
    authority: Authority, stranger: Authority, mail: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(stranger.file))
    desk = Desk()
    async with postbox(desk, stranger.server("localhost")) as port:
        outcome = await over_tls(port, authority.file).deliver(mail)
    assert isinstance(outcome, Deferred)
    assert "certificate is not trusted" in outcome.reason
    assert desk.received == []


async def test_a_certificate_of_another_host_is_not_trusted(authority: Authority, mail: Message) -> None:
    desk = Desk()
    async with postbox(desk, authority.server("elsewhere.example")) as port:
        outcome = await over_tls(port, authority.file).deliver(mail)
    assert isinstance(outcome, Deferred)
    assert "certificate is not trusted" in outcome.reason
    assert desk.received == []


async def test_without_a_ca_file_the_systems_store_decides(
    authority: Authority, mail: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    async with postbox(Desk(), authority.server("localhost")) as port:
        assert isinstance(await over_tls(port, None).deliver(mail), Deferred)


async def test_a_missing_trust_store_defers(tmp_path: Path, mail: Message) -> None:
    outcome = await over_tls(9, tmp_path / "none.pem").deliver(mail)
    assert isinstance(outcome, Deferred)
    assert "trust store" in outcome.reason


@pytest.mark.parametrize(
    ("desk", "outcome"),
    [
        (Desk(recipient="451 4.3.0 later"), Deferred("The mail server answered 451 4.3.0 to the addressee.")),
        (Desk(recipient="550 5.1.1 nobody"), Rejected("The mail server answered 550 5.1.1 to the addressee.")),
        (Desk(content="451 4.3.0 later"), Deferred("The mail server answered 451 4.3.0 to the content.")),
        (Desk(content="554 5.7.1 no"), Rejected("The mail server answered 554 5.7.1 to the content.")),
        (Desk(content="552 too large"), Rejected("The mail server answered 552 to the content.")),
        (Desk(sender="550 no"), Rejected("The mail server answered 550 to the sender.")),
        (Desk(sender="451 4.7.1 wait"), Deferred("The mail server answered 451 4.7.1 to the sender.")),
        (Desk(sender="530 5.7.0 log in"), Deferred("The mail server answered 530 5.7.0 to the sender.")),
        (Desk(recipient="421 closing"), Deferred("The mail server answered 421 to the addressee.")),
    ],
)
async def test_a_4xx_defers_a_5xx_rejects_and_the_reason_is_the_code(
    authority: Authority, mail: Message, desk: Desk, outcome: Deferred | Rejected
) -> None:
    async with postbox(desk, authority.server("localhost")) as port:
        assert await over_tls(port, authority.file).deliver(mail) == outcome


@pytest.mark.parametrize("verb", ["CONNECT", "MAIL", "RCPT", "DATA", "."])
async def test_a_server_that_quotes_the_mail_gets_no_secret_into_the_reason(mail: Message, verb: str) -> None:
    async with scripted(plainly(verb, f"550 5.7.1 spam: {URL}")) as (port, _):
        outcome = await in_clear(port).deliver(mail)
    assert isinstance(outcome, (Deferred, Rejected))
    assert "550 5.7.1" in outcome.reason
    assert "spam" not in outcome.reason
    assert URL.rpartition("/")[2] not in outcome.reason


@pytest.mark.parametrize(
    ("verb", "reply"), [("CONNECT", "554 no"), ("CONNECT", "421 busy"), ("CONNECT", "nonsense"), ("EHLO", "550 no")]
)
async def test_a_no_before_any_mail_was_offered_condemns_no_mail(mail: Message, verb: str, reply: str) -> None:
    def answer(line: str) -> str:
        return reply if line[:4].upper() in ("HELO", "EHLO") and verb == "EHLO" else plainly(verb, reply)(line)

    async with scripted(answer) as (port, _):
        assert isinstance(await in_clear(port).deliver(mail), Deferred)


async def test_a_connection_lost_after_the_content_is_tried_again_with_the_same_message_id(
    authority: Authority, mail: Message
) -> None:
    desk = Desk(content=DROP)
    async with postbox(desk, authority.server("localhost")) as port:
        post = over_tls(port, authority.file)
        first, second = await post.deliver(mail), await post.deliver(mail)
    assert isinstance(first, Deferred)
    assert isinstance(second, Deferred)
    ids = [email.message_from_bytes(each)["Message-ID"] for each in desk.received]
    assert ids == [mail["Message-ID"]] * 2


@pytest.mark.parametrize("reply", [DROP, "500 what", STALL])
async def test_a_mail_once_accepted_stays_accepted_however_the_farewell_goes(mail: Message, reply: str) -> None:
    async with scripted(plainly("QUIT", reply)) as (port, _):
        assert await in_clear(port).deliver(mail) == Accepted()


@pytest.mark.parametrize("verb", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."])
async def test_a_server_that_falls_silent_defers_in_time(
    mail: Message, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailer, "_TIMEOUT_SECONDS", 0.2)
    async with scripted(plainly(verb, STALL)) as (port, _), asyncio.timeout(3):
        outcome = await in_clear(port).deliver(mail)
    assert outcome == Deferred(f"127.0.0.1:{port}: the mail server did not answer in time.")


async def test_a_server_that_answers_each_command_just_in_time_defers_all_the_same(
    mail: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailer, "_TIMEOUT_SECONDS", 0.4)

    async def dawdle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = plainly("NOOP", "250 ok")
        line = "CONNECT"
        while line:
            if reply := answer(line.strip()):
                await asyncio.sleep(0.2)
                writer.write(reply.encode() + b"\r\n")
            line = (await reader.readline()).decode()

    async with serving(dawdle) as port:
        assert isinstance(await in_clear(port).deliver(mail), Deferred)


async def test_nobody_listening_defers(mail: Message) -> None:
    async with scripted(plainly("QUIT", "221 bye")) as (port, _):
        pass
    assert await in_clear(port).deliver(mail) == Deferred(f"127.0.0.1:{port}: no connection could be made.")


async def test_without_starttls_configured_none_is_tried(mail: Message) -> None:
    async with scripted(plainly("EHLO", "250-mail.example\r\n250 STARTTLS")) as (port, heard):
        assert await in_clear(port).deliver(mail) == Accepted()
    assert "STARTTLS" not in heard

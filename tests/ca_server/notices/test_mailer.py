"""How mails leave: by a real SMTP server with STARTTLS in its moods, and into a maildir."""

import asyncio
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from cryptography.hazmat.primitives.serialization import Encoding

from ca_server.authority.hierarchy import HierarchyProfile, make_tls_authority, make_tls_server
from ca_server.clock import DAY, HOUR, MINUTE, SystemClock
from ca_server.notices import mailer
from ca_server.notices.mailer import Accepted, Deferred, MaildirMailer, Rejected, SmtpMailer, read_maildir
from keys.generate import generate
from keys.keystore import save_key
from tests.end_to_end.agency import free_ports


class Postmaster:
    """Takes mails, or answers what its mood is."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.mood = ""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.mood.startswith("RCPT "):
            return self.mood.removeprefix("RCPT ")
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.mails.append(bytes(envelope.content or b""))
        if self.mood == "drop":
            assert server.transport is not None
            server.transport.abort()
        if self.mood == "stall":
            await asyncio.sleep(5)
        return self.mood.removeprefix("DATA ") if self.mood.startswith("DATA ") else "250 OK"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """Return a CA file and the context of a mail server that it certified for localhost."""
    folder = tmp_path_factory.mktemp("tls")
    profile = HierarchyProfile("例", "1.3.6.1.4.1.99999.1", "http://ca.example/r.crl", "http://ca.example/r.cer")
    now = SystemClock().now()
    authority = make_tls_authority(profile, generate("P-256"), ["localhost"], now)
    server = make_tls_server(profile, authority, generate("P-256"), ["localhost"], now)
    (folder / "ca.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    (folder / "server.pem").write_bytes(server.certificate.public_bytes(Encoding.PEM))
    save_key(folder / "server.key", server.private_key, None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return folder / "ca.pem", context


@pytest.fixture
def postmaster() -> Postmaster:
    return Postmaster()


@pytest.fixture
def server(postmaster: Postmaster, tls: tuple[Path, ssl.SSLContext]) -> Iterator[Controller]:
    controller = Controller(
        postmaster,
        hostname="127.0.0.1",
        port=free_ports(1)[0],
        tls_context=tls[1],
        require_starttls=True,
        server_hostname="localhost",
    )
    controller.start()
    yield controller
    controller.stop()


@pytest.fixture
def smtp(server: Controller, tls: tuple[Path, ssl.SSLContext]) -> SmtpMailer:
    return SmtpMailer("localhost", server.port, starttls=True, ca_file=tls[0])


def a_mail() -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "a@ca.example", "b@midori.example", "お知らせ"
    mail["Message-ID"], mail["Date"] = "<m1@ca.example>", "Mon, 23 Nov 2026 12:00:00 +0000"
    mail.set_content("本文", cte="base64")
    return mail


async def test_a_mail_leaves_over_starttls(smtp: SmtpMailer, postmaster: Postmaster) -> None:
    assert await smtp.deliver(a_mail()) == Accepted()
    assert b"<m1@ca.example>" in postmaster.mails[0]


@pytest.mark.parametrize("answer", ["RCPT 451 later", "DATA 452 full", "RCPT 421 busy"])
async def test_a_temporary_no_is_worth_another_try(smtp: SmtpMailer, postmaster: Postmaster, answer: str) -> None:
    postmaster.mood = answer
    assert isinstance(await smtp.deliver(a_mail()), Deferred)


@pytest.mark.parametrize("answer", ["RCPT 550 no such user", "DATA 554 refused"])
async def test_a_permanent_no_is_final(smtp: SmtpMailer, postmaster: Postmaster, answer: str) -> None:
    postmaster.mood = answer
    assert isinstance(await smtp.deliver(a_mail()), Rejected)


async def test_a_line_dropped_after_the_data_is_worth_another_try(smtp: SmtpMailer, postmaster: Postmaster) -> None:
    postmaster.mood = "drop"
    assert isinstance(await smtp.deliver(a_mail()), Deferred)


async def test_a_server_that_stalls_is_given_up_in_time(
    smtp: SmtpMailer, postmaster: Postmaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailer, "_TIMEOUT_SECONDS", 0.3)
    postmaster.mood = "stall"
    assert isinstance(await smtp.deliver(a_mail()), Deferred)


async def test_a_server_that_another_ca_vouches_for_gets_nothing(server: Controller, postmaster: Postmaster) -> None:
    stranger = SmtpMailer("localhost", server.port, starttls=True)
    assert isinstance(await stranger.deliver(a_mail()), Deferred)
    assert postmaster.mails == []


async def test_a_server_without_starttls_gets_nothing(postmaster: Postmaster, tls: tuple[Path, ssl.SSLContext]) -> None:
    controller = Controller(postmaster, hostname="127.0.0.1", port=free_ports(1)[0], server_hostname="localhost")
    controller.start()
    try:
        outcome = await SmtpMailer("localhost", controller.port, starttls=True, ca_file=tls[0]).deliver(a_mail())
    finally:
        controller.stop()
    assert isinstance(outcome, Deferred)
    assert postmaster.mails == []


async def test_no_server_is_worth_another_try() -> None:
    assert isinstance(await SmtpMailer("127.0.0.1", 1, starttls=False).deliver(a_mail()), Deferred)


async def test_a_maildir_keeps_mails_in_order_and_for_the_owner_alone(tmp_path: Path) -> None:
    box = MaildirMailer(tmp_path / "box")
    for name in "abc":
        mail = a_mail()
        mail.replace_header("Subject", name)
        assert await box.deliver(mail) == Accepted()
    assert [str(mail["Subject"]) for mail in read_maildir(tmp_path / "box")] == ["a", "b", "c"]
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "box" / "new").iterdir()} == {0o600}


def test_tries_are_frequent_for_two_minutes_then_ever_more_seldom_but_each_hour_at_least() -> None:
    waits = [mailer.next_try(attempts, 1_000) - 1_000 for attempts in range(18)]
    assert waits[:8] == [15] * 8
    assert waits[8:12] == [30, MINUTE, 2 * MINUTE, 4 * MINUTE]
    assert waits[15:] == [HOUR] * 3
    assert mailer.next_try(100_000, 0) == HOUR


def test_a_mail_that_is_only_deferred_is_not_given_up_within_two_days() -> None:
    assert not mailer.is_hopeless(0, 2 * DAY)
    assert mailer.is_hopeless(0, 6 * DAY)

"""Delivery to mail servers: what their answers make of a mail, and that nothing goes out in clear by mistake."""

import asyncio
import email
import email.policy
from email.message import Message
from pathlib import Path

import pytest

from ca_server.notices import mailer
from ca_server.notices.mailer import Accepted, Deferred, Outage, Rejected, SmtpMailer
from tests.ca_server.notices.conftest import URL
from tests.ca_server.notices.mail_servers import (
    DROP,
    LOGIN,
    STALL,
    Authority,
    Desk,
    plainly,
    postbox,
    scripted,
    serving,
)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ours") / "ca")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("strangers") / "ca")


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
    assert isinstance(outcome, Outage)
    assert "user name and password were refused (535" in outcome.reason
    assert "a-wrong-secret" not in outcome.reason + repr(post)
    assert desk.received == []


async def test_a_server_without_starttls_gets_nothing(authority: Authority, mail: Message) -> None:
    desk = Desk()
    async with postbox(desk, tls=None) as port:
        outcome = await over_tls(port, authority.file).deliver(mail)
    assert isinstance(outcome, Outage)
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
    assert isinstance(outcome, Outage)
    assert not [line for line in heard if line.upper().startswith(("MAIL", "RCPT", "DATA", "AUTH"))]


async def test_a_certificate_of_another_ca_is_not_trusted_whatever_the_environment_says(
    authority: Authority, stranger: Authority, mail: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(stranger.file))
    desk = Desk()
    async with postbox(desk, stranger.server("localhost")) as port:
        outcome = await over_tls(port, authority.file).deliver(mail)
    assert isinstance(outcome, Outage)
    assert "certificate is not trusted" in outcome.reason
    assert desk.received == []


async def test_a_certificate_of_another_host_is_not_trusted(authority: Authority, mail: Message) -> None:
    desk = Desk()
    async with postbox(desk, authority.server("elsewhere.example")) as port:
        outcome = await over_tls(port, authority.file).deliver(mail)
    assert isinstance(outcome, Outage)
    assert "certificate is not trusted" in outcome.reason
    assert desk.received == []


async def test_without_a_ca_file_the_systems_store_decides(
    authority: Authority, mail: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    async with postbox(Desk(), authority.server("localhost")) as port:
        assert isinstance(await over_tls(port, None).deliver(mail), Outage)


async def test_a_missing_trust_store_is_an_outage(tmp_path: Path, mail: Message) -> None:
    outcome = await over_tls(9, tmp_path / "none.pem").deliver(mail)
    assert isinstance(outcome, Outage)
    assert "trust store" in outcome.reason


@pytest.mark.parametrize(
    ("desk", "outcome"),
    [
        (Desk(recipient="451 4.3.0 later"), Deferred("The mail server answered 451 4.3.0 to the addressee.")),
        (Desk(recipient="550 5.1.1 nobody"), Rejected("The mail server answered 550 5.1.1 to the addressee.")),
        (Desk(content="451 4.3.0 later"), Deferred("The mail server answered 451 4.3.0 to the content.")),
        (Desk(content="554 5.7.1 no"), Rejected("The mail server answered 554 5.7.1 to the content.")),
        (Desk(content="552 too large"), Rejected("The mail server answered 552 to the content.")),
        (Desk(sender="552 5.3.4 too large"), Rejected("The mail server answered 552 5.3.4 to the size.")),
    ],
)
async def test_a_4xx_about_the_mail_defers_a_5xx_rejects_and_the_reason_is_the_code(
    authority: Authority, mail: Message, desk: Desk, outcome: Deferred | Rejected
) -> None:
    async with postbox(desk, authority.server("localhost")) as port:
        assert await over_tls(port, authority.file).deliver(mail) == outcome


@pytest.mark.parametrize(
    ("desk", "reason"),
    [
        (Desk(sender="550 5.7.1 no"), "The mail server answered 550 5.7.1 to the sender."),
        (Desk(sender="451 4.7.1 wait"), "The mail server answered 451 4.7.1 to the sender."),
        (Desk(sender="530 5.7.0 log in"), "The mail server answered 530 5.7.0 to the sender."),
        (Desk(recipient="530 5.7.0 log in"), "The mail server answered 530 5.7.0 to the addressee."),
        (Desk(recipient="421 4.3.2 closing"), "The mail server answered 421 4.3.2 to the addressee."),
        (Desk(content="421 closing"), "The mail server answered 421 to the content."),
        (Desk(content="354 what"), "The mail server answered 354 to the content."),
    ],
)
async def test_what_any_other_mail_would_hear_too_is_an_outage(
    authority: Authority, mail: Message, desk: Desk, reason: str
) -> None:
    async with postbox(desk, authority.server("localhost")) as port:
        assert await over_tls(port, authority.file).deliver(mail) == Outage(reason)


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
async def test_a_no_before_any_mail_was_offered_is_an_outage(mail: Message, verb: str, reply: str) -> None:
    def answer(line: str) -> str:
        return reply if line[:4].upper() in ("HELO", "EHLO") and verb == "EHLO" else plainly(verb, reply)(line)

    async with scripted(answer) as (port, _):
        assert isinstance(await in_clear(port).deliver(mail), Outage)


async def test_a_connection_lost_after_the_content_is_an_outage_and_the_second_copy_has_the_same_message_id(
    authority: Authority, mail: Message
) -> None:
    desk = Desk(content=DROP)
    async with postbox(desk, authority.server("localhost")) as port:
        post = over_tls(port, authority.file)
        first, second = await post.deliver(mail), await post.deliver(mail)
    assert isinstance(first, Outage)
    assert isinstance(second, Outage)
    ids = [email.message_from_bytes(each)["Message-ID"] for each in desk.received]
    assert ids == [mail["Message-ID"]] * 2


@pytest.mark.parametrize("reply", [DROP, "500 what", STALL])
async def test_a_mail_once_accepted_stays_accepted_however_the_farewell_goes(mail: Message, reply: str) -> None:
    async with scripted(plainly("QUIT", reply)) as (port, _):
        assert await in_clear(port).deliver(mail) == Accepted()


@pytest.mark.parametrize("verb", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."])
async def test_a_server_that_falls_silent_is_an_outage_in_time(
    mail: Message, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailer, "_TIMEOUT_SECONDS", 0.2)
    async with scripted(plainly(verb, STALL)) as (port, _), asyncio.timeout(3):
        outcome = await in_clear(port).deliver(mail)
    assert outcome == Outage(f"127.0.0.1:{port}: the mail server did not answer in time.")


async def test_a_server_that_answers_each_command_just_in_time_is_an_outage_all_the_same(
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
        assert isinstance(await in_clear(port).deliver(mail), Outage)


async def test_nobody_listening_is_an_outage(mail: Message) -> None:
    async with scripted(plainly("QUIT", "221 bye")) as (port, _):
        pass
    assert await in_clear(port).deliver(mail) == Outage(f"127.0.0.1:{port}: no connection could be made.")


async def test_without_starttls_configured_none_is_tried(mail: Message) -> None:
    async with scripted(plainly("EHLO", "250-mail.example\r\n250 STARTTLS")) as (port, heard):
        assert await in_clear(port).deliver(mail) == Accepted()
    assert "STARTTLS" not in heard

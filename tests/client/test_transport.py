"""How requests travel: nonces, patience, and whom the client believes."""

import errno
import socket
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import aiohttp
import pytest

from client.config import Patience
from client.transport import Answer, Deadline, trust, why_not
from tests.client.pc import Pc
from tests.client.small_authority import Issuer
from tests.client.stand_in import BAD_NONCE, BUSY, Fault, StandIn

_NO_WAY = "there is no way to it in the network"


def test_a_bad_nonce_is_answered_by_another_try(pc: Pc, server: StandIn) -> None:
    server.faults["newOrder"].append(Fault(BAD_NONCE))
    pc.enrol(server.invite())
    assert server.steps.count("newOrder") == 2


def test_nonces_that_are_always_bad_are_an_error_to_try_later(pc: Pc, server: StandIn) -> None:
    server.faults["newOrder"].extend([Fault(BAD_NONCE)] * 10)
    assert pc.enrol(server.invite(), code=3)["error"]["type"] == "badNonce"
    assert server.steps.count("newOrder") == 5


def test_nonces_come_with_the_answers(pc: Pc, server: StandIn) -> None:
    pc.enrol(server.invite())
    assert "nonce" not in server.steps


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_waited_for_as_it_asks(pc: Pc, server: StandIn, status: int) -> None:
    server.faults["newAccount"].append(Fault(BUSY, status, {"Retry-After": "1"}))
    result = pc.run(*pc.enrol_words(credential := server.invite()), stdin=credential.password)
    assert result.exit_code == 0
    assert "Trying again in 1 s." in result.stderr


def test_a_server_that_asks_for_more_than_patience_is_tried_later_without_waiting(pc: Pc, server: StandIn) -> None:
    server.faults["newAccount"].append(Fault(BUSY, 429, {"Retry-After": "3600"}))
    assert pc.enrol(server.invite(), code=3)["error"]["type"] == "rateLimited"
    assert server.steps.count("newAccount") == 1


def test_a_server_that_stays_away_is_tried_later(pc: Pc, server: StandIn) -> None:
    credential = server.invite()
    url = f"https://localhost:1/e/{credential.kid}"
    words = ("--password-stdin", "--yes", "--wait", "0")
    assert pc.json("enroll", url, *words, code=3, stdin=credential.password)["error"]["type"] == "unreachable"
    told = pc.run("enroll", url, *words, "--lang", "ja", stdin=credential.password).stderr.replace("\n", "")
    assert "サーバーにつながりません（接続先が応答しません）。" in told


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TimeoutError(), "no answer in time"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed"), "nobody answers at its address"),
        (OSError("Multiple exceptions: [Errno 101] Network is unreachable, [Errno 113] Connect call failed"), _NO_WAY),
        (socket.gaierror(-2, "Name or service not known"), "its name is not found"),
        (aiohttp.ClientResponseError(None, (), status=500), "it answers with the error 500"),  # type: ignore[arg-type]
        (OSError(errno.ENETUNREACH, "Network is unreachable"), _NO_WAY),
        (aiohttp.ServerDisconnectedError(), "it broke the connection off"),
        (OSError(errno.EIO, "Input/output error"), "[Errno 5] Input/output error"),
    ],
)
def test_why_a_server_was_not_reached_is_told_in_plain_words(error: Exception, reason: str) -> None:
    assert str(why_not(error)) == reason


@pytest.mark.parametrize("variable", ["", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_server_vouched_for_by_another_authority_is_not_believed(
    pc: Pc, server: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """Not even when the environment names the right one: the file that was given counts alone."""
    if variable:
        monkeypatch.setenv(variable, str(server.ca_file))
    wrong = Issuer.root("TLS authority").write(tmp_path / "wrong.pem")
    credential = server.invite()
    words = ("enroll", server.url(credential), "--password-stdin", "--yes", "--ca-file", str(wrong))
    assert pc.json(*words, code=1, stdin=credential.password)["error"]["type"] == "untrustedServer"
    assert server.steps == []


def test_the_systems_store_does_not_know_the_trial_authority(pc: Pc, server: StandIn) -> None:
    credential = server.invite()
    words = ("enroll", server.url(credential), "--password-stdin", "--yes")
    assert pc.json(*words, code=1, stdin=credential.password)["error"]["type"] == "untrustedServer"


def test_the_authority_named_at_enrolment_is_remembered(pc: Pc, server: StandIn) -> None:
    pc.enrol(server.invite())
    server.ca_file.unlink()
    assert pc.json("renew")["certificates"][0]["action"] == "renewed"


def test_a_url_without_tls_is_not_asked(pc: Pc, server: StandIn) -> None:
    credential = server.invite()
    url = server.url(credential).replace("https", "http")
    error = pc.json("enroll", url, "--yes", code=2)["error"]  # nor is a person asked for the password first
    assert (error["type"], error["fields"]) == ("insecureUrl", {"url": "https"})


def test_a_file_that_holds_no_certificate_is_refused(pc: Pc, server: StandIn, tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("nothing")
    credential = server.invite()
    words = ("enroll", server.url(credential), "--password-stdin", "--yes", "--ca-file", str(tmp_path / "no.pem"))
    assert pc.json(*words, code=1, stdin=credential.password)["error"]["type"] == "badCaFile"


def test_trust_always_verifies(server: StandIn) -> None:
    for context in (trust(None), trust(server.ca_file)):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname


def test_retry_after_may_be_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    seconds = Answer(503, {"Retry-After": later}, b"").retry_after
    assert seconds is not None
    assert 28 <= seconds <= 30
    assert Answer(503, {"Retry-After": "soon"}, b"").retry_after is None


def test_delays_grow_to_the_longest() -> None:
    deadline = Deadline(Patience(give_up=100, first_delay=1, longest_delay=3))
    delays = [deadline.next_delay(None) for _ in range(4)]
    for delay, middle in zip(delays, (1, 2, 3, 3), strict=True):
        assert 0.8 * middle <= delay <= 1.2 * middle

"""A body may be so large and take so long: 64 KiB for a JWS, ten seconds for every one."""

import asyncio
import logging

import pytest
from cryptography.x509.ocsp import OCSPResponseStatus, load_der_ocsp_response
from yarl import URL

from ca_server.responder import routes as responder
from ca_server.responder import wire
from ca_server.web import front
from tests.ca_server.web.caller import JOSE
from tests.ca_server.web.office import Office

KIB = 1024


async def test_a_jws_has_64_kib(office: Office) -> None:
    sent = [
        (await office.caller().send("POST", "/acme/new-order", bytes(size), JOSE)).refusal
        for size in (64 * KIB, 64 * KIB + 1)
    ]
    assert sent == [(400, "malformed"), (413, "malformed")]


async def test_an_ocsp_request_however_long_gets_an_ocsp_answer(office: Office) -> None:
    for size in (4 * KIB, 4 * KIB + 1, 8 * KIB, 8 * KIB + 1, 80 * KIB):
        async with office.plain.post("/ocsp", data=bytes(size)) as answer:
            response = load_der_ocsp_response(await answer.read())
            assert (answer.status, response.response_status) == (200, OCSPResponseStatus.MALFORMED_REQUEST)


KINDS = pytest.mark.parametrize(
    ("path", "header"),
    [("/acme/new-order", "Content-Length: 9"), ("/ocsp", "Transfer-Encoding: chunked")],
    ids=["JWS", "OCSP"],
)


async def begun(office: Office, path: str, header: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Begin a POST and send the first octet of its body."""
    url: URL = (office.plain if path == "/ocsp" else office.public).make_url("")
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/jose+json\r\n{header}\r\n\r\n"
    writer.write(head.encode() + b"9")
    return reader, writer


@KINDS
async def test_a_body_that_does_not_come_is_not_waited_for(
    office: Office, monkeypatch: pytest.MonkeyPatch, path: str, header: str
) -> None:
    for reading in (front, responder):
        monkeypatch.setattr(reading, "_SECONDS_FOR_A_BODY", 0.1)
    reader, writer = await begun(office, path, header)
    assert (await asyncio.wait_for(reader.readline(), 1)).startswith(b"HTTP/1.1 408 ")
    writer.close()


@KINDS
async def test_who_hangs_up_before_the_end_of_a_body_is_no_error_of_ours(
    office: Office, caplog: pytest.LogCaptureFixture, path: str, header: str
) -> None:
    _, writer = await begun(office, path, header)
    await asyncio.sleep(0.1)
    writer.transport.abort()
    await asyncio.sleep(0.1)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_plain_ocsp_request_that_stays_in_pieces_is_given_up(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "_SECONDS_OF_PATIENCE", 0.1)
    url: URL = office.plain.make_url("")
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(b"POST /ocsp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n0")
    assert await asyncio.wait_for(reader.read(), 3) == b""
    writer.close()


async def test_a_page_does_not_wait_for_a_body(office: Office) -> None:
    url: URL = office.public.make_url("")
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(b"GET /directory HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
    assert (await asyncio.wait_for(reader.readline(), 1)).startswith(b"HTTP/1.1 200 ")
    writer.close()

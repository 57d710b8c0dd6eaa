"""A body may be so large and take so long, by route: 64 KiB for a JWS, 8 KiB for an OCSP request, ten seconds both."""

import asyncio

import pytest
from yarl import URL

from ca_server.responder import routes as responder
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


async def test_an_ocsp_request_has_8_kib(office: Office) -> None:
    statuses = []
    for size in (8 * KIB, 8 * KIB + 1):
        async with office.plain.post("/ocsp", data=bytes(size)) as answer:
            statuses.append(answer.status)
    assert statuses == [200, 413]


@pytest.mark.parametrize("path", ["/acme/new-order", "/ocsp"])
async def test_a_body_that_does_not_come_is_not_waited_for(
    office: Office, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    for reading in (front, responder):
        monkeypatch.setattr(reading, "_SECONDS_FOR_A_BODY", 0.1)
    client = office.plain if path == "/ocsp" else office.public
    url: URL = client.make_url("")
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/jose+json\r\nContent-Length: 9\r\n\r\n"
    )
    writer.write(head.encode() + b"{")
    assert (await asyncio.wait_for(reader.readline(), 1)).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_a_page_does_not_wait_for_a_body(office: Office) -> None:
    url: URL = office.public.make_url("")
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(b"GET /directory HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
    assert (await asyncio.wait_for(reader.readline(), 1)).startswith(b"HTTP/1.1 200 ")
    writer.close()

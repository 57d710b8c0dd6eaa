"""What is at a one-time URL: the page for people, directory and kid for programs; a visit uses nothing up."""

import asyncio

import pytest

from ca_server.store import credentials
from protocol import credential
from tests.ca_server.databases import contents
from tests.ca_server.web.office import Office


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
async def test_a_hundred_visits_of_the_url_change_nothing(office: Office, accept: str) -> None:
    pair = office.invitation()
    before = office.look(credentials.by_id, pair.credential_id)
    written = contents(office.config.server.database)
    for method in ("GET", "HEAD"):
        for _ in range(100):
            reply = await office.caller().send(method, f"/e/{pair.kid}", headers={"Accept": accept})
            assert reply.must(200).headers["Cache-Control"] == "no-store"
    assert office.look(credentials.by_id, pair.credential_id) == before
    assert contents(office.config.server.database) == written
    (await office.caller().bind(pair)).must(201)


async def test_the_url_looks_the_same_for_a_kid_that_is_none(office: Office) -> None:
    pages = []
    for kid in (office.invitation().kid, credential.new_kid(), "nothing", f"{credential.new_kid()}/"):
        reply = (await office.caller().send("GET", f"/e/{kid}", headers={"Accept": "text/html"})).must(200)
        assert kid not in reply.body.decode()
        pages.append(reply.body)
    assert len(set(pages)) == 1


@pytest.mark.parametrize("tail", ["", "/", "?language=en", " please", "\u3002", "\x00"], ids=ascii)
async def test_no_log_holds_the_url_however_it_was_typed(
    office: Office, caplog: pytest.LogCaptureFixture, tail: str
) -> None:
    caplog.set_level(0)
    kid = office.invitation().kid
    reader, writer = await asyncio.open_connection(office.public.host, office.public.port)
    writer.write(f"GET /e/{kid}{tail} HTTP/1.1\r\nHost: ca.example\r\nConnection: close\r\n\r\n".encode())
    assert b" 200 OK" in await reader.readline() or tail
    await reader.read()
    writer.close()
    assert kid not in caplog.text


@pytest.mark.parametrize("end", ["", "/"])
async def test_a_program_learns_directory_and_kid_at_the_url(office: Office, end: str) -> None:
    kid = credential.new_kid()
    reply = (await office.caller().send("GET", f"/e/{kid}{end}", headers={"Accept": "application/json"})).must(200)
    assert reply.document == {"directory": f"{office.url}/directory", "kid": kid}

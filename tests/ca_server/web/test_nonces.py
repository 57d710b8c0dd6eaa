"""Nonces: each good for one request, for an hour, for this server (RFC 8555 §6.5)."""

import pytest

from keys.generate import generate
from tests.ca_server.web.caller import Caller, header_of, send, unsigned
from tests.ca_server.web.office import Office

NEW_ORDER = "/acme/new-order"
MALFORMED = (400, "malformed")


async def test_a_missing_nonce_is_bad_nonce(holder: Caller) -> None:
    assert (await holder.post(NEW_ORDER, {}, header={"nonce": None})).refusal == (400, "badNonce")


@pytest.mark.parametrize("nonce", ["", "*", "a b", "YWJj=", 1, None, ["YWJj"]])
async def test_a_nonce_that_is_not_base64url_is_malformed(holder: Caller, nonce: object) -> None:
    body = unsigned(await header_of(holder) | {"nonce": nonce})
    assert (await send(holder, body)).refusal == MALFORMED


async def test_a_foreign_nonce_is_bad_nonce(holder: Caller) -> None:
    assert (await holder.post(NEW_ORDER, {}, header={"nonce": "A" * 38})).refusal == (400, "badNonce")


async def test_a_nonce_is_used_once(holder: Caller) -> None:
    body = await holder.signed(holder.account or "", b"")
    (await send(holder, body, holder.account or "")).must(200)
    assert (await send(holder, body, holder.account or "")).refusal == (400, "badNonce")


async def test_a_refused_operation_does_not_give_its_nonce_back(holder: Caller) -> None:
    body = await holder.signed(NEW_ORDER, {"identifiers": []})
    assert (await send(holder, body)).refusal == MALFORMED
    assert (await send(holder, body)).refusal == (400, "badNonce")


async def test_a_wrong_signature_uses_no_nonce_up(holder: Caller) -> None:
    nonce = await holder.nonce()
    assert (await holder.post(NEW_ORDER, {}, key=generate("P-256"), header={"nonce": nonce})).refusal == MALFORMED
    (await holder.post(holder.account or "", header={"nonce": nonce})).must(200)


async def test_a_nonce_older_than_an_hour_is_bad_nonce(office: Office, holder: Caller) -> None:
    nonce = await holder.nonce()
    office.clock.pass_by(hours=1, seconds=1)
    assert (await holder.post(NEW_ORDER, {}, header={"nonce": nonce})).refusal == (400, "badNonce")


async def test_a_nonce_of_an_hour_ago_is_good(office: Office, holder: Caller) -> None:
    nonce = await holder.nonce()
    office.clock.pass_by(hours=1)
    (await holder.post(holder.account or "", header={"nonce": nonce})).must(200)


async def test_a_nonce_from_before_a_restart_is_bad_nonce_once(office: Office, holder: Caller) -> None:
    nonce = await holder.nonce()
    await office.restart()
    reply = await holder.post(holder.account or "", header={"nonce": nonce})
    assert reply.refusal == (400, "badNonce")
    (await holder.post(holder.account or "", header={"nonce": reply.headers["Replay-Nonce"]})).must(200)


async def test_every_answer_brings_a_nonce_that_works(holder: Caller) -> None:
    refused = await holder.post(NEW_ORDER, {"identifiers": []})
    granted = (await holder.post(holder.account or "", header={"nonce": refused.headers["Replay-Nonce"]})).must(200)
    directory = await holder.send("GET", "/directory")
    nonces = {reply.headers["Replay-Nonce"] for reply in (refused, granted, directory)}
    assert len(nonces) == 3
    (await holder.post(holder.account or "", header={"nonce": directory.headers["Replay-Nonce"]})).must(200)


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204)])
async def test_new_nonce_gives_a_nonce_and_nothing_to_store(office: Office, method: str, status: int) -> None:
    reply = (await office.caller().send(method, "/acme/new-nonce")).must(status)
    assert reply.body == b""
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["Replay-Nonce"]
    assert reply.links["index"] == office.url + "/directory"

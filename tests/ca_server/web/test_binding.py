"""How the two mailed halves bind an account key to a seat (RFC 8555 §7.3.4; protocol.md, Enrolment)."""

import json
from typing import Any

import pytest

from ca_server.domain.credentials import CredentialStatus
from ca_server.domain.orders import OrderFacts, order_status
from ca_server.operations import invitation, issuance
from ca_server.store import credentials, orders
from keys.generate import generate
from protocol import credential, jws
from protocol.credential import ALPHABET
from tests.ca_server.web.caller import Caller, Reply
from tests.ca_server.web.office import INSTITUTION_NAME, Invitation, Office

NEW_ACCOUNT = "/acme/new-account"
MALFORMED = (400, "malformed")
UNAUTHORIZED = (403, "unauthorized")
GONE = (401, "unauthorized")
UNKNOWN = "This one-time URL is not known. Check that it was copied whole from the mail."


async def bind(caller: Caller, binding: object) -> Reply:
    return await caller.new_account(termsOfServiceAgreed=True, externalAccountBinding=binding)


async def wrong(office: Office, pair: Invitation) -> Reply:
    """Try a pair with a password that is none of its own."""
    caller = office.caller()
    key = credential.mac_key(pair.kid, credential.new_password())
    return await bind(caller, jws.bind(pair.kid, key, caller.url(NEW_ACCOUNT), caller.key.public_key()))


def forged(caller: Caller, pair: Invitation, payload: bytes | None = None, **header: object) -> dict[str, str]:
    """Return a binding with these changes of its header, or another payload, under the right MAC."""
    members = {"alg": "HS256", "kid": pair.kid, "url": caller.url(NEW_ACCOUNT)} | header
    members = {name: value for name, value in members.items() if value is not None}
    if payload is None:
        payload = json.dumps(jws.jwk(caller.key.public_key())).encode()
    protected, encoded = jws.encode(json.dumps(members).encode()), jws.encode(payload)
    mac = credential.make_mac(pair.mac_key, f"{protected}.{encoded}".encode())
    return {"protected": protected, "payload": encoded, "signature": jws.encode(mac)}


def failures(office: Office, pair: Invitation) -> int:
    found = office.look(credentials.by_id, pair.credential_id)
    assert found is not None
    return found[0].failures


# --- shape, url, kid


async def test_a_new_account_needs_a_binding(office: Office) -> None:
    reply = await office.caller().new_account(termsOfServiceAgreed=True)
    assert reply.refusal == (403, "externalAccountRequired")


@pytest.mark.parametrize("binding", [{}, "text", [], 1, {"protected": "", "payload": "", "signature": ""}], ids=str)
async def test_a_binding_that_is_no_message_is_malformed(office: Office, binding: object) -> None:
    assert (await bind(office.caller(), binding)).refusal == MALFORMED


@pytest.mark.parametrize(
    ("header", "refusal"),
    [
        ({"alg": "none"}, (400, "badSignatureAlgorithm")),
        ({"alg": "HS512"}, (400, "badSignatureAlgorithm")),
        ({"alg": "ES256"}, MALFORMED),
        ({"nonce": "AAAA"}, MALFORMED),
        ({"kid": None}, MALFORMED),
        ({"kid": None, "jwk": {}}, MALFORMED),
        ({"url": None}, UNAUTHORIZED),
        ({"url": "https://ca.example:8443/acme/new-order"}, UNAUTHORIZED),
        ({"url": "https://elsewhere.example/acme/new-account"}, UNAUTHORIZED),
    ],
    ids=str,
)
async def test_a_header_that_is_not_right_is_refused_and_not_counted(
    office: Office, header: dict[str, Any], refusal: tuple[int, str]
) -> None:
    caller, pair = office.caller(), office.invitation()
    assert (await bind(caller, forged(caller, pair, **header))).refusal == refusal
    assert failures(office, pair) == 0


@pytest.mark.parametrize(
    "kid", ["5Z8XQ2M7RC4KD0TNVB9HJ3WEGS", "", "short", "U" * 26, "漢字", "A" * 2000], ids=lambda kid: kid[:6]
)
async def test_an_unknown_kid_is_told_one_thing_whatever_was_sent(office: Office, kid: str) -> None:
    caller, pair = office.caller(), office.invitation()
    other_key = json.dumps(jws.jwk(generate("P-256").public_key())).encode()
    for binding in (
        forged(caller, pair, kid=kid),
        forged(caller, pair, b"no key", kid=kid),
        forged(caller, pair, other_key, kid=kid),
    ):
        reply = await bind(caller, binding)
        assert (reply.refusal, reply.detail) == (UNAUTHORIZED, UNKNOWN)
        assert "reason" not in reply.document


async def test_a_kid_is_read_as_people_type_it(office: Office) -> None:
    caller, pair = office.caller(), office.invitation()
    typed = "-".join(pair.kid.lower().replace("0", "o").replace("1", "l"))
    (await bind(caller, forged(caller, pair, kid=typed))).must(201)


# --- the password


async def test_a_wrong_password_is_counted_and_the_tries_left_are_told(office: Office) -> None:
    pair = office.invitation()
    for left in (9, 8, 7):
        reply = await wrong(office, pair)
        assert reply.refusal == UNAUTHORIZED
        assert reply.document["reason"] == "wrongPassword"
        assert f"{left} more tries" in reply.detail
    assert failures(office, pair) == 3


async def test_the_count_survives_a_restart(office: Office) -> None:
    pair = office.invitation()
    for _ in range(5):
        await wrong(office, pair)
    await office.restart()
    assert "4 more tries" in (await wrong(office, pair)).detail


async def test_locking_stops_new_accounts_but_not_the_one_that_is_bound(office: Office) -> None:
    pair, bound = office.invitation(), office.caller()
    (await bound.bind(pair)).must(201)
    for _ in range(10):
        await wrong(office, pair)
    assert (await office.caller().bind(pair)).document["reason"] == "locked"
    assert await bound.enrol()


async def test_expiry_stops_new_accounts_but_not_the_one_that_is_bound(office: Office) -> None:
    pair, bound = office.invitation(), office.caller()
    (await bound.bind(pair)).must(201)
    office.clock.pass_by(days=31)
    await office.write(invitation.expire, office.clock.now())
    assert (await office.caller().bind(pair)).document["reason"] == "expired"
    assert await bound.enrol()


async def test_the_tenth_wrong_password_locks_even_for_the_right_one(office: Office) -> None:
    pair = office.invitation()
    reasons = [(await wrong(office, pair)).document["reason"] for _ in range(10)]
    assert reasons == ["wrongPassword"] * 9 + ["locked"]
    reply = await office.caller().bind(pair)
    assert (reply.refusal, reply.document["reason"]) == (UNAUTHORIZED, "locked")
    assert office.look(credentials.by_id, pair.credential_id)[0].status is CredentialStatus.LOCKED  # type: ignore[index]


async def test_a_locked_url_counts_no_more(office: Office) -> None:
    pair = office.invitation()
    for _ in range(12):
        reply = await wrong(office, pair)
    assert reply.document["reason"] == "locked"
    assert failures(office, pair) == 10


async def test_a_right_password_on_the_tenth_try_binds(office: Office) -> None:
    pair = office.invitation()
    for _ in range(9):
        await wrong(office, pair)
    (await office.caller().bind(pair)).must(201)


async def test_a_password_of_another_seat_is_a_wrong_one(office: Office) -> None:
    first, second = office.invitation(1), office.invitation(2)
    caller = office.caller()
    key = credential.mac_key(first.kid, second.password)
    reply = await bind(caller, jws.bind(first.kid, key, caller.url(NEW_ACCOUNT), caller.key.public_key()))
    assert reply.document["reason"] == "wrongPassword"
    assert (failures(office, first), failures(office, second)) == (1, 0)


async def test_a_binding_of_another_key_is_malformed_and_not_counted(office: Office) -> None:
    caller, pair = office.caller(), office.invitation()
    for binding in (caller.binding(pair, key=generate("P-256")), forged(caller, pair, b"[]")):
        assert (await bind(caller, binding)).refusal == MALFORMED
    assert failures(office, pair) == 0


async def test_a_wrong_password_is_told_before_a_wrong_key(office: Office) -> None:
    caller, pair = office.caller(), office.invitation()
    key = credential.mac_key(pair.kid, credential.new_password())
    binding = jws.bind(pair.kid, key, caller.url(NEW_ACCOUNT), generate("P-256").public_key())
    assert (await bind(caller, binding)).document["reason"] == "wrongPassword"
    assert failures(office, pair) == 1


async def test_one_wrong_letter_anywhere_is_no_password(office: Office) -> None:
    pair = office.invitation()
    body = pair.password[:-1]
    for place in (0, 12, 23):
        other = ALPHABET[(ALPHABET.index(body[place]) + 1) % 32]
        text = body[:place] + other + body[place + 1 :]
        caller = office.caller()
        key = credential.mac_key(pair.kid, text + credential.check_character(text))
        reply = await bind(caller, jws.bind(pair.kid, key, caller.url(NEW_ACCOUNT), caller.key.public_key()))
        assert reply.document["reason"] == "wrongPassword"


# --- states, told to whoever has the URL


async def ended(office: Office, how: str) -> Invitation:
    """Return a pair in the state that `how` names."""
    pair = office.invitation()
    if how == "used":
        caller = office.caller()
        (await caller.bind(pair)).must(201)
        await caller.enrol()
    elif how == "expired":
        office.clock.pass_by(days=30)
    elif how == "erased":
        office.clock.pass_by(days=30)
        assert await office.write(invitation.expire, office.clock.now()) == 3
    elif how == "replaced":
        await office.replace_credential()
    elif how == "revoked":
        await office.revoke_seat()
    return pair


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("used", "used"),
        ("expired", "expired"),
        ("erased", "expired"),
        ("replaced", "replaced"),
        ("revoked", "replaced"),
    ],
)
@pytest.mark.parametrize("right", [True, False], ids=["right password", "wrong password"])
async def test_an_ended_url_says_how_it_ended_whatever_the_password(
    office: Office, how: str, reason: str, right: bool
) -> None:
    pair = await ended(office, how)
    before = failures(office, pair)
    reply = await office.caller().bind(pair) if right else await wrong(office, pair)
    assert (reply.refusal, reply.document["reason"]) == (UNAUTHORIZED, reason)
    assert failures(office, pair) == before


async def test_a_url_works_until_the_second_before_it_expires(office: Office) -> None:
    pair = office.invitation()
    office.clock.pass_by(days=30, minutes=-1, seconds=-1)
    (await office.caller().bind(pair)).must(201)


async def test_no_refusal_names_the_seat_before_the_password_was_right(office: Office) -> None:
    pair = office.invitation()
    replies = [await wrong(office, pair) for _ in range(11)]
    used, caller = office.invitation(3), office.caller()
    (await caller.bind(used)).must(201)
    await caller.enrol()
    replies += [await wrong(office, used), await office.caller().bind(used)]
    for reply in replies:
        text = reply.body.decode()
        for told in ("F123456", INSTITUTION_NAME, "山田", "midori.example", pair.kid, used.kid):
            assert told not in text


async def test_a_suspended_seat_binds_nothing_and_says_so_after_the_right_password(office: Office) -> None:
    pair = office.invitation()
    await office.suspend()
    assert (await wrong(office, pair)).document["reason"] == "wrongPassword"
    reply = await office.caller().bind(pair)
    assert reply.refusal == UNAUTHORIZED
    assert reply.document["reason"] == "suspended"
    assert "F123456-001 is suspended" in reply.detail
    await office.release()
    (await office.caller().bind(pair)).must(201)


# --- takeover


async def facts_of(office: Office, url: str) -> OrderFacts:
    facts = office.look(orders.find, url.rpartition("/")[2])
    assert facts is not None
    return facts


async def test_another_key_takes_the_binding_over_and_ends_the_former_account(office: Office, holder: Caller) -> None:
    order = (await holder.order()).location
    fresh = office.caller()
    assert (await fresh.bind(office.invitation())).must(201).location != holder.account
    assert (await holder.post(holder.account or "")).refusal == GONE
    assert order_status(await facts_of(office, order), office.clock.now()) == "invalid"
    await fresh.enrol()


async def test_a_former_account_cannot_finalize_its_order(office: Office, holder: Caller) -> None:
    order = (await holder.order()).document
    (await office.caller().bind(office.invitation())).must(201)
    assert (await holder.finalize(order)).refusal == GONE


async def test_the_key_of_a_former_account_never_binds_again(office: Office, holder: Caller) -> None:
    (await office.caller().bind(office.invitation())).must(201)
    for members in ({}, {"onlyReturnExisting": True}):
        assert (await holder.new_account(**members)).refusal == GONE
    assert (await holder.bind(office.invitation())).refusal == GONE
    assert (await holder.bind(office.invitation(2))).refusal == GONE


async def test_a_wrong_password_takes_nothing_over(office: Office, holder: Caller) -> None:
    await wrong(office, office.invitation())
    (await holder.post(holder.account or "")).must(200)


async def test_a_takeover_waits_while_a_plan_stands(
    office: Office, holder: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = office.invitation()
    await plan_only(office, holder, monkeypatch)
    reply = await office.caller().bind(pair)
    assert reply.refusal == (503, "serverInternal")
    assert reply.headers["Retry-After"] == "3"
    (await holder.post(holder.account or "")).must(200)


async def test_a_takeover_of_a_renewal_waits_while_a_plan_stands(
    office: Office, owner: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.clock.pass_by(days=360)
    pair = await office.renewal_invitation()
    renewer = office.caller()
    (await renewer.bind(pair)).must(201)
    await plan_only(office, renewer, monkeypatch)
    reply = await office.caller().bind(pair)
    assert reply.refusal == (503, "serverInternal")
    assert reply.headers["Retry-After"] == "3"


async def plan_only(office: Office, caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a plan of the caller's order as a server does that dies before it signs."""

    async def dies(*_: object) -> None:
        raise ConnectionAbortedError

    order = (await caller.order()).must(201).document
    monkeypatch.setattr(issuance, "issue", dies)
    assert (await caller.finalize(order)).refusal == (500, "serverInternal")

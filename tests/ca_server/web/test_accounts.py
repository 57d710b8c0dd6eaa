"""Accounts (RFC 8555 §7.3): their life once they are bound. How they are bound: test_binding."""

import json

import pytest

from ca_server.clock import DAY
from ca_server.domain.orders import OrderFacts
from ca_server.ids import new_id
from ca_server.store import Connection, orders
from keys.generate import generate
from protocol import jws
from tests.ca_server.web.caller import Caller
from tests.ca_server.web.office import INSTITUTION_NAME, Office

MALFORMED = (400, "malformed")
UNAUTHORIZED = (403, "unauthorized")
GONE = (401, "unauthorized")


# --- making, finding and reading


async def test_a_new_account_shows_its_seat_and_reflects_its_binding(office: Office) -> None:
    caller = office.caller()
    pair = office.invitation()
    binding = caller.binding(pair)
    contact = ["mailto:pc@midori.example"]
    reply = await caller.new_account(
        termsOfServiceAgreed=True, externalAccountBinding=binding, contact=contact, orders="x", status="revoked"
    )
    assert reply.must(201).location.startswith(f"{office.url}/acme/account/")
    assert reply.document == {
        "status": "valid",
        "contact": contact,
        "termsOfServiceAgreed": True,
        "externalAccountBinding": binding,
        "orders": f"{reply.location}/orders",
        "seat": {"commonName": "F123456-001", "institutionName": INSTITUTION_NAME, "renewal": False},
    }


async def test_the_pair_of_a_renewal_shows_that_it_is_one(office: Office, owner: Caller) -> None:
    reply = await office.caller().bind(await office.renewal_invitation())
    assert reply.must(201).document["seat"]["renewal"] is True


async def test_a_known_key_finds_its_account_without_any_binding(holder: Caller) -> None:
    account = holder.account
    for members in ({}, {"onlyReturnExisting": True}, {"contact": ["mailto:other@midori.example"]}):
        reply = (await holder.new_account(**members)).must(200)
        assert reply.location == account
        assert "contact" not in reply.document


async def test_only_return_existing_is_answered_before_terms_and_binding(office: Office) -> None:
    reply = await office.caller().new_account(onlyReturnExisting=True)
    assert reply.refusal == (400, "accountDoesNotExist")


async def test_the_terms_must_be_agreed_to(office: Office) -> None:
    caller = office.caller()
    reply = await caller.new_account(externalAccountBinding=caller.binding(office.invitation()))
    assert reply.refusal == (403, "userActionRequired")


async def test_an_account_is_read_by_post_as_get(holder: Caller) -> None:
    assert (await holder.post(holder.account or "")).must(200).document["status"] == "valid"


async def test_an_account_is_nobody_elses_to_read(office: Office, holder: Caller) -> None:
    other = office.caller()
    (await other.bind(office.invitation(2))).must(201)
    for url in (holder.account or "", f"{holder.account}/orders"):
        assert (await other.post(url)).refusal == UNAUTHORIZED


# --- contacts


async def test_contacts_are_replaced_whole(holder: Caller) -> None:
    contact = ["mailto:a@midori.example", "mailto:b@midori.example"]
    assert (await holder.post(holder.account or "", {"contact": contact})).must(200).document["contact"] == contact
    assert "contact" not in (await holder.post(holder.account or "", {"contact": []})).must(200).document


@pytest.mark.parametrize(
    ("contact", "word"),
    [
        ("tel:+81312345678", "unsupportedContact"),
        ("mailto:a@midori.example,b@midori.example", "invalidContact"),
        ("mailto:a@midori.example?subject=x", "invalidContact"),
        ("mailto:nobody", "invalidContact"),
        ("mailto:a@midori.example%0d%0aBcc:x@x.example", "invalidContact"),
    ],
)
async def test_a_contact_is_one_mail_address(office: Office, holder: Caller, contact: str, word: str) -> None:
    assert (await holder.post(holder.account or "", {"contact": [contact]})).refusal == (400, word)
    assert (await office.caller().bind(office.invitation(2), contact=[contact])).refusal == (400, word)


async def test_members_that_no_client_may_write_are_ignored(holder: Caller) -> None:
    before = (await holder.post(holder.account or "")).document
    wishes = {"orders": "https://elsewhere.example", "seat": {}, "termsOfServiceAgreed": False, "x": 1}
    assert (await holder.post(holder.account or "", wishes)).must(200).document == before


# --- deactivation


async def test_a_deactivated_account_says_so_once(holder: Caller) -> None:
    reply = await holder.post(holder.account or "", {"status": "deactivated"})
    assert reply.must(200).document["status"] == "deactivated"


async def test_a_deactivated_account_gets_401_at_every_resource(office: Office, owner: Caller) -> None:
    order = (await owner.post(f"{owner.account}/orders")).document["orders"][0]
    shown = (await owner.post(order)).document
    leaf = (await owner.download(shown["certificate"]))[0]
    (await owner.post(owner.account or "", {"status": "deactivated"})).must(200)
    replies = [
        await owner.post(owner.account or ""),
        await owner.post(owner.account or "", {"contact": []}),
        await owner.post(f"{owner.account}/orders"),
        await owner.order(),
        await owner.post(order),
        await owner.post(shown["authorizations"][0]),
        await owner.finalize(shown),
        await owner.post(shown["certificate"]),
        await owner.post("/acme/key-change", owner.key_change(generate("P-256"))),
        await owner.revoke(leaf),
    ]
    assert [reply.refusal for reply in replies] == [GONE] * len(replies)


async def test_a_deactivated_account_is_told_so_before_anything_else(office: Office, holder: Caller) -> None:
    (await holder.post(holder.account or "", {"status": "deactivated"})).must(200)
    for url in ("/directory", "/acme/new-nonce", "/acme/new-order", "/acme/order/none"):
        assert (await holder.post(url)).refusal == GONE
    assert (await holder.revoke(office.folder.issuing.certificate)).refusal == GONE
    other = office.caller()
    (await other.bind(office.invitation(2))).must(201)
    assert (await holder.revoke(await other.enrol())).refusal == GONE


async def test_a_compromised_key_signs_for_no_account(office: Office, holder: Caller) -> None:
    key = generate("P-256")
    (await holder.revoke(await holder.enrol(key), reason=1)).must(200)
    with_it, other = office.caller(key=key), office.caller()
    assert (await with_it.bind(office.invitation(2))).refusal == (400, "badPublicKey")
    (await other.bind(office.invitation(2))).must(201)
    assert (await other.post("/acme/key-change", other.key_change(key))).refusal == (400, "badPublicKey")


async def test_a_key_that_stands_in_a_certificate_signs_for_no_account(office: Office, holder: Caller) -> None:
    key = generate("P-256")
    await holder.enrol(key)
    assert (await office.caller(key=key).bind(office.invitation(2))).refusal == (400, "badPublicKey")
    assert (await holder.post("/acme/key-change", holder.key_change(key))).refusal == (400, "badPublicKey")


async def test_the_key_of_a_deactivated_account_never_binds_again(office: Office, holder: Caller) -> None:
    (await holder.post(holder.account or "", {"status": "deactivated"})).must(200)
    for members in ({}, {"onlyReturnExisting": True}):
        assert (await holder.new_account(**members)).refusal == GONE
    assert (await holder.bind(office.invitation(2))).refusal == GONE


async def test_deactivation_leaves_the_url_to_another_key(office: Office, holder: Caller) -> None:
    (await holder.post(holder.account or "", {"status": "deactivated"})).must(200)
    fresh = office.caller()
    (await fresh.bind(office.invitation())).must(201)
    await fresh.enrol()


@pytest.mark.parametrize("status", ["valid", "revoked", "", 1])
async def test_no_other_status_can_be_asked_for(holder: Caller, status: object) -> None:
    assert (await holder.post(holder.account or "", {"status": status})).refusal == MALFORMED


async def test_an_account_that_an_officer_ended_gets_401_at_its_next_request(office: Office, owner: Caller) -> None:
    (await owner.post(owner.account or "")).must(200)
    await office.revoke_seat()
    assert (await owner.post(owner.account or "")).refusal == GONE


# --- keyChange (§7.3.5)


@pytest.mark.parametrize("kind", ["P-384", "RSA-2048", "Ed25519"])
async def test_an_account_changes_its_key(holder: Caller, kind: str) -> None:
    old, new = holder.key, generate(kind)
    (await holder.post("/acme/key-change", holder.key_change(new))).must(200)
    assert (await holder.post(holder.account or "", key=old)).status in (400, 401)
    (await holder.post(holder.account or "", key=new)).must(200)
    holder.key = new
    (await holder.order()).must(201)


async def test_the_former_key_finds_no_account_and_binds_none(office: Office, holder: Caller) -> None:
    old, holder.key = holder.key, generate("P-256")
    inner = office.caller(key=old)
    inner.account = holder.account
    (await inner.post("/acme/key-change", inner.key_change(holder.key))).must(200)
    assert (await inner.new_account(onlyReturnExisting=True)).refusal == GONE
    assert (await inner.bind(office.invitation(2))).refusal == GONE
    assert (await holder.new_account()).must(200).location == holder.account


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"url": "https://ca.example:8443/acme/new-order"}, MALFORMED),
        ({"url": None}, MALFORMED),
        ({"nonce": "AAAA"}, MALFORMED),
        ({"jwk": None}, MALFORMED),
        ({"kid": "https://ca.example:8443/acme/account/0"}, MALFORMED),
        ({"jwk": None, "kid": "https://ca.example:8443/acme/account/0"}, MALFORMED),
        ({"account": "https://ca.example:8443/acme/account/0"}, MALFORMED),
        ({"account": None}, MALFORMED),
        ({"oldKey": None}, MALFORMED),
        ({"oldKey": {}}, (400, "badPublicKey")),
        ({"crit": ["x"]}, MALFORMED),
    ],
    ids=str,
)
async def test_an_inner_message_that_is_not_right_changes_no_key(
    holder: Caller, changes: dict[str, object], refusal: tuple[int, str]
) -> None:
    inner = holder.key_change(generate("P-256"), **changes)
    assert (await holder.post("/acme/key-change", inner)).refusal == refusal
    (await holder.post(holder.account or "")).must(200)


async def test_old_key_must_be_the_accounts(holder: Caller) -> None:
    inner = holder.key_change(generate("P-256"), oldKey=jws.jwk(generate("P-256").public_key()))
    assert (await holder.post("/acme/key-change", inner)).refusal == MALFORMED


async def test_the_new_key_must_sign_the_inner_message(holder: Caller) -> None:
    inner = holder.key_change(generate("P-256"), jwk=jws.jwk(generate("P-256").public_key()))
    assert (await holder.post("/acme/key-change", inner)).refusal == MALFORMED


async def test_an_account_changes_no_other_accounts_key(office: Office, holder: Caller) -> None:
    other = office.caller()
    (await other.bind(office.invitation(2))).must(201)
    assert (await other.post("/acme/key-change", holder.key_change(generate("P-256")))).refusal == MALFORMED


async def test_a_key_in_use_is_a_conflict_that_names_its_account(office: Office, holder: Caller) -> None:
    other = office.caller()
    (await other.bind(office.invitation(2))).must(201)
    reply = await holder.post("/acme/key-change", holder.key_change(other.key))
    assert reply.refusal == (409, "malformed")
    assert reply.location == other.account
    own = await holder.post("/acme/key-change", holder.key_change(holder.key))
    assert (own.refusal, own.location) == ((409, "malformed"), holder.account)


async def test_a_key_that_was_given_up_stays_taken(office: Office, holder: Caller) -> None:
    old, new = holder.key, generate("P-256")
    (await holder.post("/acme/key-change", holder.key_change(new))).must(200)
    holder.key = new
    reply = await holder.post("/acme/key-change", holder.key_change(old))
    assert (reply.refusal, reply.location) == ((409, "malformed"), holder.account)


async def test_a_key_change_keeps_orders_and_seat(office: Office, holder: Caller) -> None:
    order = (await holder.order()).location
    new = generate("P-256")
    (await holder.post("/acme/key-change", holder.key_change(new))).must(200)
    holder.key = new
    assert (await holder.post(order)).must(200).document["status"] == "ready"


# --- the list of orders (§7.1.2.1)


async def test_orders_are_listed_by_url(holder: Caller) -> None:
    order = (await holder.order()).location
    reply = (await holder.post(f"{holder.account}/orders")).must(200)
    assert reply.document == {"orders": [order]}
    assert "next" not in reply.links


async def test_a_long_list_comes_in_pages(office: Office, holder: Caller) -> None:
    account = (holder.account or "").rpartition("/")[2]
    made = [await office.write(_order, account, new_id(), office.clock.now()) for _ in range(120)]
    url, listed, pages = f"{holder.account}/orders", list[str](), 0
    while url:
        reply = (await holder.post(url)).must(200)
        listed += reply.document["orders"]
        pages += 1
        url = reply.links.get("next", "")
    assert pages == 3
    assert sorted(listed) == sorted(f"{office.url}/acme/order/{order}" for order in made)


async def test_invalid_orders_are_not_listed(office: Office, holder: Caller) -> None:
    stale = (await holder.order()).location
    office.clock.pass_by(days=7)
    order = (await holder.order()).location
    assert order != stale
    assert (await holder.post(f"{holder.account}/orders")).document["orders"] == [order]


def _order(connection: Connection, account: str, order_id: str, now: int) -> str:
    names = json.dumps([["permanent-identifier", "F123456-001"]])
    facts = OrderFacts(
        order_id, account, "F123456-001", names, None, None, "", None, None, now + DAY, "valid", "approved", None
    )
    orders.add(connection, facts, now)
    return order_id

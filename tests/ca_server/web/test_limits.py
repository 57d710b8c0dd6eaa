"""Rate limits (RFC 8555 §6.6) by the real front, and nonces and limits by themselves."""

import pytest

from ca_server.clock import HOUR, MINUTE
from ca_server.web.limits import RateLimited, Window, network_of
from ca_server.web.nonces import Nonces, OpenNonce
from keys.generate import generate
from protocol import base64url
from tests.ca_server.web.caller import JOSE, Caller, Reply
from tests.ca_server.web.conftest import Opened
from tests.ca_server.web.office import Office, TurnedClock

LIMITED = (429, "rateLimited")
ON = {"enabled": True}
BEHIND = {"trusted_proxies": ("127.0.0.1",)}
NOW = 1_790_000_000


async def fail(caller: Caller, times: int, address: str = "") -> list[Reply]:
    """Send what is refused, so many times."""
    headers = JOSE | ({"X-Forwarded-For": address} if address else {})
    return [await caller.send("POST", "/acme/new-order", b"{}", headers) for _ in range(times)]


async def seen_from(caller: Caller, address: str) -> int:
    return (await fail(caller, 1, address))[0].status


# --- failures of an address


async def test_twenty_failures_in_a_minute_close_an_address_for_the_rest_of_it(opened: Opened) -> None:
    async with opened(limits=ON) as office:
        caller = office.caller()
        assert {reply.refusal for reply in await fail(caller, 20)} == {(400, "malformed")}
        office.clock.pass_by(seconds=20)
        (reply,) = await fail(caller, 1)
        assert reply.refusal == LIMITED
        assert reply.headers["Retry-After"] == "40"
        office.clock.pass_by(seconds=40)
        assert (await fail(caller, 1))[0].refusal == (400, "malformed")


async def test_who_only_reads_closes_nobody_out_and_is_never_closed_out(opened: Opened) -> None:
    async with opened(limits=ON) as office:
        caller = office.caller()
        for _ in range(30):
            assert (await caller.send("GET", "/nowhere")).status == 404
        (await caller.bind(office.invitation())).must(201)
        await fail(caller, 21)
        assert (await fail(caller, 1))[0].refusal == LIMITED
        for method, path in (("GET", "/directory"), ("HEAD", "/acme/new-nonce"), ("GET", "/")):
            assert (await caller.send(method, path)).status == 200


async def test_successes_count_for_nothing(opened: Opened) -> None:
    async with opened(limits=ON) as office:
        caller = office.caller()
        for _ in range(100):
            (await caller.send("GET", "/directory")).must(200)


async def test_a_bad_nonce_is_no_failure(opened: Opened) -> None:
    async with opened(limits=ON) as office:
        caller = office.caller()
        (await caller.bind(office.invitation())).must(201)
        for _ in range(30):
            reply = await caller.post(caller.account or "", header={"nonce": "AAAA"})
            assert reply.refusal == (400, "badNonce")
        (await caller.post(caller.account or "")).must(200)


async def test_another_address_is_not_closed(opened: Opened) -> None:
    async with opened(limits=ON, server=BEHIND) as office:
        caller = office.caller()
        await fail(caller, 20, "192.0.2.1")
        assert [await seen_from(caller, f"192.0.2.{host}") for host in (1, 2)] == [429, 400]


async def test_ipv6_is_counted_by_64(opened: Opened) -> None:
    async with opened(limits=ON, server=BEHIND) as office:
        caller = office.caller()
        for host in range(20):
            await fail(caller, 1, f"2001:db8:0:1::{host:x}")
        assert await seen_from(caller, "2001:db8:0:1:ffff:ffff:ffff:ffff") == 429
        assert await seen_from(caller, "2001:db8:0:2::1") == 400


async def test_a_forwarded_address_that_is_not_believed_hides_nobody(opened: Opened) -> None:
    async with opened(limits=ON) as office:
        caller = office.caller()
        for host in range(20):
            await fail(caller, 1, f"192.0.2.{host}")
        assert await seen_from(caller, "192.0.2.99") == 429


async def test_wrong_passwords_of_one_address_meet_the_limit_before_the_lock_of_many_urls(opened: Opened) -> None:
    async with opened(limits=ON) as office:
        pairs = [office.invitation(number) for number in (1, 2, 3)]
        caller = office.caller()
        statuses = []
        for attempt in range(24):
            pair = pairs[attempt % 3]
            binding = caller.binding(pair) | {"signature": base64url.encode(bytes(32))}
            payload = {"termsOfServiceAgreed": True, "externalAccountBinding": binding}
            body = await caller.signed("/acme/new-account", payload, by="jwk")
            statuses.append((await caller.send("POST", "/acme/new-account", body, JOSE)).status)
        assert statuses == [403] * 20 + [429] * 4


async def test_limits_that_are_off_count_nothing(office: Office) -> None:
    caller = office.caller()
    assert {reply.status for reply in await fail(caller, 50)} == {400}


# --- accounts of an address, orders and changes of an account


async def test_new_accounts_of_an_address_are_limited_by_the_hour(opened: Opened) -> None:
    async with opened(limits=ON | {"accounts_an_hour": 3}) as office:
        caller = office.caller()
        (await caller.bind(office.invitation())).must(201)
        for _ in range(2):
            (await caller.new_account()).must(200)
        reply = await caller.new_account()
        assert reply.refusal == LIMITED
        assert reply.headers["Retry-After"] == "3600"
        (await caller.order()).must(201)
        office.clock.pass_by(hours=1)
        (await caller.new_account()).must(200)


async def test_new_orders_of_an_account_are_limited_by_the_hour(opened: Opened) -> None:
    async with opened(limits=ON) as office:
        caller, other = office.caller(), office.caller()
        (await caller.bind(office.invitation(1))).must(201)
        (await other.bind(office.invitation(2))).must(201)
        for _ in range(10):
            order = (await caller.order()).must(201).document
            (await caller.post(order["authorizations"][0], {"status": "deactivated"})).must(200)
        assert (await caller.order()).refusal == LIMITED
        (await other.order()).must(201)
        office.clock.pass_by(hours=1)
        (await caller.order()).must(201)


async def test_the_open_order_again_is_no_new_order(opened: Opened) -> None:
    async with opened(limits=ON) as office:
        caller = office.caller()
        (await caller.bind(office.invitation())).must(201)
        locations = {(await caller.order()).must(201).location for _ in range(15)}
        assert len(locations) == 1


async def test_changes_of_key_and_contacts_of_an_account_are_limited_by_the_hour(opened: Opened) -> None:
    async with opened(limits=ON | {"changes_an_hour": 3}) as office:
        caller, other = office.caller(), office.caller()
        (await caller.bind(office.invitation(1))).must(201)
        (await other.bind(office.invitation(2))).must(201)
        contact = {"contact": ["mailto:pc@midori.example"]}
        for _ in range(2):
            (await caller.post(caller.account or "", contact)).must(200)
        await change_key(caller)
        reply = await caller.post(caller.account or "", contact)
        assert reply.refusal == LIMITED
        assert reply.headers["Retry-After"] == "3600"
        inner = caller.key_change(generate("P-256"))
        assert (await caller.post("/acme/key-change", inner)).refusal == LIMITED
        (await caller.post(caller.account or "")).must(200)
        (await other.post(other.account or "", contact)).must(200)
        office.clock.pass_by(hours=1)
        await change_key(caller)


async def change_key(caller: Caller) -> None:
    key = generate("P-256")
    (await caller.post("/acme/key-change", caller.key_change(key))).must(200)
    caller.key = key


# --- the window by itself


def test_a_window_opens_again_when_its_time_is_over() -> None:
    clock = TurnedClock(NOW)
    window = Window(clock, 2, MINUTE)
    for _ in range(2):
        window.require("a")
        window.count("a")
    clock.pass_by(seconds=59)
    with pytest.raises(RateLimited) as limited:
        window.require("a")
    assert limited.value.seconds == 1
    window.require("b")
    clock.pass_by(seconds=1)
    window.require("a")


def test_a_clock_that_was_turned_back_closes_nobody_for_long() -> None:
    clock = TurnedClock(NOW)
    window = Window(clock, 1, MINUTE)
    window.count("a")
    clock.pass_by(days=-1)
    window.require("a")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8:0:0:ffff::1", "2001:db8::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_an_address_is_counted_as_itself_or_as_its_64(address: str, network: str) -> None:
    assert network_of(address) == network


# --- nonces by themselves


def looked_at(nonces: Nonces, nonce: str) -> OpenNonce:
    found = nonces.opened(nonce)
    assert found is not None
    return found


def test_nonces_never_repeat() -> None:
    nonces = Nonces(TurnedClock(NOW))
    assert len({nonces.fresh() for _ in range(10_000)}) == 10_000


def test_a_nonce_with_any_bit_changed_does_not_open() -> None:
    nonces = Nonces(TurnedClock(NOW))
    octets = base64url.decode(nonces.fresh())
    for bit in range(8 * len(octets)):
        changed = bytearray(octets)
        changed[bit // 8] ^= 1 << bit % 8
        assert nonces.opened(base64url.encode(bytes(changed))) is None
    for other in (octets[:-1], octets + b"\0", b"", octets[:12]):
        assert nonces.opened(base64url.encode(other)) is None


def test_a_nonce_of_another_process_does_not_open() -> None:
    clock = TurnedClock(NOW)
    assert Nonces(clock).opened(Nonces(clock).fresh()) is None


async def test_looking_at_a_nonce_does_not_use_it_up() -> None:
    nonces = Nonces(TurnedClock(NOW))
    nonce = nonces.fresh()
    assert nonces.opened(nonce) == nonces.opened(nonce)
    assert await nonces.redeem(looked_at(nonces, nonce))


def test_a_nonce_from_the_future_does_not_open() -> None:
    clock = TurnedClock(NOW)
    nonces = Nonces(clock)
    nonce = nonces.fresh()
    clock.pass_by(seconds=-1)
    assert nonces.opened(nonce) is None


@pytest.mark.parametrize("made_at", range(0, 2 * HOUR, 7 * MINUTE))
@pytest.mark.parametrize("used_after", [0, 30 * MINUTE, HOUR])
async def test_a_used_nonce_is_remembered_as_long_as_it_would_open(made_at: int, used_after: int) -> None:
    clock = TurnedClock(NOW)
    nonces = Nonces(clock)
    clock.pass_by(seconds=made_at)
    nonce = nonces.fresh()
    clock.pass_by(seconds=used_after)
    assert await nonces.redeem(looked_at(nonces, nonce))
    for _ in range(0, HOUR + MINUTE, 5 * MINUTE):
        await nonces.redeem(looked_at(nonces, nonces.fresh()))
        again = nonces.opened(nonce)
        assert again is None or not await nonces.redeem(again)
        clock.pass_by(minutes=5)
    assert nonces.opened(nonce) is None


async def test_memory_does_not_grow_and_what_it_cannot_hold_is_no_nonce_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of eight octets one is always cleared for those to come: 56 nonces are remembered, and no older one opens."""
    monkeypatch.setattr("ca_server.web.nonces._RING_BYTES", 8)
    nonces = Nonces(TurnedClock(NOW))
    given = []
    for lap in range(300):
        given.append(nonces.fresh())
        if lap % 3 == 0:
            assert await nonces.redeem(looked_at(nonces, given[lap]))
        open_ones = [each for nonce in given if (each := nonces.opened(nonce)) is not None]
        assert [each.number for each in open_ones] == list(range(max(0, lap - 55), lap + 1))
    assert len(nonces._redeemed) == 8
    redeemed = [each for each in open_ones if not await nonces.redeem(each)]
    assert redeemed == [each for each in open_ones if each.number % 3 == 0]
    assert not any([await nonces.redeem(open_ones[0]._replace(number=number)) for number in range(300)])

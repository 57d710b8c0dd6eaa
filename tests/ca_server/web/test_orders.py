"""Orders, authorizations and certificates (RFC 8555 §7.4, §7.5; protocol.md, Enrolment and State)."""

import asyncio
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ca_server.clock import DAY, moment, rfc3339
from ca_server.operations import issuance
from ca_server.store import certificates
from ca_server.web.issuers import Issuers
from keys.csr import build_signing_request
from keys.generate import generate
from protocol import jws
from tests.ca_server.web.caller import Caller, names, words
from tests.ca_server.web.conftest import Opened
from tests.ca_server.web.office import INSTITUTION, Office

CN = "F123456-001"
SUFFIX = {"alias_suffix": "pc.example"}
MALFORMED = (400, "malformed")
UNAUTHORIZED = (403, "unauthorized")
NOT_FOUND = (404, "malformed")
NOT_READY = (403, "orderNotReady")


async def other_holder(office: Office, number: int = 2) -> Caller:
    caller = office.caller()
    (await caller.bind(office.invitation(number))).must(201)
    return caller


async def leaf_of(caller: Caller, order: dict[str, object]) -> x509.Certificate:
    shown = (await caller.finalize(order)).must(200).document
    return (await caller.download(shown["certificate"]))[0]


# --- newOrder


async def test_an_order_is_ready_at_once(office: Office, holder: Caller) -> None:
    reply = (await holder.order()).must(201)
    assert reply.document == {
        "status": "ready",
        "expires": rfc3339(office.clock.now() + 7 * DAY),
        "identifiers": [{"type": "permanent-identifier", "value": CN}],
        "authorizations": [reply.location.replace("/order/", "/authorization/") + "/0"],
        "finalize": f"{reply.location}/finalize",
    }
    assert (await holder.post(reply.location)).must(200).document == reply.document


async def test_an_authorization_is_valid_without_challenges(office: Office, holder: Caller) -> None:
    (url,) = (await holder.order()).document["authorizations"]
    assert (await holder.post(url)).must(200).document == {
        "status": "valid",
        "identifier": {"type": "permanent-identifier", "value": CN},
        "expires": rfc3339(office.clock.now() + 7 * DAY),
        "challenges": [],
    }


async def test_the_same_request_gets_the_open_order_again(office: Office, holder: Caller) -> None:
    first = (await holder.order()).must(201)
    office.clock.pass_by(days=1)
    again = (await holder.order()).must(201)
    assert (again.location, again.document) == (first.location, first.document)


async def test_other_identifiers_make_another_order(holder: Caller) -> None:
    first = await holder.order()
    other = await holder.order(CN.lower(), kind="dns")
    assert first.location != other.location


@pytest.mark.parametrize("name", ["f123456-001", "F123456-001", "F123456-001.pc.example", "f123456-001.PC.EXAMPLE"])
async def test_an_alias_is_compared_without_regard_to_case(opened: Opened, name: str) -> None:
    async with opened(profile=SUFFIX) as office:
        caller = office.caller()
        (await caller.bind(office.invitation())).must(201)
        (await caller.order(name, kind="dns")).must(201)


async def test_every_set_of_aliases_is_ordered_with_an_authorization_for_each(opened: Opened) -> None:
    async with opened(profile=SUFFIX) as office:
        caller = office.caller()
        (await caller.bind(office.invitation())).must(201)
        identifiers = [
            {"type": "dns", "value": "f123456-001"},
            {"type": "dns", "value": "f123456-001.pc.example"},
            {"type": "permanent-identifier", "value": CN},
        ]
        order = (await caller.post("/acme/new-order", {"identifiers": identifiers})).must(201).document
        assert order["identifiers"] == identifiers
        shown = [(await caller.post(url)).must(200).document["identifier"] for url in order["authorizations"]]
        assert shown == identifiers
        (await caller.post(order["authorizations"][0][:-1] + "3")).must(404)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("permanent-identifier", "F123456-002"),
        ("permanent-identifier", "f123456-001"),
        ("permanent-identifier", " F123456-001"),
        ("permanent-identifier", "F123456-001.pc.example"),
        ("dns", "f123456-002"),
        ("dns", "f123456-001.pc.example"),
        ("dns", "f123456-001."),
        ("dns", "*.f123456-001"),
        ("dns", "www.example.com"),
        ("dns", ""),
    ],
)
async def test_another_name_is_rejected_with_the_cn_that_the_account_is_for(
    holder: Caller, kind: str, name: str
) -> None:
    reply = await holder.order(name, kind=kind)
    assert reply.refusal == (400, "rejectedIdentifier")
    assert CN in reply.detail
    assert "--config-dir" in reply.detail


async def test_one_wrong_name_among_right_ones_is_rejected(holder: Caller) -> None:
    assert (await holder.order(CN, "F123456-002")).refusal == (400, "rejectedIdentifier")


async def test_a_slash_in_a_permanent_identifier_is_malformed(holder: Caller) -> None:
    assert (await holder.order(f"{CN}/1.2.3")).refusal == MALFORMED


@pytest.mark.parametrize("kind", ["ip", "email", "hardware-module", "DNS", ""])
async def test_another_type_of_identifier_is_unsupported(holder: Caller, kind: str) -> None:
    assert (await holder.order(CN, kind=kind)).refusal == (400, "unsupportedIdentifier")


@pytest.mark.parametrize(
    "identifiers", [None, [], {}, "x", [1], [{}], [{"type": "dns"}], [{"type": 1, "value": 2}]], ids=str
)
async def test_identifiers_of_another_shape_are_malformed(holder: Caller, identifiers: object) -> None:
    assert (await holder.post("/acme/new-order", {"identifiers": identifiers})).refusal == MALFORMED


@pytest.mark.parametrize("name", ["notBefore", "notAfter"])
async def test_a_wished_validity_is_refused_rather_than_ignored(holder: Caller, name: str) -> None:
    reply = await holder.order(**{name: "2027-01-01T00:00:00Z"})
    assert reply.refusal == MALFORMED
    assert name in reply.detail


# --- finalize


async def test_an_order_becomes_a_certificate(office: Office, holder: Caller) -> None:
    key = generate("P-256")
    order = await holder.order()
    reply = (await holder.finalize(order.document, build_signing_request(key, CN))).must(200)
    assert reply.document["status"] == "valid"
    assert reply.document["expires"] == order.document["expires"]
    leaf, issuing = await holder.download(reply.document["certificate"])
    assert issuing == office.folder.issuing.certificate
    assert leaf.public_key() == key.public_key()
    leaf.verify_directly_issued_by(issuing)
    assert names(leaf, NameOID.COMMON_NAME) == [CN]
    assert names(leaf, NameOID.ORGANIZATIONAL_UNIT_NAME) == [INSTITUTION]
    assert (await holder.post(order.location)).must(200).document == reply.document


async def test_the_chain_is_strict_pem_with_the_leaf_first_and_no_root(office: Office, owner: Caller) -> None:
    order = (await owner.post(f"{owner.account}/orders")).document["orders"][0]
    body = (await owner.post((await owner.post(order)).document["certificate"])).must(200).body
    chain = x509.load_pem_x509_certificates(body)
    assert body == b"".join(each.public_bytes(Encoding.PEM) for each in chain)
    assert len(chain) == 2
    assert chain[0].issuer == chain[1].subject != chain[1].issuer


async def test_validity_counts_from_the_clock(office: Office, holder: Caller) -> None:
    leaf = await holder.enrol()
    assert leaf.not_valid_before_utc == moment(office.clock.now() - 3600)
    assert leaf.not_valid_after_utc == leaf.not_valid_before_utc + timedelta(days=395, seconds=-1)


async def test_only_the_ordered_fqdn_becomes_a_dns_name(opened: Opened) -> None:
    async with opened(profile=SUFFIX) as office:
        for number, ordered, shown in (
            (1, ("dns", "F123456-001.pc.example"), ["f123456-001.pc.example"]),
            (2, ("dns", "f123456-002"), None),
            (3, ("permanent-identifier", "F123456-003"), None),
        ):
            caller = await other_holder(office, number)
            leaf = await leaf_of(caller, (await caller.order(ordered[1], kind=ordered[0])).must(201).document)
            found = [e.value for e in leaf.extensions if isinstance(e.value, x509.SubjectAlternativeName)]
            assert [name for san in found for name in san.get_values_for_type(x509.DNSName)] == (shown or [])
            assert bool(found) is (shown is not None)


@pytest.mark.parametrize("kind", ["P-256", "P-384", "RSA-2048"])
async def test_every_certifiable_kind_of_key_is_certified(holder: Caller, kind: str) -> None:
    key = generate(kind)
    assert (await holder.enrol(key)).public_key() == key.public_key()


async def test_a_csr_without_any_name_is_enough(holder: Caller) -> None:
    order = (await holder.order()).document
    (await holder.finalize(order, build_signing_request(generate("P-256"), None))).must(200)


async def test_a_valid_order_is_not_finalized_again(holder: Caller) -> None:
    order = (await holder.order()).document
    (await holder.finalize(order)).must(200)
    assert (await holder.finalize(order)).refusal == NOT_READY


async def test_an_order_in_processing_says_when_to_ask_again_and_is_not_finalized(
    office: Office, holder: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned, signed = asyncio.Event(), asyncio.Event()
    issue = issuance.issue

    async def waits(*arguments: object) -> object:
        planned.set()
        await signed.wait()
        return await issue(*arguments)  # type: ignore[arg-type]

    order = await holder.order()
    monkeypatch.setattr(issuance, "issue", waits)
    first = asyncio.create_task(holder.finalize(order.document))
    await planned.wait()
    reply = await holder.post(order.location)
    assert reply.document["status"] == "processing"
    assert 1 <= int(reply.headers["Retry-After"]) <= 3
    assert "certificate" not in reply.document
    assert (await holder.finalize(order.document)).refusal == NOT_READY
    signed.set()
    assert (await first).must(200).document["status"] == "valid"


async def test_ten_finalizes_at_once_make_one_certificate(office: Office, holder: Caller) -> None:
    order = (await holder.order()).document
    replies = await asyncio.gather(*(holder.finalize(order) for _ in range(10)))
    assert sorted(reply.status for reply in replies) == [200] + [403] * 9
    assert len(office.look(certificates.of_seat, CN)) == 1


async def test_of_two_orders_the_loser_becomes_invalid_and_says_why(holder: Caller) -> None:
    first, second = await holder.order(), await holder.order(CN.lower(), kind="dns")
    (await holder.finalize(first.document)).must(200)
    reply = await holder.finalize(second.document)
    assert reply.refusal == NOT_READY
    shown = (await holder.post(second.location)).must(200).document
    assert (shown["status"], shown["error"]["detail"]) == ("invalid", reply.detail)
    assert (await holder.finalize(second.document)).refusal == NOT_READY


async def test_an_order_expires_after_seven_days(office: Office, holder: Caller) -> None:
    order = await holder.order()
    office.clock.pass_by(days=7, seconds=-1)
    assert (await holder.post(order.location)).document["status"] == "ready"
    office.clock.pass_by(seconds=1)
    assert (await holder.post(order.location)).document["status"] == "invalid"
    assert (await holder.finalize(order.document)).refusal == NOT_READY
    assert (await holder.order()).must(201).location != order.location


async def test_a_valid_order_stays_valid_after_its_time(office: Office, owner: Caller) -> None:
    order = (await owner.post(f"{owner.account}/orders")).document["orders"][0]
    office.clock.pass_by(days=8)
    shown = (await owner.post(order)).must(200).document
    assert shown["status"] == "valid"
    await owner.download(shown["certificate"])


async def test_an_unknown_order_is_not_found(holder: Caller) -> None:
    order = (await holder.order()).document
    for url in (order["finalize"].rpartition("/")[0], order["authorizations"][0], order["finalize"]):
        other = url.replace(url.split("/")[5], "0" * 26)
        payload = {"csr": jws.encode(build_signing_request(generate("P-256"), CN))} if "finalize" in url else b""
        assert (await holder.post(other, payload)).refusal == NOT_FOUND


# --- suspension, deactivated authorizations, strangers


async def test_a_suspended_seat_gets_nothing_until_it_is_released(office: Office, holder: Caller) -> None:
    order = await holder.order()
    await office.suspend()
    for reply in (await holder.order(CN.lower(), kind="dns"), await holder.finalize(order.document)):
        assert reply.refusal == UNAUTHORIZED
        assert f"{CN} is suspended" in reply.detail
    assert (await holder.post(order.location)).document["status"] == "ready"
    await office.release()
    (await holder.finalize(order.document)).must(200)


async def test_a_deactivated_authorization_makes_its_order_invalid(holder: Caller) -> None:
    order = await holder.order()
    (url,) = order.document["authorizations"]
    reply = (await holder.post(url, {"status": "deactivated"})).must(200)
    assert reply.document["status"] == "deactivated"
    assert (await holder.post(url)).document["status"] == "deactivated"
    assert (await holder.post(order.location)).document["status"] == "invalid"
    assert (await holder.finalize(order.document)).refusal == NOT_READY
    fresh = (await holder.order()).must(201)
    assert fresh.location != order.location
    (await holder.finalize(fresh.document)).must(200)


async def test_an_authorization_that_was_used_cannot_be_given_up(owner: Caller) -> None:
    order = (await owner.post(f"{owner.account}/orders")).document["orders"][0]
    (url,) = (await owner.post(order)).document["authorizations"]
    assert (await owner.post(url, {"status": "deactivated"})).refusal == UNAUTHORIZED
    assert (await owner.post(order)).document["status"] == "valid"


@pytest.mark.parametrize("status", ["valid", "revoked", None, 1])
async def test_an_authorization_is_deactivated_and_nothing_else(holder: Caller, status: object) -> None:
    (url,) = (await holder.order()).document["authorizations"]
    assert (await holder.post(url, {"status": status})).refusal == MALFORMED


async def test_an_authorization_expires_with_its_order(office: Office, holder: Caller) -> None:
    (url,) = (await holder.order()).document["authorizations"]
    office.clock.pass_by(days=7)
    assert (await holder.post(url)).document["status"] == "expired"


async def test_what_belongs_to_another_account_is_not_found(office: Office, owner: Caller) -> None:
    order = (await owner.post(f"{owner.account}/orders")).document["orders"][0]
    shown = (await owner.post(order)).document
    stranger = await other_holder(office)
    replies = [
        await stranger.post(order),
        await stranger.finalize(shown),
        await stranger.post(shown["authorizations"][0]),
        await stranger.post(shown["authorizations"][0], {"status": "deactivated"}),
        await stranger.post(shown["certificate"]),
    ]
    assert words(replies) == [NOT_FOUND] * 5
    assert (await owner.post(order)).document == shown


async def test_a_serial_that_was_never_issued_is_not_found(holder: Caller) -> None:
    for serial in ("0", "ff" * 16, "x", "%2e%2e", "%00"):
        assert (await holder.post(f"/acme/certificate/{serial}")).refusal == NOT_FOUND


async def test_a_certificate_whose_issuer_was_put_away_is_not_found(
    office: Office, owner: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = (await owner.post(f"{owner.account}/orders")).document["orders"][0]
    url = (await owner.post(order)).document["certificate"]
    (await owner.post(url)).must(200)
    monkeypatch.setattr("ca_server.app.Issuers.of", lambda _: Issuers({}, frozenset()))
    await office.restart()
    assert (await owner.post(url)).refusal == NOT_FOUND

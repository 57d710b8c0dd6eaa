"""The whole public API × everybody who may ask × every state of account, order and seat: who gets what.

The resources are those of the running application; one that is not said here fails. What is expected is said as rules.
Whoever is not a resource's holder learns nothing: the answer is that of a resource that does not exist, byte for byte.
"""

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca_server import audit_keeping
from ca_server.domain.orders import order_status
from ca_server.domain.seats import SeatStatus
from ca_server.ids import new_id
from ca_server.operations import issuance
from ca_server.responder.routes import Responder
from ca_server.responder.routes import application as plain_application
from ca_server.store import orders, seats
from ca_server.web.officers import OfficersAddress
from ca_server.web.officers import application as officers_application
from ca_server.web.routes import Unlisted
from keys.csr import build_signing_request
from keys.generate import generate
from keys.keystore import write_private
from protocol import jws, renewal_info
from protocol.vocabulary import AccountStatus, OrderStatus
from tests.ca_server.web import scenes
from tests.ca_server.web.caller import JOSE, Caller, Reply
from tests.ca_server.web.conftest import Opened
from tests.ca_server.web.office import INSTITUTION, Office
from tests.ca_server.web.scenes import OTHER_INSTITUTION, SIBLING, STATES, Frugal, Scene, Stage, State, plain

ACCOUNT, NEW_KEY, EITHER, ANYBODY, FOLLOWER = "an account", "a new key", "an account or a key", "anybody", "a follower"
PATHS = {
    "/directory": ANYBODY,
    "/acme/new-nonce": ANYBODY,
    "/acme/new-account": NEW_KEY,
    "/acme/account/{account}": ACCOUNT,
    "/acme/account/{account}/orders": ACCOUNT,
    "/acme/key-change": ACCOUNT,
    "/acme/new-order": ACCOUNT,
    "/acme/order/{order}": ACCOUNT,
    "/acme/order/{order}/finalize": ACCOUNT,
    "/acme/authorization/{order}/{place}": ACCOUNT,
    "/acme/certificate/{serial}": ACCOUNT,
    "/acme/revoke-cert": EITHER,
    "/acme/renewal-info/{certificate}": ANYBODY,
    "/": ANYBODY,
    "/{document}": ANYBODY,
    "/ca/{name}.cer": ANYBODY,
    "/ca/{name}.pem": ANYBODY,
    "/crl/{name}.crl": ANYBODY,
    "/forms/{kind}.{language}.xlsx": ANYBODY,
    "/audit/checkpoint": ANYBODY,
    "/audit/keys": ANYBODY,
    "/e/{kid}": ANYBODY,
    "/e/{kid}/": ANYBODY,
    "/e/": ANYBODY,
    "/static/{name}": ANYBODY,
    "/responder/changes": FOLLOWER,
}
"""Who may ask for what."""
OFFICERS_PATHS = ("/metrics", "/healthz", "/readyz")
"""What the address for officers and machines has, for whoever is on the machine: it listens on the loopback alone."""
PLAIN_PATHS = ("/ocsp/{request}", "/crl/{name}.crl", "/ca/{name}.cer")
"""What the plain address has, for anybody."""
EXAMPLE = {
    "account": "a", "order": "o", "place": "0", "serial": "1", "certificate": "x.y", "document": "cps", "name": "root",
    "kind": "DCM902", "language": "en", "kid": "5Z8XQ2M7RC4KD0TNVB9HJ3WEGS",
}  # fmt: skip
SIGNED = {path for path, who in PATHS.items() if who in (ACCOUNT, NEW_KEY, EITHER)}
READ_BY_ACCOUNTS = {"/directory", "/acme/new-nonce", "/acme/renewal-info/{certificate}"}
MALFORMED, UNAUTHORIZED, DEAD = (400, "malformed"), (403, "unauthorized"), (401, "unauthorized")
NOT_FOUND, UNKNOWN, NOT_READY = (404, "malformed"), (400, "accountDoesNotExist"), (403, "orderNotReady")


# --- the table


async def test_whoever_adds_a_resource_says_who_may_use_it(office: Office) -> None:
    app = office.public.app
    assert app is not None
    found = _found(app)
    assert {path for _, path in found} == set(PATHS)
    assert {path for method, path in found if method == "POST"} == SIGNED | READ_BY_ACCOUNTS
    assert {path for method, path in found if method == "GET"} == set(PATHS) - SIGNED
    assert {method for method, _ in found} == {"GET", "HEAD", "POST"}


async def test_the_other_addresses_have_what_anybody_there_gets_and_nothing_else(office: Office) -> None:
    plain_address = plain_application(Responder(None, office.config.server.public_folder, office.clock))  # type: ignore[arg-type]
    assert _found(plain_address) == {("POST", "/ocsp"), *_read(PLAIN_PATHS)}
    officers_address = officers_application(OfficersAddress(None, None))  # type: ignore[arg-type]
    assert _found(officers_address) == _read(OFFICERS_PATHS)


def _read(paths: Iterable[str]) -> set[tuple[str, str]]:
    return {(method, path) for method in ("GET", "HEAD") for path in paths}


def _found(app: web.Application) -> set[tuple[str, str]]:
    return {(route.method, "" if route.resource is None else route.resource.canonical) for route in app.router.routes()}


async def test_an_application_with_a_route_that_no_row_made_does_not_start(office: Office) -> None:
    async def planted(_: web.Request) -> web.Response:
        return web.Response()

    app = office.wiring.public()
    app.router.add_get("/planted", planted)
    with pytest.raises(Unlisted, match="planted"):
        await web.AppRunner(app).setup()


async def test_nobody_gets_a_signed_resource_unsigned_or_by_another_kind_of_signer(
    office: Office, holder: Caller
) -> None:
    for path in SIGNED:
        url = path.format_map(EXAMPLE)
        assert (await holder.send("GET", url)).refusal == (405, "malformed")
        assert (await holder.send("POST", url, b"{}")).refusal == (415, "malformed")
        assert (await holder.send("POST", url, b"{}", JOSE)).refusal == MALFORMED
        by_key, by_account = [await holder.post(url, {}, by=by) for by in ("jwk", "kid")]
        wrong = {ACCOUNT: [by_key], NEW_KEY: [by_account], EITHER: []}[PATHS[path]]
        named = [reply for reply in (by_key, by_account) if b"names its key by" in reply.body]
        assert named == wrong, path


async def test_what_anybody_gets_a_live_account_gets_by_an_empty_post_and_no_other_key(stage: Stage) -> None:
    (enrolled,) = await stage.scenes(STATES["enrolled"], 1)
    (gone,) = await stage.scenes(STATES["deactivated"], 1)
    assert enrolled.certificate is not None
    url = stage.office.caller().url
    identifier = renewal_identifier(enrolled.certificate)
    for path in READ_BY_ACCOUNTS:
        one = path.replace("{certificate}", identifier)
        assert (await enrolled.holder.send("GET", url(one))).status in (200, 204), one
        (await enrolled.holder.post(one)).must(200)
        assert (await enrolled.holder.post(one, {})).refusal == MALFORMED
        assert (await enrolled.holder.post(one, by="jwk")).refusal == MALFORMED
        assert (await gone.holder.post(one)).refusal == DEAD


def renewal_identifier(certificate: x509.Certificate) -> str:
    key_id = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert key_id is not None
    return renewal_info.certificate_id(key_id, certificate.serial_number)


async def test_anybody_gets_pages_and_files_and_posts_nothing_to_them(office: Office) -> None:
    for task in audit_keeping.tasks(office.config, office.database, "office", office.clock):  # the first checkpoint
        await task.run(office.clock.now())
    for path in sorted(set(PATHS) - SIGNED - READ_BY_ACCOUNTS - {"/responder/changes"}):
        url = path.format_map(EXAMPLE | ({"name": "style.css"} if path.startswith("/static") else {}))
        for method, status in (("GET", 200), ("HEAD", 200), ("POST", 405)):
            async with office.public.session.request(method, office.public.make_url(url)) as answer:
                assert answer.status == status, (method, url)


async def followed(office: Office, authorization: str | None) -> tuple[int, object]:
    """Return what is told of the changes to whoever shows this."""
    url, headers = office.public.make_url("/responder/changes"), {"Authorization": authorization or ""}
    async with office.public.session.get(url, headers=headers if authorization else {}) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_nobody_follows_where_there_is_no_secret(office: Office) -> None:
    nothing = await followed(office, None)
    assert nothing[0] == 404
    for shown in ("Bearer", "Bearer None", "Bearer x"):
        assert await followed(office, shown) == nothing


async def test_only_whoever_shows_the_secret_follows_and_to_others_there_is_no_such_address(
    opened: Opened, tmp_path: Path
) -> None:
    secret, file = "a-secret-of-some-length-0123456789", tmp_path / "token"
    write_private(file, secret.encode())
    async with opened(responder={"feed_token_file": file}) as office:
        nothing = await followed(office, None)
        assert nothing[0] == 404
        for shown in (secret, f"Bearer {secret[:-1]}", f"Basic {secret}"):
            assert await followed(office, shown) == nothing
        assert (await followed(office, f"Bearer {secret}"))[0] == 200


# --- who holds it


Act = Callable[[Scene], Awaitable[Reply]]
LOOKS: dict[str, Act] = {
    "read the account": lambda it: it.holder.post(str(it.holder.account)),
    "list its orders": lambda it: it.holder.post(f"{it.holder.account}/orders"),
    "write its contacts": lambda it: it.holder.post(str(it.holder.account), {"contact": []}),
    "read the order": lambda it: it.holder.post(it.order_url),
    "read the authorization": lambda it: it.holder.post(it.order["authorizations"][0]),
    "read the certificate": lambda it: it.holder.post(it.certificate_url or "/acme/certificate/1"),
    "name the key again": lambda it: it.holder.new_account(termsOfServiceAgreed=True),
}
"""What leaves a scene as it is."""
MOVES: dict[str, Act] = {
    "order": lambda it: it.holder.order(),
    "finalize": lambda it: it.holder.finalize(it.order),
    "give up": lambda it: it.holder.post(it.order["authorizations"][0], {"status": "deactivated"}),
    "change the key": lambda it: it.holder.post("/acme/key-change", it.holder.key_change(generate("P-256"))),
    "deactivate": lambda it: it.holder.post(str(it.holder.account), {"status": "deactivated"}),
    "revoke": lambda it: it.holder.revoke(_certificate(it)),
    "revoke by its key": lambda it: Frugal(it.holder.office).revoke(_certificate(it), key=it.key, by="jwk"),
}
"""What changes it."""


def _certificate(scene: Scene) -> x509.Certificate:
    assert scene.certificate is not None
    return scene.certificate


def expected(state: State, act: str) -> tuple[int, str] | int:
    """Return what the rules give to the holder: a dead account gets nothing, then the seat and the order decide."""
    if act == "revoke by its key":
        return {SeatStatus.REVOKED: (400, "alreadyRevoked"), SeatStatus.LAPSED: UNAUTHORIZED}.get(state.seat, 200)
    if state.account is not AccountStatus.VALID:
        return DEAD
    match act:
        case "read the certificate":
            return 200 if state.issued else NOT_FOUND
        case "order":
            may = state.seat is SeatStatus.APPROVED or (state.seat is SeatStatus.ACTIVE and state.meanwhile is not None)
            return 201 if may else UNAUTHORIZED
        case "finalize":
            held = UNAUTHORIZED if state.seat is SeatStatus.SUSPENDED else 200
            return held if state.order is OrderStatus.READY else NOT_READY
        case "give up":
            return 200 if state.order in (OrderStatus.READY, OrderStatus.INVALID) else UNAUTHORIZED
        case "revoke":
            return UNAUTHORIZED if state.seat is SeatStatus.LAPSED else 200
        case _:
            return 200


def came(reply: Reply) -> tuple[int, str] | int:
    return reply.refusal if reply.status >= 400 else reply.status


def test_every_status_is_met() -> None:
    assert {state.account for state in STATES.values()} == set(AccountStatus)
    assert {state.seat for state in STATES.values()} == set(SeatStatus)
    assert {state.order for state in STATES.values()} == set(OrderStatus) - {OrderStatus.PENDING}


@pytest.mark.parametrize("name", STATES)
async def test_the_holder_gets_what_state_and_rules_give(stage: Stage, name: str) -> None:
    state = STATES[name]
    moves = {move: act for move, act in MOVES.items() if state.issued or not move.startswith("revoke")}
    looked_at, *moved = await stage.scenes(state, 1 + len(moves))
    _require_in(stage.office, looked_at, state)
    wrong = []
    for act, scene, do in [
        *((act, looked_at, do) for act, do in LOOKS.items()),
        *((act, scene, do) for (act, do), scene in zip(moves.items(), moved, strict=True)),
    ]:
        reply = await do(scene)
        if came(reply) != expected(state, act):
            wrong.append((act, came(reply), expected(state, act), reply.body))
    assert wrong == []


def _require_in(office: Office, scene: Scene, state: State) -> None:
    """Hold the records to what the state says of them."""
    facts = office.look(orders.find, scene.order_url.rpartition("/")[2])
    assert facts is not None
    assert facts.account_status == state.account
    assert order_status(facts, office.clock.now()) is state.order
    assert office.look(seats.get, office.cn(scene.number)).status is state.seat


async def test_whoever_is_revoked_while_its_certificate_is_signed_is_dead_like_any_other(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    (scene,) = await stage.scenes(STATES["bound"], 1)
    issue = issuance.issue

    async def revoked_meanwhile(*arguments: Any) -> Any:
        await stage.office.revoke_seat(scene.number)
        return await issue(*arguments)

    monkeypatch.setattr(issuance, "issue", revoked_meanwhile)
    assert (await scene.holder.finalize(scene.order)).refusal == DEAD


# --- who does not


def resources(scene: Scene, account: str, order: str, certificate: bytes) -> dict[str, tuple[str, object]]:
    """Return the resources of a scene, with what is asked of them, by these names of account, order and certificate."""
    csr = jws.encode(build_signing_request(generate("P-256"), scene.holder.cn))
    serial = f"{x509.load_der_x509_certificate(certificate).serial_number:x}" if certificate else "1"
    asked: dict[str, tuple[str, object]] = {
        "its account": (f"/acme/account/{account}", b""),
        "its end": (f"/acme/account/{account}", {"status": "deactivated"}),
        "its orders": (f"/acme/account/{account}/orders", b""),
        "its order": (f"/acme/order/{order}", b""),
        "its finalize": (f"/acme/order/{order}/finalize", {"csr": csr}),
        "its authorization": (f"/acme/authorization/{order}/0", b""),
        "to give it up": (f"/acme/authorization/{order}/0", {"status": "deactivated"}),
        "its certificate": (f"/acme/certificate/{serial}", b""),
    }
    if certificate:
        asked["its revocation"] = ("/acme/revoke-cert", {"certificate": jws.encode(certificate)})
    return asked


def of_scene(scene: Scene) -> dict[str, tuple[str, object]]:
    der = b"" if scene.certificate is None else scene.certificate.public_bytes(Encoding.DER)
    return resources(scene, str(scene.holder.account).rpartition("/")[2], scene.order_url.rpartition("/")[2], der)


def of_nothing(scene: Scene) -> dict[str, tuple[str, object]]:
    """Return resources of the same kinds that do not exist."""
    der = b""
    if scene.certificate is not None:
        number = scene.certificate.serial_number.to_bytes((scene.certificate.serial_number.bit_length() + 7) // 8)
        other = number[:-1] + bytes([number[-1] ^ 1])
        der = scene.certificate.public_bytes(Encoding.DER).replace(number, other)
    return resources(scene, new_id(), new_id(), der)


def strangers_to(what: str, who: str) -> tuple[int, str]:
    """Return what a stranger is told: who it is comes first, and a live account learns that there is no such thing."""
    match who:
        case "a dead account":
            return DEAD
        case "an account that there is not":
            return UNKNOWN
        case "another's account and the own key":
            return MALFORMED
        case "a bare key":
            return NOT_FOUND if what == "its revocation" else MALFORMED
        case _:
            return UNAUTHORIZED if what in ("its account", "its end", "its orders") else NOT_FOUND


async def strangers(office: Office) -> dict[str, Frugal]:
    """Return everybody else: of the same institution, of another one, and those who are nobody."""
    nobody, dead = Frugal(office), await scenes.member(office, f"{INSTITUTION}-{scenes.SEATS:03d}")
    nobody.account = f"{office.url}/acme/account/{new_id()}"
    (await dead.post(str(dead.account), {"status": "deactivated"})).must(200)
    return {
        "an account of the same institution": await scenes.member(office, f"{INSTITUTION}-{SIBLING:03d}"),
        "an account of another institution": await scenes.member(office, f"{OTHER_INSTITUTION}-001"),
        "a dead account": dead,
        "an account that there is not": nobody,
        "another's account and the own key": Frugal(office),
        "a bare key": Frugal(office),
    }


@pytest.mark.parametrize("name", STATES)
async def test_to_everybody_else_it_is_as_if_it_were_not(stage: Stage, name: str) -> None:
    everybody = await strangers(stage.office)
    (scene,) = await stage.scenes(STATES[name], 1)
    everybody["another's account and the own key"].account = scene.holder.account
    _require_in(stage.office, scene, STATES[name])
    wrong = []
    for who, stranger in everybody.items():
        for what, (url, payload) in of_scene(scene).items():
            reply, nothing = await stranger.post(url, payload), await stranger.post(*of_nothing(scene)[what])
            if reply.refusal != strangers_to(what, who) or plain(reply) != plain(nothing):
                wrong.append((who, what, plain(reply), plain(nothing)))
    assert wrong == []
    _require_in(stage.office, scene, STATES[name])

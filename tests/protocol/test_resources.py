"""The server's answers are rendered as RFC 8555 §7.1 has them, and come back as they left."""

from datetime import UTC, datetime, timedelta, timezone

import acme.messages
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.names import CommonName
from protocol.problems import Problem, ProblemType
from protocol.resources import (
    Account,
    Authorization,
    Directory,
    Identifier,
    Invitation,
    Order,
    OrderList,
    RenewalInfo,
    Seat,
)
from protocol.vocabulary import AccountStatus, AuthorizationStatus, IdentifierType, OrderStatus

MOMENT = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)
CN = Identifier(IdentifierType.PERMANENT_IDENTIFIER, "F123456-001")
ALIAS = Identifier(IdentifierType.DNS, "f123456-001")
SEAT = Seat(CommonName.parse("F123456-001"), "みらい銀行", renewal=False)

DIRECTORY = Directory(
    *(f"https://ca.example/acme/{name}" for name in ("nonce", "account", "order", "revoke", "key", "renewal")),
    terms_of_service="https://ca.example/cps",
    website="https://ca.example",
)
ACCOUNT = Account(
    AccountStatus.VALID, "https://ca.example/acme/orders/1", ("mailto:a@ca.example",), True, {"payload": "e30"}, SEAT
)
ORDER = Order(
    OrderStatus.READY, (CN, ALIAS), ("https://ca.example/acme/authorization/1",), "https://ca.example/f/1", MOMENT
)
RESOURCES = [
    DIRECTORY,
    Directory("a", "b", "c", "d", "e", external_account_required=False),
    Invitation("https://ca.example/directory", "5Z8XQ2M7RC4KD0TNVB9HJ3WEGS"),
    SEAT,
    ACCOUNT,
    Account(AccountStatus.REVOKED, "https://ca.example/acme/orders/1"),
    OrderList(()),
    OrderList(("https://ca.example/acme/order/1",)),
    CN,
    ORDER,
    Order(OrderStatus.INVALID, (CN,), (), "f", MOMENT, error={"type": "x"}, replaces="AA.AQ"),
    Order(OrderStatus.VALID, (CN,), ("a",), "f", MOMENT, "https://ca.example/acme/certificate/1"),
    Authorization(AuthorizationStatus.VALID, CN, MOMENT),
    RenewalInfo(MOMENT, MOMENT + timedelta(days=11), "https://ca.example/renewal"),
]


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda each: type(each).__name__)
def test_a_resource_comes_back_as_it_left(resource: Order) -> None:
    assert type(resource).parse(resource.render()) == resource


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda each: type(each).__name__)
def test_unknown_members_are_ignored_and_absent_ones_not_rendered_as_null(resource: Order) -> None:
    rendered = resource.render()

    assert type(resource).parse({**rendered, "another": [1]}) == resource
    assert None not in rendered.values()


def test_the_acme_library_understands_our_directory() -> None:
    theirs = acme.messages.Directory.from_json(DIRECTORY.render())

    assert theirs["newOrder"] == DIRECTORY.new_order
    assert theirs["renewalInfo"] == DIRECTORY.renewal_info
    assert theirs.meta.external_account_required
    assert theirs.meta.terms_of_service == "https://ca.example/cps"


def test_the_acme_library_understands_our_account() -> None:
    theirs = acme.messages.Registration.from_json(ACCOUNT.render())

    assert theirs.status == "valid"
    assert theirs.contact == ("mailto:a@ca.example",)


def test_the_acme_library_understands_our_order() -> None:
    theirs = acme.messages.Order.from_json({**ORDER.render(), "identifiers": [ALIAS.render()]})

    assert theirs.status == acme.messages.STATUS_READY
    assert theirs.expires == MOMENT
    assert theirs.finalize == ORDER.finalize


def test_an_authorization_of_ours_has_an_empty_list_of_challenges() -> None:
    rendered = Authorization(AuthorizationStatus.VALID, ALIAS, MOMENT).render()

    assert rendered["challenges"] == []
    assert acme.messages.Authorization.from_json(rendered).status == acme.messages.STATUS_VALID


def test_an_account_shows_its_seat() -> None:
    assert ACCOUNT.render()["seat"] == {
        "commonName": "F123456-001",
        "institutionName": "みらい銀行",
        "renewal": False,
    }


def test_the_account_of_another_server_has_no_seat() -> None:
    assert Account.parse({"status": "valid", "orders": "o"}).seat is None


def test_a_moment_is_written_in_utc_to_the_second() -> None:
    tokyo = timezone(timedelta(hours=9))
    order = Order(OrderStatus.READY, (CN,), (), "f", MOMENT.astimezone(tokyo).replace(microsecond=999_999))

    assert order.render()["expires"] == "2026-11-23T04:05:06Z"


@pytest.mark.parametrize(
    "text",
    ["2026-11-23T04:05:06Z", "2026-11-23T04:05:06.999Z", "2026-11-23T13:05:06+09:00", "2026-11-23T04:05:06-00:00"],
)
def test_a_moment_is_read_in_every_form_of_rfc_3339(text: str) -> None:
    moment = Order.parse({**ORDER.render(), "expires": text}).expires

    assert moment == MOMENT
    assert moment.tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    ["", "2026-11-23", "2026-11-23T04:05:06", "2026-11-23 04:05:06Z", "20261123T040506Z", "2026-13-01T00:00:00Z",
     "0001-01-01T00:00:00+09:00", "2026-W48-1T00:00:00Z", "2026-11-23T04:05:06+99:99", 1, "２０２６-11-23T04:05:06Z"],
)  # fmt: skip
def test_another_text_is_no_moment(value: object) -> None:
    with pytest.raises(Problem, match="expires"):
        Order.parse({**ORDER.render(), "expires": value})


@pytest.mark.parametrize(
    ("resource", "change", "member"),
    [
        (DIRECTORY, {"newNonce": None}, "newNonce"),
        (DIRECTORY, {"meta": []}, "meta"),
        (ACCOUNT, {"status": "asleep"}, "status"),
        (ACCOUNT, {"contact": "mailto:a@ca.example"}, "contact"),
        (ACCOUNT, {"contact": [1]}, "contact"),
        (ACCOUNT, {"termsOfServiceAgreed": 1}, "termsOfServiceAgreed"),
        (ACCOUNT, {"seat": {"commonName": "../1", "institutionName": "x"}}, "commonName"),
        (ORDER, {"status": None}, "status"),
        (ORDER, {"identifiers": {}}, "identifiers"),
        (ORDER, {"identifiers": [1]}, "identifiers"),
        (ORDER, {"finalize": 1}, "finalize"),
        (ORDER, {"error": "x"}, "error"),
        (Authorization(AuthorizationStatus.VALID, CN), {"challenges": None}, "challenges"),
        (Authorization(AuthorizationStatus.VALID, CN), {"identifier": []}, "identifier"),
    ],
)
def test_a_member_of_another_type_is_named(resource: Order, change: dict[str, object], member: str) -> None:
    with pytest.raises(Problem, match=member) as caught:
        type(resource).parse({**resource.render(), **change})

    assert caught.value.type is ProblemType.MALFORMED


def test_an_identifier_of_another_type_is_unsupported() -> None:
    with pytest.raises(Problem) as caught:
        Identifier.parse({"type": "ip", "value": "192.0.2.1"})

    assert caught.value.type is ProblemType.UNSUPPORTED_IDENTIFIER


def test_a_window_that_ends_before_it_starts_is_malformed() -> None:
    with pytest.raises(Problem, match="suggestedWindow"):
        RenewalInfo.parse(RenewalInfo(MOMENT, MOMENT).render())


leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.sampled_from(["valid", "dns", "ready"])
values = leaves | st.lists(leaves, max_size=3) | st.dictionaries(st.sampled_from(["type", "value", "start"]), leaves)


@settings(derandomize=True, max_examples=500, deadline=None)
@given(st.sampled_from(RESOURCES), st.data())
def test_whatever_a_server_says_is_read_or_a_problem(resource: Order, data: st.DataObject) -> None:
    rendered = resource.render()
    change = data.draw(st.dictionaries(st.sampled_from(sorted(rendered)), values))

    try:
        read = type(resource).parse({**rendered, **change})
    except Problem:
        return
    assert type(resource).parse(read.render()) == read


@pytest.mark.parametrize("kind", sorted({type(each) for each in RESOURCES}, key=lambda kind: kind.__name__))
@pytest.mark.parametrize("value", [None, [], "x", 1])
def test_what_is_no_json_object_is_malformed(kind: type[Order], value: object) -> None:
    with pytest.raises(Problem, match="JSON object"):
        kind.parse(value)

"""What clients ask for is read strictly and names the member that is wrong."""

import acme.messages
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.generate import generate
from protocol import jws
from protocol.problems import Problem, ProblemType
from protocol.requests import (
    AccountUpdate,
    AuthorizationUpdate,
    Device,
    Finalize,
    KeyChange,
    NewAccount,
    NewOrder,
    RevokeCertificate,
)
from protocol.resources import Identifier
from protocol.vocabulary import AccountStatus, IdentifierType, RevocationReason

CN = Identifier(IdentifierType.PERMANENT_IDENTIFIER, "F123456-001")
DEVICE = Device("PC-01", "Windows 11", "files", "warifu 0.1.0")
REQUESTS = [
    DEVICE,
    NewAccount(),
    NewAccount(("mailto:a@ca.example",), True, True, {"payload": "e30"}, DEVICE),
    AccountUpdate(),
    AccountUpdate(()),
    AuthorizationUpdate(),
    AccountUpdate(("mailto:a@ca.example",), AccountStatus.DEACTIVATED),
    NewOrder((CN, Identifier(IdentifierType.DNS, "f123456-001")), "AA.AQ"),
    NewOrder((CN,), device=DEVICE),
    Finalize(b"\x30\x00"),
    RevokeCertificate(b"\x30\x00", RevocationReason.keyCompromise),
    KeyChange("https://ca.example/acme/account/1", {"kty": "EC"}),
]


def refused(kind: type[NewOrder], members: object) -> Problem:
    with pytest.raises(Problem) as caught:
        kind.parse(members)
    return caught.value


@pytest.mark.parametrize("asked", REQUESTS, ids=lambda each: type(each).__name__)
def test_a_request_comes_back_as_it_left(asked: NewOrder) -> None:
    assert type(asked).parse(asked.render()) == asked


@pytest.mark.parametrize("asked", REQUESTS, ids=lambda each: type(each).__name__)
def test_unknown_members_are_ignored(asked: NewOrder) -> None:
    assert type(asked).parse({**asked.render(), "another": [1]}) == asked


@pytest.mark.parametrize("kind", sorted({type(each) for each in REQUESTS}, key=lambda kind: kind.__name__))
@pytest.mark.parametrize("value", [None, [], "x", 1])
def test_what_is_no_json_object_is_malformed(kind: type[NewOrder], value: object) -> None:
    assert refused(kind, value).type is ProblemType.MALFORMED


def test_we_understand_the_new_account_of_the_acme_library() -> None:
    theirs = acme.messages.NewRegistration.from_data(
        email="a@ca.example", terms_of_service_agreed=True, external_account_binding={"payload": "e30"}
    )

    asked = NewAccount.parse(jws.strict_json(theirs.json_dumps().encode()))

    assert asked == NewAccount(("mailto:a@ca.example",), True, False, {"payload": "e30"})


def test_we_understand_the_finalize_of_the_acme_library() -> None:
    key = generate("P-256")
    csr = x509.CertificateSigningRequestBuilder(x509.Name([])).sign(key, hashes.SHA256())

    asked = Finalize.parse(acme.messages.CertificateRequest(csr=csr).to_partial_json())

    assert asked.csr == csr.public_bytes(Encoding.DER)


def test_the_orders_and_status_that_a_client_puts_into_new_account_are_ignored() -> None:
    assert NewAccount.parse({"status": "valid", "orders": "https://evil.example/"}) == NewAccount()


def test_a_new_account_says_nothing_that_was_not_asked_for() -> None:
    assert NewAccount().render() == {}


def test_a_device_may_leave_parts_out() -> None:
    assert Device.parse({"os": "Windows 11"}) == Device(os="Windows 11")


def test_null_counts_as_absent() -> None:
    members = ("contact", "termsOfServiceAgreed", "onlyReturnExisting", "externalAccountBinding", "device")

    assert NewAccount.parse(dict.fromkeys(members)) == NewAccount()


@pytest.mark.parametrize("contact", ["tel:+815012345678", "https://ca.example/", "a@ca.example", ""])
def test_a_contact_that_is_no_mailto_is_unsupported(contact: str) -> None:
    assert refused(NewAccount, {"contact": [contact]}).type is ProblemType.UNSUPPORTED_CONTACT


@pytest.mark.parametrize(
    "contact",
    ["mailto:", "mailto:a", "mailto:a@b@c", "mailto:a@b,c@d", "mailto:a@b%2Cc@d", "mailto:a@b?subject=x",
     "mailto:a@b c", "mailto:a@b%0D%0ABcc:c", "mailto:" + "a" * 320 + "@b"],
)  # fmt: skip
def test_a_mailto_that_is_not_one_plain_address_is_invalid(contact: str) -> None:
    assert refused(NewAccount, {"contact": [contact]}).type is ProblemType.INVALID_CONTACT
    assert refused(AccountUpdate, {"contact": [contact]}).type is ProblemType.INVALID_CONTACT


def test_an_account_has_ten_contacts_at_most() -> None:
    assert refused(NewAccount, {"contact": ["mailto:a@ca.example"] * 11}).type is ProblemType.INVALID_CONTACT


@pytest.mark.parametrize("status", ["valid", "revoked", "asleep", 1])
def test_a_client_can_only_deactivate(status: object) -> None:
    assert "status" in refused(AccountUpdate, {"status": status}).detail


@pytest.mark.parametrize("status", ["valid", "revoked", None, 1])
def test_a_client_can_only_deactivate_an_authorization(status: object) -> None:
    assert "status" in refused(AuthorizationUpdate, {"status": status}).detail


@pytest.mark.parametrize("name", ["notBefore", "notAfter"])
def test_an_order_that_says_its_own_validity_is_refused(name: str) -> None:
    problem = refused(NewOrder, {"identifiers": [CN.render()], name: "2026-11-23T00:00:00Z"})

    assert problem.type is ProblemType.MALFORMED
    assert name in problem.detail


@pytest.mark.parametrize("identifiers", [[], None, "x", {}, [1], [{}], [{"type": "dns"}], [CN.render()] * 101])
def test_an_order_names_1_to_100_identifiers(identifiers: object) -> None:
    assert refused(NewOrder, {"identifiers": identifiers}).type is ProblemType.MALFORMED


def test_an_order_for_another_type_of_identifier_is_unsupported() -> None:
    asked = {"identifiers": [CN.render(), {"type": "ip", "value": "192.0.2.1"}]}

    assert refused(NewOrder, asked).type is ProblemType.UNSUPPORTED_IDENTIFIER


@pytest.mark.parametrize("value", ["x" * 201, "a\nb", "a\u202eb", "a\x1b[31mb"])
def test_what_is_stored_and_shown_is_short_and_printable(value: str) -> None:
    assert "hostName" in refused(Device, {"hostName": value}).detail
    assert "value" in refused(Identifier, {"type": "dns", "value": value}).detail


@pytest.mark.parametrize("csr", [None, 1, "MA==", "-----BEGIN CERTIFICATE REQUEST-----\nMA\n", "M A", "ＭＡ"])
def test_a_csr_is_strict_base64url(csr: object) -> None:
    assert "csr" in refused(Finalize, {"csr": csr}).detail


def test_a_revocation_without_a_reason_is_unspecified() -> None:
    assert RevokeCertificate.parse({"certificate": "MAA"}) == RevokeCertificate(b"0\x00", RevocationReason.unspecified)


@pytest.mark.parametrize("reason", [2, 6, 7, 8, 9, 10, 11, -1, 2**53 - 1])
def test_a_reason_that_is_not_a_holders_is_a_bad_one(reason: int) -> None:
    problem = refused(RevokeCertificate, {"certificate": "MAA", "reason": reason})

    assert problem.type is ProblemType.BAD_REVOCATION_REASON
    assert "0, 1, 3, 4, 5" in problem.detail


@pytest.mark.parametrize("reason", ["1", True, 1.0, [], "keyCompromise"])
def test_a_reason_that_is_no_whole_number_is_malformed(reason: object) -> None:
    problem = refused(RevokeCertificate, {"certificate": "MAA", "reason": reason})

    assert problem.type is ProblemType.MALFORMED


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.just("mailto:a@b.example")
values = leaves | st.lists(leaves, max_size=3) | st.dictionaries(st.sampled_from(["type", "value", "os"]), leaves)


@settings(derandomize=True, max_examples=500, deadline=None)
@given(st.sampled_from(REQUESTS), st.data())
def test_whatever_a_client_asks_is_read_or_a_problem(asked: NewOrder, data: st.DataObject) -> None:
    names = ["contact", "status", "device", "identifiers", "csr", "certificate", "reason", "account", "oldKey", "os"]
    change = data.draw(
        st.dictionaries(st.sampled_from([*names, "replaces", "notAfter", "externalAccountBinding"]), values)
    )

    try:
        read = type(asked).parse({**asked.render(), **change})
    except Problem:
        return
    assert type(asked).parse(read.render()) == read

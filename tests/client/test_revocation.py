"""Revocation and deletion by the holder."""

from collections.abc import Iterator

import pytest

from tests.client.pc import Pc
from tests.client.responder import responding
from tests.client.stand_in import BUSY, Fault, StandIn

CN = "F123456-001"


@pytest.fixture
def enrolled(pc: Pc, server: StandIn) -> Iterator[Pc]:
    with responding(server) as server.ocsp:
        pc.enrol(server.invite())
        yield pc


def test_revoke_ends_every_certificate_of_the_seat(enrolled: Pc, server: StandIn) -> None:
    enrolled.json("renew", CN)
    document = enrolled.json("revoke", CN, "--reason", "keyCompromise", "--yes")
    serials = [each.serial_number for each in server.issued_for(CN)]
    assert document == {"cn": CN, "revoked": [f"{serial:x}" for serial in serials], "reason": "keyCompromise"}
    assert server.revoked == dict.fromkeys(serials, 1)
    assert [each["status"] for each in enrolled.json("status")["certificates"]] == ["revoked", "revoked"]


def test_revoking_twice_asks_the_server_nothing_more(enrolled: Pc, server: StandIn) -> None:
    enrolled.json("revoke", "--yes")
    assert "every certificate has ended or was revoked before" in enrolled.run("revoke", "--yes").stdout
    assert server.steps.count("revoke") == 1


def test_the_only_certificate_need_not_be_named(enrolled: Pc, server: StandIn) -> None:
    assert enrolled.json("revoke", "--yes")["cn"] == CN
    enrolled.enrol(server.invite("F123456-002"))
    assert enrolled.json("revoke", "--yes", code=2)["error"]["type"] == "whichCertificate"


def test_an_account_that_has_ended_leaves_the_certificates_own_key(enrolled: Pc, server: StandIn) -> None:
    server.end_accounts()
    assert len(enrolled.json("revoke", "--yes")["revoked"]) == 1
    assert len(server.revoked) == 1


def test_a_certificate_revoked_by_others_is_as_good_as_done(enrolled: Pc, server: StandIn) -> None:
    server.revoked[server.issued_for(CN)[0].serial_number] = 4
    enrolled.json("revoke", "--yes")
    assert enrolled.json("status")["certificates"][0]["status"] == "revoked"


def test_revoke_asks_first(enrolled: Pc, server: StandIn) -> None:
    result = enrolled.run("revoke", CN, stdin="n\n")
    assert result.exit_code == 1
    assert "cannot be undone" in result.stderr
    assert server.revoked == {}


def test_a_reason_that_is_not_the_holders_is_a_usage_error(enrolled: Pc) -> None:
    error = enrolled.json("revoke", "--reason", "certificateHold", "--yes", code=2)["error"]
    assert list(error["fields"]) == ["--reason"]


def test_a_valid_certificate_is_not_deleted(enrolled: Pc) -> None:
    error = enrolled.json("delete", CN, code=4)["error"]
    assert error["type"] == "notRevoked"
    assert enrolled.seat().live() is not None


def test_an_authority_that_cannot_be_asked_deletes_nothing(pc: Pc, server: StandIn) -> None:
    server.ocsp = "http://127.0.0.1:1/"
    pc.enrol(server.invite())
    pc.json("delete", CN, "--wait", "0", code=3)
    assert pc.seat().live() is not None


@pytest.mark.parametrize("lost", ["renewalInfo", "proxy"])
def test_an_answer_that_nobody_signed_deletes_nothing(enrolled: Pc, server: StandIn, lost: str) -> None:
    if lost == "proxy":
        server.lost_behind_a_proxy = True
    else:
        server.faults["renewalInfo"].extend(Fault(BUSY, status=404) for _ in range(3))
    assert enrolled.json("delete", CN, code=4, stdin="yes\n")["error"]["type"] == "notRevoked"
    assert enrolled.seat().live() is not None


def test_a_revoked_certificate_beside_a_valid_one_deletes_nothing(enrolled: Pc, server: StandIn) -> None:
    enrolled.json("renew", CN)
    server.revoked[server.issued_for(CN)[0].serial_number] = 4
    enrolled.json("delete", CN, code=4, stdin="yes\n")
    assert len(enrolled.seat().generations()) == 2


def test_a_revoked_certificate_is_deleted_only_when_somebody_agrees(enrolled: Pc) -> None:
    enrolled.json("revoke", "--yes")
    assert enrolled.json("delete", CN, code=1, stdin="no\n")["error"]["type"] == "declined"
    assert enrolled.json("delete", CN, code=2)["error"]["type"] == "noAnswer"
    assert enrolled.seat().live() is not None


@pytest.mark.parametrize("by", ["us", "others"])
def test_a_revoked_certificate_is_deleted_with_its_keys(enrolled: Pc, server: StandIn, by: str) -> None:
    if by == "us":
        enrolled.json("revoke", "--yes")
    else:
        server.revoked[server.issued_for(CN)[0].serial_number] = 4
    assert enrolled.json("delete", CN, stdin="yes\n") == {"cn": CN, "action": "deleted"}
    assert list(enrolled.home.rglob("*.pem")) == []


@pytest.mark.parametrize(
    ("authority", "warning"),
    [
        ("says good", f"Warning: {CN} is not revoked; it is deleted all the same."),
        ("says revoked", ""),
        ("is away", f"Warning: {CN} is not revoked as far as this PC knows; it is deleted all the same."),
    ],
)
def test_yes_deletes_in_any_case_and_warns_by_what_the_authority_says(
    pc: Pc, server: StandIn, authority: str, warning: str
) -> None:
    with responding(server) as there:
        server.ocsp = "http://127.0.0.1:1/" if authority == "is away" else there
        pc.enrol(server.invite())
        if authority == "says revoked":
            server.revoked[server.issued_for(CN)[0].serial_number] = 4
        result = pc.run("delete", CN, "--yes")
    assert (result.exit_code, " ".join(result.stderr.split())) == (0, warning)
    assert pc.store.seats() == []

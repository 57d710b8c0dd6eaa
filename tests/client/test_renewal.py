"""Renewal by the account's key, in the window that the server suggests (RFC 9773)."""

from datetime import UTC, datetime, timedelta

import pytest

from client.journal import last_line
from protocol.problems import Problem, ProblemType
from tests.client.pc import Pc
from tests.client.stand_in import BUSY, Fault, StandIn, soon

CN = "F123456-001"


@pytest.fixture
def enrolled(pc: Pc, server: StandIn) -> Pc:
    pc.enrol(server.invite())
    return pc


def test_a_certificate_that_is_due_is_renewed_with_a_new_key_and_replaces(enrolled: Pc, server: StandIn) -> None:
    (document,) = enrolled.json("renew")["certificates"]
    assert document["action"] == "renewed"
    old, new = server.issued_for(CN)
    assert document["serial"] == f"{new.serial_number:x}"
    assert old.public_key() != new.public_key()
    assert list(server.orders.values())[-1].request.replaces == next(iter(server.replaced))
    assert len(server.accounts) == 1


def test_the_old_certificate_stays_beside_the_new_one(enrolled: Pc, server: StandIn) -> None:
    enrolled.json("renew", CN)
    assert [each.certificate() for each in enrolled.seat().generations()] == server.issued_for(CN)
    live = enrolled.seat().live()
    assert live is not None
    assert live.path.name == "0002"


def test_nothing_due_is_no_failure(enrolled: Pc, server: StandIn) -> None:
    server.window = soon(days=2)
    (document,) = enrolled.json("renew")["certificates"]
    assert document["action"] == "nothing"
    due_at = datetime.fromisoformat(document["due_at"])
    assert server.window[0] - timedelta(seconds=1) <= due_at <= server.window[1]
    assert enrolled.json("renew")["certificates"][0]["due_at"] == document["due_at"]
    assert "newOrder" not in server.steps[-3:]


def test_force_renews_before_the_window(enrolled: Pc, server: StandIn) -> None:
    server.window = soon(days=2)
    assert enrolled.json("renew", "--force")["certificates"][0]["action"] == "renewed"


def test_no_certificate_at_all_is_no_failure(pc: Pc) -> None:
    assert pc.json("renew") == {"certificates": [], "removed": [], "hooks": []}


@pytest.mark.parametrize(("days", "action"), [(30, "renewed"), (36, "nothing")])
def test_without_an_answer_it_is_renewed_before_the_mails_of_the_thirtieth_day(
    pc: Pc, server: StandIn, days: int, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.days = days
    pc.enrol(server.invite())
    server.faults["renewalInfo"].append(Fault(BUSY))
    assert pc.json("renew", "--wait", "0")["certificates"][0]["action"] == action


def test_a_certificate_that_the_server_revoked_needs_a_person(pc: Pc, server: StandIn) -> None:
    server.days = 20
    pc.enrol(server.invite())
    server.revoked[server.issued_for(CN)[0].serial_number] = 0
    server.refusal = Problem(ProblemType.ALREADY_REVOKED)
    assert pc.json("renew", CN, code=5)["error"]["type"] == "alreadyRevoked"


def test_what_was_revoked_here_is_not_renewed_and_a_person_is_told(enrolled: Pc, server: StandIn) -> None:
    enrolled.json("revoke", "--yes")
    orders = len(server.orders)
    assert enrolled.json("renew", CN, "--force", code=5)["error"]["type"] == "revoked"
    assert len(server.orders) == orders


def test_an_account_that_has_ended_needs_a_person(enrolled: Pc, server: StandIn) -> None:
    server.end_accounts()
    assert enrolled.json("renew", CN, code=5)["error"]["type"] == "accountEnded"


def test_the_trouble_of_one_seat_is_none_of_the_others(enrolled: Pc, server: StandIn) -> None:
    server.end_accounts()
    enrolled.enrol(server.invite("F123456-002"))
    first, second = enrolled.json("renew", code=5)["certificates"]
    assert (first["cn"], first["action"], first["error"]["type"]) == (CN, "failed", "accountEnded")
    assert (second["cn"], second["action"]) == ("F123456-002", "renewed")


def test_a_damaged_key_of_one_seat_is_none_of_the_others(enrolled: Pc, server: StandIn) -> None:
    (enrolled.seat().path / "account.key.pem").write_text("nothing")
    enrolled.enrol(server.invite("F123456-002"))
    first, second = enrolled.json("renew", code=1)["certificates"]
    assert (first["action"], first["error"]["type"]) == ("failed", "storage")
    assert second["action"] == "renewed"


def test_a_certificate_renewed_elsewhere_is_refused(enrolled: Pc, server: StandIn) -> None:
    server.replaced.add(server._certificate_id(server.issued_for(CN)[0]))
    assert enrolled.json("renew", CN, code=4)["error"]["type"] == "alreadyReplaced"


def test_a_refused_attempt_leaves_no_key_behind(enrolled: Pc, server: StandIn) -> None:
    server.replaced.add(server._certificate_id(server.issued_for(CN)[0]))
    enrolled.json("renew", CN, code=4)
    assert [each.path.name for each in enrolled.seat().generations()] == ["0001"]


@pytest.mark.parametrize("step", ["newOrder", "finalize", "certificate"])
def test_an_interrupted_renewal_goes_on_with_its_key_and_order(enrolled: Pc, server: StandIn, step: str) -> None:
    server.faults[step].append(Fault(BUSY))
    assert enrolled.json("renew", CN, "--wait", "0", code=3)["error"]["type"] == "busy"
    under_way = enrolled.seat().under_way()
    assert under_way is not None
    public_key = under_way.key().public_key()
    server.window = soon(days=2)
    assert enrolled.json("renew", CN)["certificates"][0]["action"] == "renewed"
    assert server.issued_for(CN)[-1].public_key() == public_key
    assert len(server.issued_for(CN)) == 2
    assert enrolled.seat().under_way() is None


def test_an_order_that_came_to_nothing_is_followed_by_another(enrolled: Pc, server: StandIn) -> None:
    server.looks_until_valid = 5
    enrolled.json("renew", CN, "--wait", "0", code=3)
    (order,) = [each for each in server.orders.values() if each.request.replaces]
    order.status, order.error = type(order.status).INVALID, Problem(ProblemType.SERVER_INTERNAL).render()
    server.replaced.clear()
    del server.certificates[order.certificate or ""]
    server.looks_until_valid = 0
    assert enrolled.json("renew", CN)["certificates"][0]["action"] == "renewed"


def test_the_days_of_status_count_from_now(enrolled: Pc) -> None:
    (document,) = enrolled.json("status")["certificates"]
    left = datetime.fromisoformat(document["not_after"]) - datetime.now(UTC)
    assert timedelta(days=31) < left < timedelta(days=32)


def test_without_an_answer_two_certificates_part(pc: Pc, server: StandIn) -> None:
    server.days = 60
    for cn in (CN, "F123456-002"):
        pc.enrol(server.invite(cn))
    server.faults["renewalInfo"].extend((Fault(BUSY), Fault(BUSY)))
    first, second = pc.json("renew", "--wait", "0")["certificates"]
    assert first["due_at"] != second["due_at"]
    for each in (first, second):
        left = datetime.fromisoformat(each["not_after"]) - datetime.fromisoformat(each["due_at"])
        assert timedelta(days=31) <= left <= timedelta(days=35)


@pytest.fixture
def lapsed() -> Problem:
    return Problem(ProblemType.UNAUTHORIZED, "Too late.", extra={"reason": "lapsed"})


def test_what_lapsed_needs_a_person_who_is_told_the_form(enrolled: Pc, server: StandIn, lapsed: Problem) -> None:
    server.refusal = lapsed
    error = enrolled.json("renew", CN, code=5)["error"]
    assert error["type"] == "lapsed"
    assert "DCM902" in error["detail"]
    assert "DCM902" in enrolled.run("renew", CN, "--lang", "ja").stderr


def test_what_lapsed_while_its_order_was_under_way_is_dropped_with_its_key(
    enrolled: Pc, server: StandIn, lapsed: Problem
) -> None:
    server.faults["finalize"].append(Fault(BUSY))
    enrolled.json("renew", CN, "--wait", "0", code=3)
    server.orders.clear()
    server.refusal = lapsed
    enrolled.json("renew", CN, code=5)
    assert enrolled.seat().under_way() is None
    assert [each.path.name for each in enrolled.seat().generations()] == ["0001"]


def test_what_is_forced_too_early_is_refused_and_nothing_is_lost(enrolled: Pc, server: StandIn) -> None:
    server.window = soon(days=2)
    server.refusal = Problem(ProblemType.UNAUTHORIZED, "Too early.", extra={"reason": "tooEarly"})
    (document,) = enrolled.json("renew", CN, "--force", code=4)["certificates"]
    assert document["action"] == "nothing"
    assert datetime.fromisoformat(document["due_at"]) > datetime.now(UTC)
    assert (last_line(enrolled.home) or "").endswith(" exit=4")
    assert [each.path.name for each in enrolled.seat().generations()] == ["0001"]


def test_an_account_that_only_a_proxy_denies_has_not_ended(enrolled: Pc, server: StandIn) -> None:
    server.refusal = Problem(ProblemType.BLANK, status=401)
    assert enrolled.json("renew", CN, code=1)["error"]["type"] == "about:blank"


def test_a_failure_weighs_more_than_a_server_that_is_away(enrolled: Pc, server: StandIn) -> None:
    (enrolled.seat().path / "account.key.pem").write_text("nothing")
    enrolled.enrol(server.invite("F123456-002"))
    server.faults["newOrder"].append(Fault(BUSY))
    enrolled.json("renew", "--wait", "0", code=1)

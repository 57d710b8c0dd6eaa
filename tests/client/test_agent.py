"""The renewal agent between two runs: what it remembers, what it asks, what it removes and what it writes down."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from client import clock
from protocol.problems import Problem, ProblemType
from tests.client.pc import Pc, environment
from tests.client.stand_in import BUSY, Fault, StandIn, soon

CN = "F123456-001"


class Calendar:
    """A clock that tests turn."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def calendar() -> Iterator[Calendar]:
    calendar = Calendar()
    with clock.told_by(calendar):
        yield calendar


@pytest.fixture
def enrolled(pc: Pc, server: StandIn) -> Pc:
    pc.enrol(server.invite())
    server.steps.clear()
    return pc


def revoked_at_the_server(server: StandIn) -> None:
    server.revoked[server.issued_for(CN)[0].serial_number] = 0


def test_the_window_is_asked_for_at_most_every_six_hours(enrolled: Pc, server: StandIn, calendar: Calendar) -> None:
    server.window = soon(days=5)
    for hours in range(24):
        calendar.ahead = timedelta(hours=hours)
        assert enrolled.json("renew")["certificates"][0]["action"] == "nothing"
    assert server.steps.count("renewalInfo") == 4
    assert set(server.steps) == {"directory", "renewalInfo"}


def test_the_servers_retry_after_says_how_often(enrolled: Pc, server: StandIn, calendar: Calendar) -> None:
    server.window, server.renewal_headers = soon(days=5), {"Retry-After": "7200"}
    for hours in range(12):
        calendar.ahead = timedelta(hours=hours)
        enrolled.json("renew")
    assert server.steps.count("renewalInfo") == 6


def test_a_clock_that_was_set_back_does_not_silence_the_agent(
    enrolled: Pc, server: StandIn, calendar: Calendar
) -> None:
    server.window = soon(days=60)
    calendar.ahead = timedelta(days=30)
    enrolled.json("renew")
    calendar.ahead = timedelta()
    server.window = (datetime.now(UTC) - timedelta(days=2), datetime.now(UTC) - timedelta(days=1))
    assert enrolled.json("renew")["certificates"][0]["action"] == "renewed"


def test_a_window_that_was_learnt_counts_while_the_server_does_not_answer(
    enrolled: Pc, server: StandIn, calendar: Calendar
) -> None:
    server.window = soon(days=5)
    due_at = enrolled.json("renew")["certificates"][0]["due_at"]
    calendar.ahead = timedelta(days=1)
    server.faults["renewalInfo"].append(Fault(BUSY))
    assert enrolled.json("renew", "--wait", "0")["certificates"][0]["due_at"] == due_at


def test_where_the_server_explains_its_window_the_agent_tells(enrolled: Pc, server: StandIn) -> None:
    server.window, server.explanation_url = soon(days=5), "https://ca.example/why"
    assert "https://ca.example/why" in enrolled.run("renew").stderr


def test_a_final_answer_is_asked_for_until_confirmed_after_three_days_then_once_a_week(
    enrolled: Pc, server: StandIn, calendar: Calendar
) -> None:
    revoked_at_the_server(server)
    asked = []
    for days in range(40, 60):  # after its end
        calendar.ahead = timedelta(days=days)
        server.steps.clear()
        error = enrolled.json("renew", CN, code=5)["error"]
        assert error["type"] == "nothingToRenew"
        assert CN in error["detail"]
        asked += [days - 40] * ("renewalInfo" in server.steps)
    assert asked == [0, 1, 2, 3, 10, 17]


def test_an_account_that_has_ended_is_tried_until_confirmed_after_three_days_then_once_a_week(
    enrolled: Pc, server: StandIn, calendar: Calendar
) -> None:
    server.end_accounts()
    tried = []
    for days in range(20):
        calendar.ahead = timedelta(days=days)
        server.steps.clear()
        assert enrolled.json("renew", CN, code=5)["error"]["type"] == "accountEnded"
        tried += [days] * ("newOrder" in server.steps)
    assert tried == [0, 1, 2, 3, 10, 17]


def test_an_answer_of_one_day_stops_nothing_after_a_week_without_a_network(
    enrolled: Pc, server: StandIn, calendar: Calendar
) -> None:
    server.window = soon(days=5)
    server.faults["renewalInfo"].append(Fault(BUSY, status=404))
    calendar.ahead = timedelta(days=-10)
    enrolled.json("renew", code=5)
    calendar.ahead = timedelta(days=7)
    assert enrolled.json("renew")["certificates"][0]["action"] == "renewed"


@pytest.mark.parametrize("by", ["the server", "a proxy"])
def test_while_a_certificate_has_not_ended_the_order_is_tried_whatever_is_said_of_its_window(
    enrolled: Pc, server: StandIn, calendar: Calendar, by: str
) -> None:
    server.faults["renewalInfo"].extend(Fault(BUSY, status=404) for _ in range(9 if by == "the server" else 0))
    server.lost_behind_a_proxy = by == "a proxy"
    calendar.ahead = timedelta(days=5)
    assert enrolled.json("renew")["certificates"][0]["action"] == "renewed"


def test_a_window_that_a_proxy_hides_is_no_final_answer(enrolled: Pc, server: StandIn, calendar: Calendar) -> None:
    server.lost_behind_a_proxy = True
    calendar.ahead = timedelta(days=-10)
    assert enrolled.json("renew")["certificates"][0]["action"] == "nothing"


def test_force_asks_again_after_three_days(enrolled: Pc, server: StandIn, calendar: Calendar) -> None:
    revoked_at_the_server(server)
    for days in range(40, 44):
        calendar.ahead = timedelta(days=days)
        enrolled.json("renew", code=5)
    server.revoked.clear()
    enrolled.json("renew", code=5)
    assert enrolled.json("renew", "--force")["certificates"][0]["action"] == "renewed"
    server.window = soon(days=60)
    assert enrolled.json("renew")["certificates"][0]["action"] == "nothing"


def test_an_answer_that_the_server_takes_back_is_forgotten(enrolled: Pc, server: StandIn, calendar: Calendar) -> None:
    revoked_at_the_server(server)
    calendar.ahead = timedelta(days=40)
    enrolled.json("renew", code=5)
    server.revoked.clear()
    calendar.ahead += timedelta(hours=7)
    assert enrolled.json("renew")["certificates"][0]["action"] == "renewed"


def test_a_suspended_certificate_is_tried_again_later(enrolled: Pc, server: StandIn) -> None:
    server.refusal = Problem(ProblemType.UNAUTHORIZED, "It is suspended.", extra={"reason": "suspended"})
    assert enrolled.json("renew", CN, code=3)["error"]["type"] == "suspended"
    assert [each.path.name for each in enrolled.seat().generations()] == ["0001"]
    server.refusal = None
    assert enrolled.json("renew", CN)["certificates"][0]["action"] == "renewed"


def test_a_damaged_memory_is_as_good_as_none(enrolled: Pc, server: StandIn) -> None:
    server.window = soon(days=5)
    enrolled.json("renew")
    (enrolled.seat().path / "renewal.json").write_text("{")
    assert enrolled.json("renew")["certificates"][0]["action"] == "nothing"
    assert server.steps.count("renewalInfo") == 2


def test_a_renewal_describes_the_pc_anew(enrolled: Pc, server: StandIn) -> None:
    enrolled.json("renew")
    device = list(server.orders.values())[-1].request.device
    assert device is not None
    assert (device.store, device.agent.partition("/")[0]) == ("files", "warifu")


def test_a_dry_run_tells_and_changes_nothing(enrolled: Pc, server: StandIn) -> None:
    before = sorted((path, path.lstat().st_mtime_ns) for path in enrolled.home.rglob("*"))
    assert enrolled.json("renew", "--dry-run")["certificates"][0]["action"] == "due"
    server.window = soon(days=5)
    assert enrolled.json("renew", "--dry-run")["certificates"][0]["action"] == "nothing"
    assert enrolled.json("renew", "--dry-run", "--force")["certificates"][0]["action"] == "due"
    assert sorted((path, path.lstat().st_mtime_ns) for path in enrolled.home.rglob("*")) == before
    assert set(server.steps) == {"directory", "renewalInfo"}


def test_the_old_certificate_goes_with_its_key_at_the_first_run_after_its_end(
    enrolled: Pc, server: StandIn, calendar: Calendar
) -> None:
    server.days = 400
    enrolled.json("renew")
    calendar.ahead = server.ahead = timedelta(days=31)
    assert enrolled.json("renew")["removed"] == []
    assert len(enrolled.json("show")["certificates"]) == 2
    calendar.ahead = server.ahead = timedelta(days=34)
    assert enrolled.json("renew")["removed"] == [f"{CN}/0001"]
    (left,) = enrolled.json("show")["certificates"]
    assert left["serial"] == f"{server.issued_for(CN)[1].serial_number:x}"
    assert not (enrolled.seat().path / "generations" / "0001").exists()


def test_an_attempt_that_the_mailed_pair_overtook_goes_with_its_key(enrolled: Pc, server: StandIn) -> None:
    server.faults["newOrder"].append(Fault(BUSY))
    enrolled.json("renew", "--wait", "0", code=3)
    enrolled.enrol(server.invite(renewal=True))
    server.window = soon(days=5)
    assert enrolled.json("renew")["removed"] == [f"{CN}/0002"]
    assert [each.path.name for each in enrolled.seat().generations()] == ["0001", "0003"]


def test_a_certificate_in_use_stays_after_its_end_to_be_renewed(
    enrolled: Pc, server: StandIn, calendar: Calendar
) -> None:
    calendar.ahead = timedelta(days=40)
    document = enrolled.json("renew")
    assert (document["removed"], document["certificates"][0]["action"]) == ([], "renewed")


def test_each_run_leaves_one_line_in_the_log(enrolled: Pc, server: StandIn) -> None:
    enrolled.json("renew")
    server.window = soon(days=5)
    enrolled.json("renew")
    revoked_at_the_server(server)
    first, second = (enrolled.home / "log").read_text().splitlines()
    assert f" renew {CN}=renewed:" in first
    assert f" renew {CN}=nothing:" in second
    assert first.endswith("exit=0")
    assert (enrolled.home / "log").stat().st_mode & 0o777 == 0o600


def test_a_log_of_a_megabyte_makes_way(enrolled: Pc, server: StandIn) -> None:
    (enrolled.home / "log").write_text("x" * 1_000_000)
    enrolled.json("renew")
    assert (enrolled.home / "log.1").stat().st_size == 1_000_000
    assert (enrolled.home / "log").read_text().count("\n") == 1


def test_quiet_says_nothing_when_nothing_is_due(enrolled: Pc, server: StandIn) -> None:
    server.window = soon(days=5)
    assert enrolled.run("renew", "--quiet").output == ""
    assert enrolled.run("renew", "-q", "--force").output.startswith(f"{CN}: renewed")


def test_verbose_shows_each_request_and_no_kid(pc: Pc, server: StandIn) -> None:
    credential = server.invite()
    result = pc.run(*pc.enrol_words(credential), "--verbose", stdin=credential.password)
    assert f"POST {server.origin}/new-order 201" in result.stderr
    assert f"GET {server.origin}/e/… 200" in result.stderr
    assert credential.kid not in result.stderr


@pytest.mark.parametrize("days", [0, 32])
def test_a_clock_that_is_wrong_removes_no_key(enrolled: Pc, server: StandIn, calendar: Calendar, days: int) -> None:
    server.days = 400
    enrolled.json("renew")
    calendar.ahead, server.ahead = timedelta(days=40), timedelta(days=days, hours=12)
    assert enrolled.json("renew")["removed"] == []


def test_a_server_that_is_away_removes_no_key(enrolled: Pc, server: StandIn, calendar: Calendar) -> None:
    server.days = 400
    enrolled.json("renew")
    calendar.ahead = server.ahead = timedelta(days=40)
    server.faults["directory"].append(Fault(BUSY))
    assert enrolled.json("renew", "--wait", "0")["removed"] == []


def test_a_certificate_that_came_and_lost_its_file_is_no_attempt(enrolled: Pc, server: StandIn) -> None:
    enrolled.json("renew")
    (enrolled.seat().path / "generations" / "0001" / "cert.pem").unlink()
    server.window = soon(days=5)
    assert enrolled.json("renew")["removed"] == []


def lines_of(*words: str) -> list[str]:
    """Run the client as the schedule does, and return its log."""
    home = Path(words[words.index("--home") + 1])
    subprocess.run([sys.executable, "-m", "client", *words], capture_output=True, check=False, env=environment())
    return (home / "log").read_text().splitlines() if (home / "log").exists() else []


def test_a_run_that_fails_leaves_one_line(enrolled: Pc, server: StandIn) -> None:
    (enrolled.home / "log").unlink(missing_ok=True)
    (line,) = lines_of("renew", "F123456-009", "--home", str(enrolled.home))
    assert line.endswith(" renew unknownCertificate exit=1")


def test_a_dry_run_that_fails_leaves_none(enrolled: Pc, server: StandIn) -> None:
    (enrolled.home / "log").unlink(missing_ok=True)
    assert lines_of("renew", "F123456-009", "--dry-run", "--home", str(enrolled.home)) == []

"""A running service as its watchers see it: real processes, a scrape, the log, and the files of conf/ about both."""

import json
import os
import re
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ca_server.observing.test_text import read
from tests.end_to_end.agency import Agency
from tests.end_to_end.questions import judge
from tests.end_to_end.relying import Candidate, enrolled, processes, serial_of, settled, wait_until

CONF = Path(__file__).parents[2] / "conf"
METRIC = re.compile(r"\b(?:warifu|process)_[a-z_]+\b")
LATE_METRICS = {"warifu_ready_answers_oldest_timestamp_seconds", "warifu_lease_held"}
"""What a service tells only after a walk through its ready answers, or while it holds a lease."""
SECRET = "a-secret-of-somebody"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Agency, list[Candidate]]]:
    """An agency of its own, whose numbers nobody else moves, with two good certificates."""
    running = Agency(tmp_path_factory.mktemp("watched"))
    running.serve()
    try:
        yield running, enrolled(running, 2)
        running.balance()
    finally:
        if running.process is not None:
            running.stop()


@pytest.fixture
def agency(served: tuple[Agency, list[Candidate]]) -> Agency:
    """Return the agency when it is ready."""
    wait_until(lambda: asked(served[0], "/readyz") == (200, {"ready": True, "reasons": []}), 20)
    return served[0]


def asked(agency: Agency, path: str) -> tuple[int, Any]:
    """Ask at the officers' address, and return status and document."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{agency.officers_port}{path}", timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


def scrape(agency: Agency) -> dict[tuple[str, ...], float]:
    """Return every sample by its name and labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{agency.officers_port}/metrics", timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        return read(answer.read())


def names(agency: Agency) -> set[str]:
    return {sample[0] for sample in scrape(agency)}


def test_what_was_issued_is_counted(agency: Agency) -> None:
    seen = scrape(agency)
    assert seen["warifu_certificates_issued_total",] == 2
    assert seen["warifu_http_requests_total", "route=/acme/order/{order}/finalize", "status=200"] == 2
    assert asked(agency, "/healthz") == (200, {"alive": True})


def test_a_revocation_is_counted_as_visible_within_seconds(
    agency: Agency, served: tuple[Agency, list[Candidate]]
) -> None:
    before = scrape(agency)["warifu_revocation_visible_seconds_count",]
    agency.revoke(served[1][1].invitation.cn)
    wait_until(lambda: scrape(agency)["warifu_revocation_visible_seconds_count",] == before + 1, 30)
    assert scrape(agency)["warifu_revocation_visible_seconds_bucket", "le=30.0"] == before + 1


def test_answers_of_all_workers_are_counted_and_stay_counted_when_one_is_killed(
    agency: Agency, served: tuple[Agency, list[Candidate]]
) -> None:
    asker, serial = judge(agency.chain), serial_of(served[1][0])

    def answers() -> float:
        return sum(value for sample, value in scrape(agency).items() if sample[0] == "warifu_ocsp_answers_total")

    before = settled(answers)
    for _ in range(20):
        assert asker.ask(agency.http_port, serial).word == "good"
    wait_until(lambda: answers() == before + 20, 30)
    started = scrape(agency)["warifu_responder_starts_total", "role=worker"]
    alarms = scrape(agency)["warifu_alarms_total",]
    assert agency.process is not None
    os.kill(processes(agency.process.pid, "worker")[0], signal.SIGKILL)
    wait_until(lambda: scrape(agency)["warifu_responder_starts_total", "role=worker"] == started + 1, 20)
    assert answers() == before + 20
    assert scrape(agency)["warifu_alarms_total",] == alarms + 1


def test_alerts_and_dashboard_ask_for_metrics_that_there_are(agency: Agency) -> None:
    rules = (CONF / "prometheus" / "warifu.rules.yml").read_text("utf-8")
    panels = json.loads((CONF / "grafana" / "warifu.json").read_text("utf-8"))["panels"]
    expressions = re.findall(r"expr: (.+)", rules) + [each["expr"] for panel in panels for each in panel["targets"]]
    wanted = {name for expression in expressions for name in METRIC.findall(expression)}
    assert len(wanted) > 25
    assert wanted - names(agency) - LATE_METRICS == set()


def test_every_metric_of_ours_is_on_the_dashboard_or_in_an_alert(agency: Agency) -> None:
    files = "".join(path.read_text("utf-8") for path in CONF.glob("*/warifu.*"))
    for name in names(agency):
        if name.startswith("warifu_"):
            assert re.sub("_(sum|count)$", "", name) in files, name


def test_a_line_of_the_log_is_one_object_whatever_was_asked_and_holds_no_path(agency: Agency) -> None:
    begins = agency.log.stat().st_size
    requests = [
        f'GET /e/{SECRET} HTTP/1.1\r\nUser-Agent: \x9b31m{SECRET}"}}\\\r\n',
        f"GET /e/{SECRET} HTTP/1.1\r\nUser-Agent: \x1b[31m{SECRET}\x7f\r\n",
        f"GET /{SECRET}%0a%22%7b?{SECRET} HTTP/1.1\r\n",
        f"POST /acme/{SECRET} HTTP/1.1\r\nContent-Length: 0\r\n",
        f"GET /nowhere HTTP/1.1\r\nX-Forwarded-For: {SECRET}\r\nReferer: /e/{SECRET}\r\nCookie: {SECRET}\r\n",
        f"{SECRET.upper()} / HTTP/1.1\r\n",
        f"GET / {SECRET} HTTP/1.1\r\n",
        "\x00\x01" + SECRET,
    ]
    for request in requests:
        with (
            socket.create_connection(("127.0.0.1", agency.public_port), 10) as plain,
            agency.trust().wrap_socket(plain, server_hostname="localhost") as line,
        ):
            line.sendall(f"{request}Host: localhost\r\nConnection: close\r\n\r\n".encode("latin-1"))
            while line.recv(65536):
                pass
    with agency.log.open("rb") as file:
        file.seek(begins)
        written = file.read()
    lines = [json.loads(each) for each in written.splitlines()]
    routes = [each["route"] for each in lines if "route" in each]
    assert routes[:2] == ["/e/{kid}", "-"]
    assert len(routes) >= 4
    assert SECRET.encode() not in written.lower()


def test_another_server_on_the_address_of_the_first_is_told_which_setting_it_is(agency: Agency, tmp_path: Path) -> None:
    other = Agency(tmp_path)
    other.configure(f"127.0.0.1:{other.officers_port}", f"127.0.0.1:{agency.officers_port}")
    error = other.ca("serve", code=1)["error"]
    assert f"127.0.0.1:{agency.officers_port}" in error["detail"]
    assert "officers_listen" in error["detail"]

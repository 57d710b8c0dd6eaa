"""A client killed at any moment is gone on with by running the same command again, and one certificate results."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from client.stores.generation import Generation
from tests.client.forked import Forks, forks
from tests.client.pc import Pc, environment
from tests.client.stand_in import AFTER, BEFORE, Fault, StandIn

CN = "F123456-001"
MOMENTS = (BEFORE, AFTER)
ENROLMENT = [
    (step, moment) for step in ("invitation", "newAccount", "newOrder", "finalize", "certificate") for moment in MOMENTS
]
RENEWAL = [(step, moment) for step in ("renewalInfo", "newOrder", "finalize", "certificate") for moment in MOMENTS]
YEAR = 370
MOST_WRITES = 100


def named(moments: list[tuple[str, str]]) -> list[str]:
    return [" ".join(each) for each in moments]


@pytest.fixture(scope="module")
def fork() -> Iterator[Forks]:
    with forks(environment()) as running:
        yield running


def live(pc: Pc, cn: str = CN) -> Generation:
    found = pc.seat(cn).live()
    assert found is not None
    return found


@pytest.mark.parametrize(("step", "moment"), ENROLMENT, ids=named(ENROLMENT))
def test_an_enrolment_killed_at_a_request_goes_on_where_it_was(
    fork: Forks, pc: Pc, server: StandIn, step: str, moment: str
) -> None:
    credential = server.invite()
    server.faults[step].append(Fault(moment))
    process = fork.start(pc.enrol_words(credential), pc.home, stdin=credential.password)
    assert server.reached.wait(20)
    os.kill(process, signal.SIGKILL)
    assert fork.end().killed
    assert pc.enrol(credential)["action"] == "enrolled"
    (certificate,) = server.issued_for(CN)
    assert live(pc).certificate() == certificate
    assert len(server.accounts) == 1
    assert pc.store.pending() == []


@pytest.mark.parametrize(("step", "moment"), RENEWAL, ids=named(RENEWAL))
def test_a_renewal_killed_at_a_request_goes_on_where_it_was(
    fork: Forks, pc: Pc, server: StandIn, step: str, moment: str
) -> None:
    pc.enrol(server.invite())
    server.days = 400
    server.faults[step].append(Fault(moment))
    process = fork.start(["renew"], pc.home)
    assert server.reached.wait(20)
    os.kill(process, signal.SIGKILL)
    assert fork.end().killed
    assert pc.json("renew")["certificates"][0]["action"] == "renewed"
    first, second = server.issued_for(CN)
    assert [each.certificate() for each in pc.seat().generations()] == [first, second]
    assert live(pc).certificate() == second
    assert pc.json("renew")["certificates"][0]["action"] == "nothing"


@pytest.mark.slow
def test_an_enrolment_killed_at_each_of_its_writes_in_turn_ends_with_one_certificate(
    fork: Forks, pc: Pc, server: StandIn
) -> None:
    for number in range(1, MOST_WRITES):
        pc, cn = replace(pc, home=pc.home.with_name(f"home-{number}")), f"F123456-{number:03}"
        credential = server.invite(cn)
        words = pc.enrol_words(credential)
        first = fork.run(words, pc.home, stdin=credential.password, die_at=number)
        if not first.killed:
            break
        again = fork.run(words, pc.home, stdin=credential.password)
        assert again.code == 0, (number, again)
        (certificate,) = server.issued_for(cn)
        assert live(pc, cn).certificate() == certificate
        assert len([row for row in server.accounts.values() if row.credential == credential]) == 1
        assert pc.store.pending() == []
    assert first.code == 0
    assert number > 20


@pytest.mark.slow
def test_a_renewal_killed_at_each_of_its_writes_in_turn_ends_with_one_certificate(
    fork: Forks, pc: Pc, server: StandIn
) -> None:
    """Renew once a year; each year the client dies one write later, is run again, and told its programs."""
    server.days = 400
    pc.enrol(server.invite())
    hook = pc.home / "hooks" / "deploy" / "note"
    hook.parent.mkdir(parents=True)
    hook.write_text(f'#!/bin/sh\necho "$WARIFU_NOT_AFTER" > "{pc.home.parent}/deployed"\n')
    hook.chmod(0o700)
    for year in range(1, MOST_WRITES):
        server.days, server.ahead = 400 + YEAR * year, timedelta(days=YEAR * year)
        first = fork.run(["renew"], pc.home, die_at=year, days_ahead=YEAR * year)
        if not first.killed:
            break
        again = fork.run(["renew"], pc.home, days_ahead=YEAR * year)
        assert again.code == 0, (year, again)
        issued = server.issued_for(CN)
        assert len(issued) == year + 1
        assert live(pc).certificate() == issued[-1]
        assert [each.certificate() for each in pc.seat().generations()] == issued[-2:]
        told = (pc.home.parent / "deployed").read_text().strip()
        assert told == f"{issued[-1].not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}", year
    assert first.code == 0
    assert year > 20
    assert len(server.accounts) == 1


def test_two_at_once_with_one_url_get_one_certificate_between_them(pc: Pc, server: StandIn) -> None:
    credential = server.invite()
    processes = [pc.start(credential) for _ in range(2)]
    ends = [(*process.communicate(timeout=60), process.returncode) for process in processes]
    assert [code for *_, code in ends] == [0, 0], ends
    assert len(server.issued_for(CN)) == 1
    assert len(server.accounts) == 1

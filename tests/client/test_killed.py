"""A client killed at any moment is gone on with by running the same command again, and one certificate results."""

import pytest

from tests.client.pc import Pc
from tests.client.stand_in import AFTER, BEFORE, Fault, StandIn

STEPS = ("invitation", "newAccount", "newOrder", "finalize", "certificate")
MOMENTS = [(step, moment) for step in STEPS for moment in (BEFORE, AFTER)]


@pytest.mark.parametrize(("step", "moment"), MOMENTS, ids=[f"{step} {moment}" for step, moment in MOMENTS])
def test_a_killed_client_goes_on_where_it_was(pc: Pc, server: StandIn, step: str, moment: str) -> None:
    credential = server.invite()
    server.faults[step].append(Fault(moment))
    process = pc.start(credential)
    assert server.reached.wait(20)
    process.kill()
    process.communicate()
    assert pc.enrol(credential)["action"] == "enrolled"
    (certificate,) = server.issued_for("F123456-001")
    live = pc.seat().live()
    assert live is not None
    assert live.certificate() == certificate
    assert len(server.accounts) == 1
    assert pc.store.pending() == []


def test_two_at_once_with_one_url_get_one_certificate_between_them(pc: Pc, server: StandIn) -> None:
    credential = server.invite()
    processes = [pc.start(credential) for _ in range(2)]
    ends = [(*process.communicate(timeout=60), process.returncode) for process in processes]
    assert [code for *_, code in ends] == [0, 0], ends
    assert len(server.issued_for("F123456-001")) == 1
    assert len(server.accounts) == 1

"""The client and a real service with a bad network between them: it ends well, or says that it will later."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from client.agent import Agent, Renewed
from client.config import Patience, Settings
from client.enrolment import enrol
from client.errors import TryLater
from client.hooks import Hooks
from client.stores.files import FilesStore
from protocol.resources import Seat
from tests.end_to_end.agency import Invitation
from tests.end_to_end.days import TOKYO, days
from tests.end_to_end.faulty_front import FAULTS, FaultyFront, agency_behind_faults

PATIENCE = Patience(give_up=10, first_delay=0.01, longest_delay=0.05, answer=0.6)
MOST_RUNS = 10


class Willing:
    """Somebody who has the password and says yes."""

    def __init__(self, invitation: Invitation) -> None:
        self._password = invitation.password

    def given_password(self) -> str | None:
        return self.password()

    def password(self) -> str:
        return self._password.replace("-", "")

    def agrees(self, seat: Seat) -> bool:
        return True

    def tell(self, text: str, **facts: object) -> None:
        pass


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyFront]:
    """Run one agency for all."""
    with agency_behind_faults(tmp_path_factory.mktemp("faulty")) as running:
        yield running


@pytest.fixture(scope="module")
def invitations(front: FaultyFront) -> Iterator[Invitation]:
    """Approve as many certificates as there are tests."""
    return iter(front.agency.approve(len(FAULTS) + 5))


@pytest.fixture
def invitation(front: FaultyFront, invitations: Iterator[Invitation]) -> Iterator[Invitation]:
    """Return the two halves for a CN of its own; afterwards the front is good again."""
    yield next(invitations)
    front.commit(seed=0)


def certificates(front: FaultyFront, cn: str) -> list[str]:
    """Return the serial numbers of a CN's certificates as the authority has them, sorted."""
    return sorted(each["serial"] for each in front.agency.certificates() if each["cn"] == cn)


@pytest.mark.slow
@pytest.mark.parametrize("faults", [*[(each,) for each in FAULTS], FAULTS], ids="+".join)
async def test_half_of_all_requests_spoiled_and_yet_one_certificate_at_each_turn(
    front: FaultyFront, invitation: Invitation, tmp_path: Path, faults: tuple[str, ...]
) -> None:
    settings = Settings(tmp_path / "home", front.agency.root, PATIENCE)
    store, person = FilesStore(settings.home), Willing(invitation)
    front.commit(*faults, seed=len(faults))
    for _ in range(MOST_RUNS):
        try:
            enrolled = await enrol(invitation.url, store, person, settings)
            break
        except TryLater:
            continue
    assert len(certificates(front, invitation.cn)) == 1
    agent = Agent(settings, person.tell, Hooks({"pre": [], "deploy": [], "post": []}))
    for _ in range(MOST_RUNS):
        with store.lock():
            report = await agent.run([enrolled.folder], force=False)
        outcome = report.outcomes[invitation.cn]
        if isinstance(outcome, Renewed):
            break
        assert isinstance(outcome, TryLater), outcome
    kept = sorted(f"{each.certificate().serial_number:x}" for each in enrolled.folder.generations())
    assert kept == certificates(front, invitation.cn)
    assert len(kept) == 2
    assert sum(front.committed[each] for each in faults) >= 3, front.committed


@pytest.mark.parametrize(("fault", "word"), [("busy", "busy"), ("cut", "unreachable")])
def test_a_server_that_never_answers_well_is_left_until_later(
    front: FaultyFront, invitation: Invitation, tmp_path: Path, fault: str, word: str
) -> None:
    front.commit(fault, seed=1, share=1.0)
    words = ("enroll", invitation.url, "--password-stdin", "--yes", "--ca-file", str(front.agency.root), "--wait", "0")
    told = front.agency.warifu(*words, home=tmp_path, code=3, stdin=invitation.password)
    assert told["error"]["type"] == word


def test_a_pc_whose_clock_is_wrong_by_years_is_told_to_look_at_it(
    front: FaultyFront, invitation: Invitation, tmp_path: Path
) -> None:
    words = ("enroll", invitation.url, "--password-stdin", "--yes", "--ca-file", str(front.agency.root), "--lang", "en")
    with days(tmp_path, "2060-01-01 10:00"):
        told = front.agency.warifu(*words, home=tmp_path / "home", code=1, stdin=invitation.password)
    assert told["error"]["type"] == "untrustedServer"
    assert "date and time of this PC" in told["error"]["detail"]


def test_a_pc_whose_clock_is_wrong_by_a_day_is_none_the_worse(
    front: FaultyFront, invitation: Invitation, tmp_path: Path
) -> None:
    words = ("enroll", invitation.url, "--password-stdin", "--yes", "--ca-file", str(front.agency.root))
    tomorrow = (datetime.now(TOKYO) + timedelta(days=1)).strftime("%Y-%m-%d %H:%M")
    with days(tmp_path, tomorrow):
        front.agency.warifu(*words, home=tmp_path / "home", stdin=invitation.password)
        renewed = front.agency.warifu("renew", home=tmp_path / "home")
    assert renewed["certificates"][0]["action"] == "renewed"
    assert len(certificates(front, invitation.cn)) == 2

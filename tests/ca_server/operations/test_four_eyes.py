"""Every state of an application × everything that an officer can do to it × who that officer is to it.

The states are those of `domain.applications`, and the moves those of its `Filed`: one that is not said here fails.
"""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from ca_server.domain.applications import OPEN, Filed, Kind, Status
from ca_server.domain.officers import Acting, Officer, Role
from ca_server.errors import NotAllowed, NotEntitled
from ca_server.operations import applications
from ca_server.store import Connection, officers
from tests.ca_server.paper import ALICE, BOB, NOW, Desk, an_issuance, read, successor, who

CAROL = Acting("carol", "carol-login")
FILER, EXAMINER, OTHER = ALICE, BOB, CAROL
"""Alice files, Bob examines, Carol did neither."""
OFFICERS = {"who filed": FILER, "who examined": EXAMINER, "another": OTHER}
EXAMINABLE, DECIDABLE, RETURNABLE = (Status.RECEIVED,), (Status.EXAMINED,), (Status.RECEIVED, Status.EXAMINED)
MOVES: dict[str, tuple[Status, ...]] = {
    "examined": EXAMINABLE,
    "approved": DECIDABLE,
    "returned": RETURNABLE,
    "withdrawn": (Status.RECEIVED, Status.EXAMINED, Status.APPROVED, Status.WAITING),
}
"""From which states each move of an application goes."""
ACTS: dict[str, Callable[[Connection, int, Acting, bool], Any]] = {
    "examined": lambda connection, number, by, _: applications.examine(connection, number, by, NOW),
    "approved": lambda connection, number, by, two: applications.approve(connection, number, by, NOW, four_eyes=two),
    "returned": lambda connection, number, by, _: applications.send_back(connection, number, by, "why", NOW),
    "withdrawn": lambda connection, number, by, _: applications.withdraw(connection, number, by, "why", NOW),
    "called back": lambda connection, number, by, _: applications.call_back(connection, number, by, ("03", "x"), NOW),
}


class _Undone(Exception):
    """Takes back what a test did."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Application 1 is for certificates, 2 for another administrator of the same institution."""
    desk = Desk.open(Path(tmp_path_factory.mktemp("eyes")))
    desk.records.write(officers.add, Officer("carol", "carol", Role.REGISTRATION, None, None), NOW, "login:test")
    desk.done(an_issuance(1))
    assert desk.file(an_issuance(1)).number == 2
    assert desk.file(read(Kind.ADMINISTRATOR_CHANGE, who() | successor())).number == 3
    yield desk
    desk.records.close()


def outcome(desk: Desk, number: int, status: Status, act: str, by: Acting, four_eyes: bool = True) -> object:
    """Return what comes of an act on an application that Alice filed and Bob examined; the records stay as they are."""
    seen: list[object] = []

    def operation(connection: Connection) -> None:
        examined = None if status is Status.RECEIVED else EXAMINER.id
        connection.execute(
            text("UPDATE application SET status = :status, examined_by = :examined WHERE number = :number"),
            {"status": status, "examined": examined, "number": number},
        )
        try:
            done = ACTS[act](connection, number, by, four_eyes)
        except (NotAllowed, NotEntitled) as refused:
            done = refused
        seen.append(done if isinstance(done, Filed) else type(done))
        raise _Undone

    with pytest.raises(_Undone):
        desk.records.write(operation)
    return seen[0]


def expected(status: Status, act: str, who: str, four_eyes: bool) -> object:
    """Return what the rules say: the state comes first, then the eyes."""
    if status not in (OPEN if act == "called back" else MOVES[act]):
        return NotAllowed
    if act == "approved" and four_eyes and who != "another":
        return NotEntitled
    if act == "called back" and who == "who filed":
        return NotEntitled
    return Filed


CELLS = list(itertools.product(Status, ACTS, OFFICERS, (True, False)))


def test_every_state_is_open_or_over_and_every_move_is_said_here() -> None:
    over = {Status.DONE, Status.RETURNED, Status.WITHDRAWN}
    assert set(Status) == {*OPEN, *over}
    returning_itself = {
        name
        for name, member in vars(Filed).items()
        if callable(member) and not name.startswith("_") and member.__annotations__.get("return") == "Filed"
    }
    assert returning_itself == set(MOVES)
    assert set(ACTS) == {*MOVES, "called back"}


@pytest.mark.parametrize(("status", "act", "who", "four_eyes"), CELLS)
def test_who_decides_on_an_application_follows_from_its_state_and_who_did_what_before(
    desk: Desk, status: Status, act: str, who: str, four_eyes: bool
) -> None:
    number = 3 if act == "called back" else 2
    came = outcome(desk, number, status, act, OFFICERS[who], four_eyes)
    assert (Filed if isinstance(came, Filed) else came) is expected(status, act, who, four_eyes)
    if isinstance(came, Filed) and act in MOVES:
        assert came.status == act

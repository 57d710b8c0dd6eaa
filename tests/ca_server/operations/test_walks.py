"""Random walks find nothing, and find each defect that is planted for them."""

import datetime
from collections.abc import Callable
from typing import Any

import pytest

from ca_server.domain import forms
from ca_server.domain.administrators import Change, Half
from ca_server.domain.applications import Filed, Item
from ca_server.domain.calendar import Calendar
from ca_server.store import certificates
from tests.ca_server.operations.walks import walk

DEEDS = {
    *(f"{kind} {verdict}" for kind in ("DCM902", "DCM903", "DCM904", "DCM905") for verdict in ("taken", "refused")),
    *(f"{act}{what}" for act in ("examine", "approve", "return", "withdraw", "call back") for what in ("", " refused")),
    *(f"{act} on a call{what}" for act in ("revoke", "suspend", "release") for what in ("", " refused")),
    *("DCM903 sent back", "hold on a form", "hold on a form refused", "holds lapsed", "forms asked for"),
    *("revocation carried out", "issuance carried out", "change carried out", "disable an officer"),
    *("bind", "bind refused", "bind with an ended pair refused", "fetch", "fetch refused", "pairs ran out"),
}
"""What a hundred walks must have come by, in turn and out of it."""


@pytest.mark.slow
@pytest.mark.only_sqlite
def test_a_hundred_random_walks_agree_with_the_small_model_and_leave_balanced_books() -> None:
    tally = walk(100)
    assert tally.walks >= 100
    assert {deed for deed in DEEDS if not tally.deeds[deed]} == set()


@pytest.mark.slow
def test_some_walks_agree_on_either_kind_of_records() -> None:
    assert walk(25).walks >= 25


def approved_by_one(self: Filed, officer: str, *, four_eyes: bool) -> Filed:
    return APPROVED(self, officer, four_eyes=False)


def at_once(self: Change, approved_on: datetime.date, calendar: Calendar, wait_days: int) -> datetime.date:
    return approved_on


def before_its_date(self: Item, today: datetime.date) -> bool:
    return self.revocation is Half.WAITING


def nothing(*_: Any) -> int:
    return 0


APPROVED = Filed.approved
PLANTED: dict[str, tuple[Any, str, Callable[..., Any], str]] = {
    "approval by one person": (Filed, "approved", approved_by_one, r"approve: .* let through against the rules"),
    "a CN of another institution": (
        forms._Reading,
        "_require_own_names",
        nothing,
        r"DCM90[34] was .* should be refused",
    ),
    "a half before its date": (Item, "revocation_is_due", before_its_date, r"the schedule takes .*'revocation'"),
    "a release without the certificate": (certificates, "restore", nothing, r"OCSP, \(found, expected\)"),
    "an administrator change without waiting": (Change, "earliest", at_once, r"the schedule takes .*'change'"),
}


@pytest.mark.only_sqlite
@pytest.mark.parametrize("defect", PLANTED)
def test_the_walks_notice(defect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, planted, finding = PLANTED[defect]
    assert hasattr(owner, name)
    monkeypatch.setattr(owner, name, planted)
    with pytest.raises(AssertionError, match=finding):
        walk(200, shrink=False)

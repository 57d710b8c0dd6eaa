"""Revoking at once, while the service runs and while it does not; and what does not use a URL up."""

import http.client
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from acme import messages

from tests.end_to_end.acme_pc import AcmePc
from tests.end_to_end.agency import Agency, Invitation
from tests.end_to_end.judges import GOOD, REVOKED, judge
from tests.end_to_end.test_lifecycle import until


def test_a_revocation_without_a_running_service_is_completed_when_it_starts(
    agency: Agency, invitation: Invitation, tmp_path: Path
) -> None:
    leaf = AcmePc(agency, invitation).enrol()
    agency.stop()
    try:
        answered = agency.revoke(invitation.cn, code=3)
        assert answered["published"] is False
        assert answered["serials"] == [f"{leaf.serial_number:x}"]
    finally:
        agency.serve()
    until(lambda: judge(leaf, agency.root_certificate(), tmp_path) == REVOKED)
    assert agency.ca("certificate", "show", invitation.cn)["status"] == "revoked"


def test_revoking_one_serial_leaves_its_sibling_valid(agency: Agency, invitation: Invitation, tmp_path: Path) -> None:
    pc = AcmePc(agency, invitation)
    first, second = pc.enrol(), pc.enrol()
    agency.revoke(invitation.cn, "--serial", f"{first.serial_number:x}")
    listed = {each["serial"]: each["status"] for each in agency.certificates()}
    assert listed[f"{first.serial_number:x}"] == "revoked"
    assert listed[f"{second.serial_number:x}"] == "valid"
    root = agency.root_certificate()
    assert (judge(first, root, tmp_path), judge(second, root, tmp_path)) == (REVOKED, GOOD)
    assert pc.order().body.status == messages.STATUS_READY


def test_an_account_that_was_revoked_by_another_process_gets_401_at_its_next_request(
    agency: Agency, invitation: Invitation
) -> None:
    pc = AcmePc(agency, invitation)
    pc.order()
    assert pc.statuses[-1] == 201
    agency.revoke(invitation.cn)
    with pytest.raises(messages.Error) as refused:
        pc.order()
    assert pc.statuses[-1] == 401
    assert refused.value.code == "unauthorized"


def test_a_revoked_cn_cannot_be_revoked_again_nor_one_that_was_never_assigned(
    agency: Agency, invitation: Invitation
) -> None:
    agency.revoke(invitation.cn)
    assert agency.revoke(invitation.cn, code=4)["error"]["type"] == "AlreadyRevoked"
    assert agency.revoke("F999999-001", code=4)["error"]["type"] == "NotFound"


def test_looking_at_the_url_a_hundred_times_changes_nothing_and_uses_nothing_up(
    agency: Agency, invite: Callable[[], Invitation]
) -> None:
    invitation = invite()
    until(lambda: not _pending_mails(agency) and not _entries_without_a_place(agency))
    before = _dump(agency)
    connection = http.client.HTTPSConnection("localhost", agency.public_port, context=agency.trust(), timeout=10)
    seen = {_look(connection, method, f"/e/{invitation.kid}") for _ in range(100) for method in ("GET", "HEAD")}
    unknown = {_look(connection, method, "/e/00000000000000000000000000") for method in ("GET", "HEAD")}
    connection.close()
    assert seen == unknown
    assert {status for status, _, _ in seen} == {200}
    assert _dump(agency) == before
    assert AcmePc(agency, invitation).statuses[-1] == 201


def _look(connection: http.client.HTTPSConnection, method: str, path: str) -> tuple[int, str, bytes]:
    """Return the status, the headers but for the moment, and the body."""
    connection.request(method, path)
    answer = connection.getresponse()
    headers = [(name, value) for name, value in answer.getheaders() if name not in ("Date", "Request-Id")]
    return answer.status, repr(sorted(headers)), answer.read()


def _pending_mails(agency: Agency) -> int:
    return _rows(agency, "SELECT count(*) FROM outbox WHERE status = 'pending'")


def _entries_without_a_place(agency: Agency) -> int:
    return _rows(agency, "SELECT count(*) FROM audit WHERE place IS NULL")


def _rows(agency: Agency, question: str) -> int:
    database = sqlite3.connect(agency.folder / "warifu.db", timeout=10)
    try:
        count: int = database.execute(question).fetchone()[0]
        return count
    finally:
        database.close()


def _dump(agency: Agency) -> str:
    """Return the records but for the checkpoints, which the schedule signs when their minute has come."""
    database = sqlite3.connect(agency.folder / "warifu.db", timeout=10)
    try:
        return "\n".join(line for line in database.iterdump() if not line.startswith('INSERT INTO "checkpoint"'))
    finally:
        database.close()

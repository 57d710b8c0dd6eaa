"""What the authority says of a PC's certificates, asked from the PC; and a suspended one at its renewal."""

from pathlib import Path

import pytest

from tests.end_to_end.agency import OFFICERS, Agency, Invitation
from tests.end_to_end.test_lifecycle import until


@pytest.fixture
def home(agency: Agency, invitation: Invitation, tmp_path: Path) -> Path:
    """Return the home of a PC that has a certificate."""
    words = ("enroll", invitation.url, "--password-stdin", "--yes", "--ca-file", str(agency.root))
    agency.warifu(*words, home=tmp_path / "pc", stdin=invitation.password)
    return tmp_path / "pc"


def stands(agency: Agency, home: Path) -> tuple[str, bool]:
    """Return the word of `status --online`, and whether it is the authority's."""
    (certificate,) = agency.warifu("status", "--online", home=home, code=None)["certificates"]
    return certificate["status"], certificate["asked"]


def test_a_pc_learns_within_seconds_of_suspension_release_and_revocation(
    agency: Agency, invitation: Invitation, home: Path
) -> None:
    assert stands(agency, home) == ("valid", True)
    call = ("--caller", "山田", "--officer", OFFICERS[0])
    agency.ca("certificate", "suspend", invitation.cn, "--reason", "lost", *call)
    until(lambda: stands(agency, home) == ("suspended", True), seconds=20)
    agency.warifu("status", "--online", home=home, code=3)
    refused = agency.warifu("renew", invitation.cn, home=home, code=3)
    assert refused["error"]["type"] == "suspended"
    agency.ca("certificate", "release", invitation.cn, "--officer", OFFICERS[0])
    until(lambda: stands(agency, home) == ("valid", True), seconds=20)
    agency.warifu("status", "--online", home=home, code=0)
    agency.revoke(invitation.cn)
    until(lambda: stands(agency, home) == ("revoked", True), seconds=20)
    agency.warifu("status", "--online", home=home, code=5)
    assert agency.warifu("status", home=home)["certificates"][0]["status"] == "valid"
    assert agency.warifu("renew", invitation.cn, home=home, code=5)["error"]["type"] == "accountEnded"
    agency.warifu("delete", invitation.cn, home=home, stdin="yes\n")
    assert agency.warifu("status", home=home)["certificates"] == []

"""Two officers with keys of their own, one in a file and one in a token; what nobody signed is not carried out."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.agency import OFFICERS, Agency
from tests.end_to_end.test_lifecycle import error_of, until
from tests.tokens import SoftToken, quick_folder

SATO, SUZUKI = OFFICERS


@pytest.fixture(scope="module")
def token() -> Iterator[SoftToken]:
    """A token of SoftHSM2."""
    with quick_folder() as folder:
        yield SoftToken.make(folder / "token", "officers")


@pytest.fixture(scope="module")
def keys(token: SoftToken, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, ...]]:
    """Return by which options each officer signs."""
    folder = tmp_path_factory.mktemp("officers")
    (folder / "passphrase").write_text("correct horse battery staple\n")
    in_token = f"pkcs11:token={token.label};object=suzuki?module-path={token.module}"
    return {
        SATO: ("--key", str(folder / "sato.key.pem"), "--passphrase-file", str(folder / "passphrase")),
        SUZUKI: ("--key", in_token, "--passphrase-file", str(token.pin_file)),
    }


@pytest.fixture(scope="module")
def agency(keys: dict[str, tuple[str, ...]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agency]:
    """Run an agency that demands signatures, its officers' keys registered."""
    running = Agency(tmp_path_factory.mktemp("signed"))
    for number, (officer, (_, place, *secret)) in enumerate(keys.items()):
        public = running.scratch / f"{number}.pub.pem"
        made = running.ca("officer", "new-key", place, "--public", str(public), *secret, configured=False)
        registered = running.ca("officer", "key", officer, "--public", str(public))
        assert registered["sha256"] == made["sha256"]
    running.append('[applications]\napprovals = "signed"\n')
    running.serve()
    yield running
    running.stop()


def decide(agency: Agency, keys: dict[str, tuple[str, ...]], number: int) -> None:
    agency.ca("application", "examine", str(number), "--officer", SATO, *keys[SATO])
    agency.ca("application", "approve", str(number), "--officer", SUZUKI, *keys[SUZUKI])


def enrol(agency: Agency, number: int, home: Path) -> str:
    """Have a PC fetch the one certificate of an application with what was mailed, and return its CN."""
    (invitation,) = until(lambda: agency.invitations(number))
    options = ("--password-stdin", "--yes", "--ca-file", str(agency.root))
    agency.warifu("enroll", invitation.url, *options, home=home, stdin=invitation.password)
    return invitation.cn


def test_what_two_officers_signed_is_enrolled_and_renewed(
    agency: Agency, keys: dict[str, tuple[str, ...]], tmp_path: Path
) -> None:
    number = agency.file(1)
    refused = error_of(agency, "application", "examine", str(number), "--officer", SATO)
    assert "--key" in refused["detail"]
    decide(agency, keys, number)
    cn = enrol(agency, number, tmp_path)
    agency.warifu("renew", cn, home=tmp_path)
    shown = agency.ca("application", "show", str(number))["signatures"]
    assert [each["act"] for each in shown] == ["examined", "approved"]
    agency.balance()


def test_an_approval_written_by_hand_raises_an_alarm_until_its_officers_sign_it(
    agency: Agency, keys: dict[str, tuple[str, ...]], tmp_path: Path
) -> None:
    number = agency.file(1, "F222222")
    with sqlite3.connect(agency.folder / "warifu.db") as records:
        records.execute(
            "UPDATE application SET status = 'approved', examined_by = sato.id, approved_by = suzuki.id,"
            " examined_at = filed_at, approved_at = filed_at FROM officer AS sato, officer AS suzuki"
            " WHERE number = ? AND sato.name = ? AND suzuki.name = ?",
            (number, SATO, SUZUKI),
        )
        records.execute("INSERT INTO institution SELECT 'F222222', name, furigana, family_name, given_name, email,"
                        " language, 0, registered_at FROM institution LIMIT 1")  # fmt: skip
    records.close()
    until(lambda: f"ALARM: the issuance of application {number}" in agency.log.read_text("utf-8"))
    assert f"Application {number} has no signature" in str(agency.ca("reconcile", code=5))
    assert agency.invitations(number) == []
    decide(agency, keys, number)
    enrol(agency, number, tmp_path)

"""That no secret leaks, and that a leak in any form and any place is found."""

import base64
from pathlib import Path

import pytest

from tests.drills import canaries
from tests.drills.canaries import Search, Secret
from tests.drills.figures import missed

KID, PASSWORD = b"5Z8XQ2M7RC4KD0TNVB9HJ3WEGS", b"7K2QM-V9D4T-XHB06-ENRWS-3CJGA"
SCALAR = bytes(range(7, 39))
SECRETS = [
    Secret("kid", canaries.text_forms(KID), "enrolment-url"),
    Secret("password", canaries.text_forms(PASSWORD.replace(b"-", b""), PASSWORD), "enrolment-password"),
    Secret("scalar", canaries.octet_forms(SCALAR)),
]
LEAKS = {
    "in clear": (KID, "kid"),
    "in lower case": (KID.lower(), "kid"),
    "grouped": (PASSWORD, "password"),
    "ungrouped": (PASSWORD.replace(b"-", b""), "password"),
    "across a line break": (PASSWORD[:9] + b"\r\n" + PASSWORD[9:], "password"),
    "in base64": (base64.b64encode(b'{"kid":"' + KID + b'"}'), "kid"),
    "in base64url a place further": (base64.urlsafe_b64encode(b'"kid":"' + KID + b'"'), "kid"),
    "in base64 two places further": (base64.b64encode(b' "kid":"' + KID + b'"'), "kid"),
    "as octets": (SCALAR, "scalar"),
    "in hexadecimal": (SCALAR.hex().upper().encode(), "scalar"),
    "as a PEM": (base64.encodebytes(b"\x30\x31\x02\x01\x01\x04\x20" + SCALAR), "scalar"),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_secret_is_found_in_every_form_and_at_every_place(leak: str) -> None:
    planted, name = LEAKS[leak]
    search = Search(SECRETS)
    for before in range(8):
        assert search.found_in(b"x" * before + planted + b"y" * 9) == {name}
    assert search.found_in(planted[: len(planted) // 2] + b"..." + planted[len(planted) // 2 :]) == set()


def test_a_key_in_clear_is_found_whosever_it_is() -> None:
    assert Search([]).found_in(b"-----BEGIN PRIVATE KEY-----") == {"BEGIN PRIVATE KEY"}


def test_a_half_is_right_in_the_mail_that_brings_it_and_in_no_other() -> None:
    search = Search(SECRETS)
    assert search.found_in(KID, "enrolment-url") == set()
    assert search.found_in(KID + b" " + PASSWORD, "enrolment-url") == {"password"}
    assert search.found_in(KID + b" " + PASSWORD, "enrolment-password") == {"kid"}


def test_a_run_with_all_its_mistakes_leaks_nothing(tmp_path: Path) -> None:
    assert missed(canaries.drill(tmp_path, enrolments=5)) == []


def test_a_kid_in_the_audit_log_is_found(tmp_path: Path) -> None:
    (figure,) = missed(canaries.drill(tmp_path, enrolments=2, defect="tell-the-key"))
    assert "kid of F123456-001 in audit.detail" in figure.findings

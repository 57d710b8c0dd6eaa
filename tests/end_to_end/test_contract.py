"""The contract for scripts: what the commands print under --json, and the codes they end with."""

import json
import re
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.end_to_end import commands
from tests.end_to_end.acme_pc import AcmePc
from tests.end_to_end.agency import BIN, FORM, OFFICERS, Agency, Invitation, environment

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
SERIAL = re.compile(r"[1-9a-f][0-9a-f]{15,39}")


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `warifu-ca` as it stands."""
    command = [str(BIN / "warifu-ca"), *words]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment() | variables, timeout=60, check=False
    )


def test_an_application_shows_its_number_kind_status_institution_and_each_half(agency: Agency) -> None:
    number = agency.file(2, "F300001")
    shown = agency.ca("application", "show", str(number))
    assert _members(shown, ("number", "kind", "status", "institution")) == [number, "DCM902", "received", "F300001"]
    assert [_members(each, ("cn", "revocation", "issuance")) for each in shown["certificates"]] == [
        [None, None, "waiting"]
    ] * 2
    (listed,) = [each for each in agency.ca("application", "list") if each["number"] == number]
    assert shown == listed | {"administrator": shown["administrator"], "course": shown["course"], "signatures": []}
    assert shown["course"]["officers"] == [OFFICERS[0], None, None]


def test_a_certificate_shows_cn_serial_status_times_and_institution(agency: Agency, invitation: Invitation) -> None:
    leaf = AcmePc(agency, invitation).enrol()
    (shown,) = [each for each in agency.certificates() if each["cn"] == invitation.cn]
    assert set(shown) == {"cn", "serial", "status", "not_before", "not_after", "institution"}
    assert SERIAL.fullmatch(shown["serial"])
    assert int(shown["serial"], 16) == leaf.serial_number
    assert (shown["status"], shown["institution"]) == ("valid", "F123456")
    assert shown["not_before"] == leaf.not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert shown["not_after"] == leaf.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    single = agency.ca("certificate", "show", invitation.cn)
    assert single["certificates"] == [shown]


def test_a_mail_shows_its_addressee_kind_cn_text_and_date_and_never_both_halves(
    agency: Agency, invitation: Invitation
) -> None:
    mine = {mail["kind"]: mail for mail in agency.mails() if mail["cn"] == invitation.cn}
    assert set(mine) == {"enrolment-url", "enrolment-password"}
    for mail in mine.values():
        assert set(mail) == {"to", "subject", "kind", "cn", "text", "attachments", "date"}
        assert mail["to"] == "yamada@midori.example"
        assert MOMENT.fullmatch(mail["date"])
    assert invitation.password not in mine["enrolment-url"]["text"]
    assert invitation.kid not in mine["enrolment-password"]["text"]


@pytest.mark.parametrize(
    ("words", "code", "kind", "fields"),
    [
        (("application", "issue", "F12", *FORM, "--count", "101", "--officer", OFFICERS[0]), 4, "Invalid",
         {"institution", "count"}),
        (("certificate", "show", "F123456-999"), 4, "NotFound", set()),
        (("certificate", "revoke", "F123456-001", "--officer", OFFICERS[0]), 2, "usage", set()),
        (("--config", "/nowhere/warifu.toml", "officer", "list"), 1, "BadConfiguration", None),
    ],
    ids=["fields that are wrong", "a thing that is not there", "an option that is missing", "no configuration"],
)  # fmt: skip
def test_an_error_is_one_document_with_its_type_and_every_field_and_its_own_code(
    agency: Agency, words: Sequence[str], code: int, kind: str, fields: set[str] | None
) -> None:
    done = run(*words, "--json", WARIFU_CONFIG=str(agency.config))
    assert done.returncode == code, done.stderr
    document = json.loads(done.stdout)
    assert set(document) == {"error"}
    assert set(document["error"]) == {"type", "detail", "fields"}
    assert document["error"]["type"] == kind
    assert document["error"]["detail"]
    assert fields is None or set(document["error"]["fields"]) == fields


@pytest.mark.parametrize("words", [("--help",), ("certificate", "show", "F123456-999"), ("nothing",)], ids=" ".join)
def test_a_command_that_these_tests_fork_does_what_it_does_when_it_is_started(
    agency: Agency, words: Sequence[str]
) -> None:
    variables = environment() | {"WARIFU_CONFIG": str(agency.config), "COLUMNS": "60"}
    forked = commands.run([str(BIN / "warifu-ca"), *words], variables, None, seconds=60)
    started = run(*words, WARIFU_CONFIG=str(agency.config), COLUMNS="60")
    assert (forked.returncode, forked.stdout, forked.stderr) == (started.returncode, started.stdout, started.stderr)


def test_the_configuration_is_named_before_or_after_the_command_or_in_the_environment(agency: Agency) -> None:
    config = ("--config", str(agency.config))
    answers = [
        run(*config, "officer", "list", "--json"),
        run("--json", "officer", "list", *config, WARIFU_CONFIG="/nowhere/warifu.toml"),
        run("officer", "--json", "list", WARIFU_CONFIG=str(agency.config)),
    ]
    assert [answer.returncode for answer in answers] == [0, 0, 0]
    assert len({answer.stdout for answer in answers}) == 1
    names = {each["name"]: each for each in json.loads(answers[0].stdout)}
    found = {"name": OFFICERS[0], "role": "ra", "os_user": None, "disabled": False, "key_sha256": None}
    assert names[OFFICERS[0]] == found


def test_init_keeps_private_what_is_private_publishes_what_is_public_and_overwrites_nothing(agency: Agency) -> None:
    private = [path for name in ("root", "authority", "tls", "secrets") for path in (agency.folder / name).iterdir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    assert all(b"ENCRYPTED" in path.read_bytes() for path in private if path.name.endswith(".key.pem"))
    assert agency.root.read_bytes().count(b"BEGIN CERTIFICATE") >= 1
    before = _contents(agency.folder / "root")
    urls = ("--public-url", "https://localhost:8443", "--http-url", "http://localhost:8080")
    done = run("init", "--directory", str(agency.folder), *urls, "--non-interactive", "--json")
    assert done.returncode == 4
    assert _contents(agency.folder / "root") == before


def test_a_second_serve_on_the_same_records_is_refused(agency: Agency) -> None:
    done = run("serve", "--config", str(agency.config))
    assert done.returncode == 4
    assert "Another" in done.stderr


def _contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.iterdir()}


def _members(document: dict[str, object], names: Sequence[str]) -> list[object]:
    return [document[name] for name in names]

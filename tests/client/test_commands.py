"""What the commands show, to people and to programs."""

import json
import subprocess
import sys
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from unicodedata import east_asian_width

import pytest

from client.other_clients import Binding
from protocol import base64url
from protocol.credential import mac_key
from protocol.names import CommonName
from tests.client.pc import PROGRAM, Pc
from tests.client.stand_in import BUSY, Fault, StandIn


def columns(line: str) -> int:
    return sum(2 if east_asian_width(each) in "WF" else 1 for each in line)


def test_the_version_is_the_distributions() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"warifu {version('warifu')}\n"


def test_the_version_loads_neither_cryptography_nor_aiohttp() -> None:
    program = "import sys, client.cli; print(sorted({'cryptography', 'aiohttp', 'rich', 'babel'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("language", ["en", "ja"])
def test_status_fits_eighty_columns(pc: Pc, server: StandIn, language: str) -> None:
    pc.enrol(server.invite())
    record = pc.seat().record()
    assert record.seat is not None
    seat = type(record.seat)(record.seat.common_name, "長い名前の信用金庫" * 10, renewal=False)
    pc.seat().write(type(record)(record.directory, record.credential, record.account, seat, agreed=True))
    lines = pc.run("status", "--lang", language).stdout.splitlines()
    assert len(lines) == 3
    assert "F123456-001" in lines[1]
    assert max(columns(line) for line in lines) <= 80


def test_status_tells_of_an_enrolment_under_way(pc: Pc, server: StandIn) -> None:
    server.faults["newOrder"].append(Fault(BUSY))
    pc.enrol(server.invite(), "--wait", "0", code=3)
    assert pc.json("status") == {"certificates": [], "under_way": [{"cn": "F123456-001"}]}


def test_status_and_show_need_no_home(pc: Pc) -> None:
    assert pc.json("status") == {"certificates": [], "under_way": []}
    assert pc.json("show") == {"certificates": []}
    assert not pc.home.exists()


def test_show_tells_the_cn_in_one_step_and_where_the_files_are(pc: Pc, server: StandIn) -> None:
    pc.enrol(server.invite())
    (document,) = pc.json("show", "f123456-001")["certificates"]
    assert document["subject"] == "CN=F123456-001,OU=F123456,O=Example Agency,C=JP"
    assert Path(document["certificate"]).read_bytes().startswith(b"-----BEGIN CERTIFICATE-----")
    assert "CN: F123456-001" in pc.run("show").stdout.splitlines()


def test_an_expired_certificate_is_shown_as_such(pc: Pc, server: StandIn) -> None:
    server.days = -1
    pc.enrol(server.invite())
    assert pc.json("status")["certificates"][0]["status"] == "expired"


def test_a_certificate_that_is_not_here_is_a_failure(pc: Pc) -> None:
    assert pc.json("show", "F123456-009", code=1)["error"]["type"] == "unknownCertificate"


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("bogus",), "usage"),
        (("show", "--bogus"), "usage"),
        (("show", "F1"), "common_name"),
        (("enroll", "https://ca.example/e/short", "--password-stdin", "--yes"), "url"),
        (("enroll", "https://ca.example/", "--p12", "x", "--yes"), "usage"),
        (("enroll", "URL", "--password-stdin"), "--yes"),
        (("renew", "--ca-file", "/nowhere"), "--ca-file"),
    ],
)
def test_a_wrong_command_line_is_told_to_programs_too(pc: Pc, words: tuple[str, ...], field: str) -> None:
    error = pc.json(*words, code=2)["error"]
    assert set(error) == {"type", "detail", "fields"}
    assert list(error["fields"]) == [field]


def test_there_is_no_switch_that_skips_verification(pc: Pc) -> None:
    for command in ("enroll", "renew", "revoke", "delete", "eab", "status", "show"):
        text = pc.run(command, "--help").stdout
        assert "--ca-file" in text
        assert "insecure" not in text
        assert "verify" not in text


def test_without_a_terminal_the_password_is_not_asked_for(pc: Pc, server: StandIn) -> None:
    assert pc.json("enroll", server.url(server.invite()), "--yes", code=2)["error"]["type"] == "noPassword"
    assert server.steps == []


def test_eab_gives_other_clients_kid_and_key_and_uses_nothing_up(pc: Pc, server: StandIn) -> None:
    credential = server.invite()
    words = ("eab", server.url(credential), "--password-stdin", "--ca-file", str(server.ca_file))
    document = pc.json(*words, "--cn", "F123456-001", stdin=credential.password)
    key = base64url.encode(mac_key(credential.kid, credential.password))
    assert (document["directory"], document["kid"]) == (f"{server.origin}/directory", credential.kid)
    assert document["hmac_key"] == key
    for lines in document["commands"].values():
        assert all(part in " ".join(lines) for part in (credential.kid, key, str(server.ca_file), "f123456-001"))
    assert server.accounts == {}
    assert not pc.home.exists()


def test_eab_derives_the_vector_of_the_protocol() -> None:
    binding = Binding(
        "https://ca.example/directory", "5Z8XQ2M7RC4KD0TNVB9HJ3WEGS", "7K2QMV9D4TXHB06ENRWS3CJGA", None, None
    )
    assert binding.hmac_key == "WlSI-voUPBQS0dZTnrd77_zZyTGTBc9ZQbb7PQkKlgI"


def test_a_common_name_is_understood_in_small_letters(pc: Pc, server: StandIn) -> None:
    pc.enrol(server.invite())
    assert pc.json("show", "f123456-001")["certificates"][0]["cn"] == str(CommonName.parse("F123456-001"))


def test_an_enrolment_that_is_no_longer_wanted_can_be_dropped(pc: Pc, server: StandIn) -> None:
    for cn in ("F123456-001", "F123456-002"):
        server.faults["newOrder"].append(Fault(BUSY))
        pc.enrol(server.invite(cn), "--wait", "0", code=3)
    assert "warifu delete --under-way" in " ".join(pc.run("status").stdout.split())
    assert pc.json("delete", "F123456-001", "--under-way", code=2)["error"]["type"] == "noAnswer"
    assert pc.json("delete", "F123456-001", "--under-way", "--yes") == {"action": "dropped", "count": 1}
    assert pc.json("status")["under_way"] == [{"cn": "F123456-002"}]
    assert pc.run("delete", "--under-way", stdin="yes\n").exit_code == 0
    assert list((pc.home / "pending").iterdir()) == []


def test_show_begins_with_cn_institution_and_end(pc: Pc, server: StandIn) -> None:
    pc.enrol(server.invite())
    labels = [line.partition(":")[0] for line in pc.run("show").stdout.splitlines()]
    assert labels[:3] == ["CN", "Institution", "Valid to"]


def test_what_the_server_cannot_be_asked_about_stands_as_we_know_it(pc: Pc, server: StandIn) -> None:
    pc.enrol(server.invite())
    result = pc.run("status", "--online", "--json")
    (certificate,) = json.loads(result.stdout)["certificates"]
    assert (certificate["status"], certificate["asked"]) == ("valid", False)
    assert result.exit_code == 3
    assert "not asked about" in result.stderr


def test_status_tells_two_certificates_of_one_cn_apart(pc: Pc, server: StandIn) -> None:
    pc.enrol(server.invite())
    pc.json("renew")
    lines = pc.run("status").stdout.splitlines()
    for line, certificate in zip(lines[1:3], server.issued_for("F123456-001"), strict=True):
        assert f"{certificate.serial_number:x}"[:8] in line


def test_people_are_told_the_day_and_the_minute_of_japan(pc: Pc, server: StandIn) -> None:
    pc.enrol(server.invite())
    (certificate,) = pc.json("status")["certificates"]
    end = datetime.fromisoformat(certificate["not_after"]) + timedelta(hours=9)
    assert f"{end:%Y-%m-%d}" in pc.run("status").stdout
    assert f"{end:%Y-%m-%d %H:%M} JST" in pc.run("show").stdout

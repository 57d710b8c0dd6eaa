"""`warifu doctor`: what each fact means, and which of several faults decides; then the command on a real home."""

import json
import re
import socket
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from client.clock import told_by
from client.console import Console
from client.doctor import acts
from client.doctor.acts import Act
from client.doctor.checks import examine
from client.doctor.diagnosis import diagnose
from client.doctor.facts import AccountState, Certificate, Facts, Key, KeyState, Renewal, Seat, Server, Stage
from client.doctor.report import report
from client.doctor.screen import Screen
from client.doctor.symptoms import SYMPTOMS, Level
from client.errors import ClientError
from client.language import choose
from client.ocsp import Standing, Word
from tests.client.pc import ENGLISH, PROGRAM, Pc
from tests.client.stand_in import BUSY, Fault, StandIn
from tests.client.test_commands import columns
from tests.client.test_terminal import TERMINAL, read_until

NOW = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)
CN, HOST = "F123456-001", "ca.example"
TROUBLE = ClientError("tokenFailed", "The token is away.")
LIVE = Certificate(NOW + timedelta(days=200), True, Key(KeyState.MATCHES, None, True), standing=Standing(Word.GOOD))
SEAT = Seat(CN, "みどり銀行", HOST, "files", (LIVE,), AccountState.VALID, Renewal(NOW + timedelta(days=160)))
SERVER = Server(HOST, ahead=timedelta(), website=f"https://{HOST}/")
WELL = Facts(NOW, (SEAT,), (SERVER,))


def seat(**changed: object) -> Facts:
    return replace(WELL, seats=(replace(SEAT, **changed),))


def live(**changed: object) -> Facts:
    return seat(certificates=(replace(LIVE, **changed),))


def key(state: KeyState) -> Facts:
    return live(key=Key(state, TROUBLE, True))


def said(word: Word) -> Facts:
    return live(standing=Standing(word, NOW))


def server(**changed: object) -> Facts:
    return replace(WELL, servers=(replace(SERVER, **changed),))


def ends(days: int, **changed: object) -> Facts:
    certificate = replace(LIVE, not_after=NOW + timedelta(days=days))
    return seat(certificates=(certificate,), **changed)


CASES: dict[str, tuple[Facts, Act]] = {
    "clockAhead": (server(ahead=timedelta(days=3)), acts.SET_CLOCK),
    "clockBehind": (server(ahead=-timedelta(minutes=6)), acts.SET_CLOCK),
    "revoked": (said(Word.REVOKED), acts.STOP),
    "suspended": (said(Word.SUSPENDED), acts.CALL),
    "unknownToServer": (said(Word.UNKNOWN), acts.CALL),
    "renewedElsewhere": (seat(account=AccountState.ENDED), acts.STOP),
    "accountEnded": (
        seat(account=AccountState.ENDED, certificates=(replace(LIVE, standing=None, unasked=TROUBLE),)),
        acts.CALL,
    ),
    "serverTime": (server(failed=Stage.TLS, of_time=True, ahead=None), acts.SET_CLOCK),
    "serverEnded": (server(failed=Stage.TLS, of_time=True), acts.CALL),
    "untrusted": (server(failed=Stage.TLS), acts.TRUST),
    "damaged": (seat(damage=TROUBLE), acts.CALL),
    "lostKey": (key(KeyState.MISSING), acts.FILE_904),
    "foreignKey": (key(KeyState.FOREIGN), acts.FILE_904),
    "keyAway": (key(KeyState.AWAY), acts.REACH_KEY),
    "revokedHere": (live(revoked_here=True, standing=Standing(Word.REVOKED, NOW)), acts.DELETE),
    "lapsed": (ends(-91, renewal=Renewal(final="nothingToRenew")), acts.FILE_902),
    "barred": (replace(WELL, barred=("lock",)), acts.OWN),
    "readOnly": (replace(WELL, read_only=True), acts.MOUNT),
    "full": (replace(WELL, full=True), acts.MAKE_ROOM),
    "noName": (server(failed=Stage.DNS), acts.TRY_LATER),
    "noConnection": (server(failed=Stage.TCP), acts.TRY_LATER),
    "noAnswer": (server(failed=Stage.HTTP), acts.TRY_LATER),
    "expired": (ends(-1), acts.RENEW),
    "overdue": (ends(29), acts.RENEW),
    "underWay": (seat(renewal=Renewal(under_way=True)), acts.RENEW),
    "exposed": (replace(WELL, exposed=("F123456-001/account.key.pem",)), acts.PROTECT),
    "exposedPin": (replace(WELL, exposed_pins=("/home/me/pin",)), acts.PROTECT_PIN),
    "hook": (replace(WELL, hook_trouble=TROUBLE), acts.MEND_HOOK),
    "noSchedule": (replace(WELL, scheduled=False), acts.SCHEDULE),
    "pending": (replace(WELL, pending=1), acts.GO_ON),
    "notHere": (Facts(NOW, wanted=CN), acts.FIND),
    "nothingHere": (Facts(NOW), acts.ENROLL),
    "withoutPredecessor": (seat(without_predecessor=True), acts.NOTHING),
    "renewalTrouble": (seat(renewal=Renewal(trouble=TROUBLE)), acts.NOTHING),
    "notAsked": (live(standing=None, unasked=TROUBLE), acts.NOTHING),
    "oldKey": (
        seat(certificates=(LIVE, replace(LIVE, live=False, key=Key(KeyState.MISSING)))),
        acts.NOTHING,
    ),
    "lastRun": (replace(WELL, log="2026-11-26T00:00:00Z warifu/0 renew error=busy exit=3"), acts.NOTHING),
    "leftovers": (replace(WELL, leftovers=1), acts.NOTHING),
    "strangers": (replace(WELL, strangers=1), acts.NOTHING),
    "valid": (WELL, acts.WAIT),
}


@pytest.mark.parametrize("word", CASES)
def test_each_fault_alone_decides_the_act(word: str) -> None:
    facts, act = CASES[word]
    diagnosis = diagnose(facts, None)
    assert diagnosis.decisive is not None
    assert (diagnosis.decisive.word, diagnosis.act) == (word, act)


def test_every_fault_and_every_note_can_be_found() -> None:
    assert {word for word, row in SYMPTOMS.items() if row.level is not Level.OK} == set(CASES) - {"valid"}
    found = {finding.word for facts, _ in CASES.values() for finding in examine(facts)}
    found |= {finding.word for finding in examine(key(KeyState.UNASKED))}
    found |= {finding.word for finding in examine(replace(WELL, scheduled=False, runs_daily=True))}
    assert found == set(SYMPTOMS)


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        (replace(ends(20), servers=(replace(SERVER, failed=Stage.DNS, ahead=None),)), "noName"),
        (replace(said(Word.REVOKED), scheduled=False), "revoked"),
        (replace(key(KeyState.MISSING), servers=(replace(SERVER, failed=Stage.TCP),)), "lostKey"),
        (replace(ends(-3), servers=(replace(SERVER, ahead=timedelta(days=300)),)), "clockAhead"),
        (seat(account=AccountState.ENDED, certificates=(replace(LIVE, standing=Standing(Word.REVOKED)),)), "revoked"),
    ],
)
def test_of_several_faults_the_most_urgent_decides(facts: Facts, word: str) -> None:
    diagnosis = diagnose(facts, None)
    assert diagnosis.decisive is not None
    assert diagnosis.decisive.word == word


@pytest.mark.parametrize("facts", [live(revoked_here=True), said(Word.REVOKED)])
def test_what_is_revoked_is_not_promised_to_be_renewed(facts: Facts) -> None:
    due = replace(facts.seats[0], renewal=Renewal(due_at=NOW + timedelta(days=30)))
    assert "renewal" not in {finding.word for finding in examine(replace(facts, seats=(due,)))}


def test_a_certificate_is_judged_by_the_servers_time_where_the_clock_is_wrong() -> None:
    facts = replace(ends(-3), servers=(replace(SERVER, ahead=timedelta(days=300)),))
    assert "valid" in {finding.word for finding in examine(facts)}


def test_five_minutes_are_no_wrong_clock() -> None:
    assert diagnose(server(ahead=timedelta(minutes=5)), None).act == acts.WAIT


def test_a_renewed_certificate_answers_the_chart_of_the_missing_mail_by_itself() -> None:
    diagnosis = diagnose(seat(certificates=(replace(LIVE, live=False), LIVE)), None)
    assert (diagnosis.section, diagnosis.act) == ("9.3.1", acts.NOTHING)
    assert [(each.question, each.yes, each.known) for each in diagnosis.answers] == [("renewed", True, True)]


@pytest.mark.parametrize(
    ("facts", "answers", "act"),
    [
        (seat(account=AccountState.ENDED), [False], acts.STOP),
        (seat(account=AccountState.ENDED), [True, False], acts.FILE_904),
        (seat(without_predecessor=True), [False], acts.FILE_904),
        (Facts(NOW, wanted=CN), [False, False, False], acts.FILE_903),
        (Facts(NOW), [True, True, False, True, False, False], acts.FILE_905),
    ],
)
def test_a_chart_asks_only_what_it_cannot_know(facts: Facts, answers: list[bool], act: Act) -> None:
    left = list(answers)
    diagnosis = diagnose(facts, lambda _question, _finding: left.pop(0))
    assert diagnosis.act == act
    assert left == []


def screens(facts: Facts, language: str) -> tuple[list[str], list[str]]:
    console, diagnosis = Console(choose(language, {}), json=False), diagnose(facts, None)
    return Screen(console, diagnosis, colour=False, home="/h").lines(), report(diagnosis, console)


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("word", CASES)
def test_every_screen_and_every_report_fits_eighty_columns(word: str, language: str) -> None:
    for lines in screens(CASES[word][0], language):
        assert max(columns(line) for line in lines) <= 80
        assert "{" not in "\n".join(lines)


def test_the_report_names_no_folder_of_a_user_and_no_url() -> None:
    url = "https://ca.example/e/5Z8XQ2M7RC4KD0TNVB9HJ3WEGS"
    trouble = ClientError("damagedStore", "{path} is damaged; {url}", facts={"path": Path.home() / "x", "url": url})
    _, lines = screens(replace(seat(damage=trouble), log=f"enroll {url} exit=1"), "en")
    text = "".join(lines)
    assert "~/x is damaged" in text
    assert "5Z8XQ2" not in text
    assert str(Path.home()) not in text


# the command, on a real home


@pytest.fixture
def enrolled(pc: Pc, server: StandIn) -> Pc:
    pc.enrol(server.invite())
    return pc


def words(pc: Pc, *arguments: str, code: int) -> set[str]:
    return {each["word"] for each in pc.json("doctor", *arguments, code=code)["findings"]}


def test_nothing_is_changed_and_no_home_is_made(pc: Pc) -> None:
    assert pc.json("doctor", code=5)["act"]["word"] == "enroll"
    assert not pc.home.exists()


def test_keys_and_server_are_looked_at(enrolled: Pc) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in enrolled.home.rglob("*"))
    found = words(enrolled, code=1)
    assert {"held", "server", "clock", "private", "noSchedule", "notAsked"} <= found
    assert sorted((path, path.stat().st_mtime_ns) for path in enrolled.home.rglob("*")) == before


def test_a_deleted_key_needs_a_new_certificate(enrolled: Pc) -> None:
    (enrolled.home / CN / "generations" / "0001" / "key.pem").unlink()
    document = enrolled.json("doctor", code=5)
    assert document["form"] == "DCM904"


def test_a_key_of_another_certificate_is_noticed(enrolled: Pc, server: StandIn) -> None:
    enrolled.enrol(server.invite("F123456-002"))
    places = [enrolled.home / cn / "generations" / "0001" / "key.pem" for cn in (CN, "F123456-002")]
    places[0].write_bytes(places[1].read_bytes())
    assert "foreignKey" in words(enrolled, CN, code=5)


def test_a_damaged_record_is_told(enrolled: Pc) -> None:
    (enrolled.home / CN / "account.json").write_text("{")
    assert "damaged" in words(enrolled, code=5)


def test_rights_of_others_are_noticed_but_not_those_of_hooks(enrolled: Pc) -> None:
    hooks = enrolled.home / "hooks" / "deploy"
    hooks.mkdir(parents=True)
    (hooks / "x").touch(0o755)
    assert "exposed" not in words(enrolled, code=1)
    (enrolled.home / CN / "account.key.pem").chmod(0o644)
    document = enrolled.json("doctor", code=1)
    assert document["act"]["word"] == "protect"
    assert f"{CN}/account.key.pem" in str(document["findings"])


def test_a_pin_that_others_may_read_is_told_wherever_it_lies(enrolled: Pc, tmp_path: Path) -> None:
    pin, record = tmp_path / "pin", enrolled.home / CN / "account.json"
    pin.write_text("1234")
    pin.chmod(0o644)
    token = f"pkcs11:token=desk?module-path=/nowhere.so&pin-source=file:{pin}"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"store": "pkcs11", "place": token}))
    assert "exposedPin" in words(enrolled, code=1)
    pin.chmod(0o600)
    assert "exposedPin" not in words(enrolled, code=1)


def test_a_hook_that_cannot_run_is_told(enrolled: Pc) -> None:
    hooks = enrolled.home / "hooks" / "pre"
    hooks.mkdir(parents=True)
    (hooks / "x").touch(0o600)
    assert "hook" in words(enrolled, code=5)


def test_an_enrolment_and_a_renewal_under_way_are_told(pc: Pc, server: StandIn) -> None:
    server.faults["newOrder"].append(Fault(BUSY))
    credential = server.invite()
    pc.enrol(credential, "--wait", "0", code=3)
    assert pc.json("doctor", code=1)["act"]["word"] == "goOn"
    pc.enrol(credential)
    pc.seat().next_generation()
    assert "underWay" in words(pc, code=1)


def test_a_failure_stands_in_the_log_and_in_the_report_without_a_secret(pc: Pc, server: StandIn) -> None:
    credential, other = server.invite(), server.invite("F123456-002")
    pc.enrol(credential, code=4, password=other.password)
    shown = pc.run("doctor", "--report").stdout
    assert "enroll wrongPassword exit=4" in shown.replace("\n    ", " ")
    assert re.search(r"warifu/\S+, Python 3", shown)
    for secret in (credential.kid, credential.password, other.password, str(pc.home), str(Path.home())):
        assert secret not in shown


def test_a_cn_that_is_not_here_leads_to_the_list_of_pcs(enrolled: Pc) -> None:
    document = enrolled.json("doctor", "F123456-009", code=5)
    assert (document["chart"], document["act"]["word"]) == ("9.3.2", "find")


def test_a_server_that_is_away_is_told_and_the_rest_goes_on(enrolled: Pc) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # no listener
        record = enrolled.seat().record()
        away = f"https://localhost:{nobody.getsockname()[1]}/directory"
        enrolled.seat().write(replace(record, directory=away))
        found = words(enrolled, code=3)
    assert {"noConnection", "held", "private"} <= found


def test_a_name_that_is_not_found_and_a_server_that_is_silent_take_less_than_five_seconds(
    enrolled: Pc, server: StandIn
) -> None:
    record = enrolled.seat().record()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        directory = f"https://localhost:{silent.getsockname()[1]}/directory"
        enrolled.seat().write(replace(record, directory=directory))
        assert "noAnswer" in words(enrolled, code=3)
        assert time.monotonic() - begun < 5
    enrolled.seat().write(replace(record, directory="https://nobody.invalid/directory"))
    begun = time.monotonic()
    assert "noName" in words(enrolled, code=3)
    assert time.monotonic() - begun < 5


def test_a_wrong_clock_is_told_with_the_difference(enrolled: Pc) -> None:
    with told_by(lambda: datetime.now(UTC) + timedelta(days=10)):
        (finding,) = [each for each in enrolled.json("doctor", code=5)["findings"] if each["word"] == "clockAhead"]
    assert "10 days ahead" in finding["detail"]


def test_a_server_with_a_foreign_certificate_is_not_trusted(enrolled: Pc, server: StandIn) -> None:
    server.issuer.write(enrolled.home / CN / "ca.pem")
    assert "untrusted" in words(enrolled, code=5)


@pytest.mark.parametrize("yes", [True, False])
def test_a_renewal_url_on_another_pc_is_warned_of_before_anything_is_ordered(
    pc: Pc, server: StandIn, tmp_path: Path, yes: bool
) -> None:
    pc.enrol(server.invite())
    other, credential = Pc(tmp_path / "other", server), server.invite(renewal=True)
    (tmp_path / "password").write_text(credential.password)
    orders = len(server.orders)
    enrol = ["enroll", server.url(credential), "--ca-file", str(server.ca_file)]
    enrol += ["--password-file", str(tmp_path / "password")]
    shown = other.run(*enrol, *(["--yes"] if yes else []), stdin="no\n")
    assert "is not on this PC" in shown.stderr
    assert shown.exit_code == (0 if yes else 1)
    assert len(server.orders) == orders + yes
    if yes:
        assert "withoutPredecessor" in words(other, code=1)


def test_no_warning_on_the_pc_that_holds_the_predecessor(enrolled: Pc, server: StandIn) -> None:
    credential = server.invite(renewal=True)
    shown = enrolled.run(*enrolled.enrol_words(credential), stdin=credential.password)
    assert "is not on this PC" not in shown.stderr
    assert "withoutPredecessor" not in words(enrolled, code=1)


@pytest.mark.parametrize(("language", "no_color"), [("en", ""), ("ja", "1")])
def test_questions_are_asked_at_a_terminal_and_answered_in_either_language(
    pc: Pc, language: str, no_color: str
) -> None:
    command = [sys.executable, "-c", PROGRAM, "doctor", "--home", str(pc.home), "--lang", language]
    process = subprocess.Popen(
        [sys.executable, "-c", TERMINAL, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**{name: value or "" for name, value in ENGLISH.items() if name != "WARIFU_HOME"}, "NO_COLOR": no_color},
    )
    assert process.stdin is not None
    seen, prompt = b"", {"en": b"[yes/no]", "ja": "[はい/いいえ]".encode()}[language]
    for answer in ("はい", "no", "n", "いいえ"):
        seen += read_until(process, prompt)
        process.stdin.write(answer.encode() + b"\n")
        process.stdin.flush()
    rest, _ = process.communicate(timeout=30)
    seen += rest
    assert process.returncode == 5
    assert b"DCM902" in seen
    assert (b"\033[" in seen) != bool(no_color)

"""The configuration: what is wrong is named, all of it, and nothing starts."""

import datetime
import re
import tomllib
from pathlib import Path

import pytest

from ca_server.cli.template import render_configuration
from ca_server.config import BadConfiguration, Config, load

EXAMPLE = Path(__file__).parents[2] / "conf" / "warifu.toml"


class Asked:
    """What `init` was asked for."""

    public_url = "https://localhost:8443"
    http_url = "http://localhost:8080"
    organization = '「試験」の局 "A"'
    passphrase_file = None


def written(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    """Write the example with changes, each of which must meet its text."""
    text = EXAMPLE.read_text("utf-8")
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after)
    path = tmp_path / "warifu.toml"
    path.write_text(text, "utf-8")
    return path


def faults(path: Path) -> list[str]:
    """Load a file that must be refused and return its faults."""
    with pytest.raises(BadConfiguration) as refusal:
        load(path)
    return refusal.value.faults


def test_the_annotated_example_can_be_loaded() -> None:
    assert load(EXAMPLE).server.public_url == "https://ca.example.jp"


def test_the_example_shows_the_values_that_hold_when_a_setting_is_left_out(tmp_path: Path) -> None:
    shown = load(EXAMPLE)
    (tmp_path / "warifu.toml").write_text(render_configuration(Asked()), "utf-8")
    least = load(tmp_path / "warifu.toml")
    for section in ("applications", "credentials", "limits", "renewal"):
        assert getattr(shown, section) == getattr(least, section)


def test_what_init_writes_can_be_loaded_with_any_name_of_an_organization(tmp_path: Path) -> None:
    path = tmp_path / "warifu.toml"
    path.write_text(render_configuration(Asked()), "utf-8")
    assert isinstance(load(path), Config)
    assert load(path).authority.organization == Asked.organization


def test_relative_paths_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    assert load(written(tmp_path)).server.database == tmp_path / "warifu.db"


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        ('public_url = "https://ca.example.jp"', 'public_url = "http://ca.example.jp/path"'),
        ("validity_days = 395", "validity_days = 0"),
        ('transport = "smtp"', 'transport = "pigeon"\nbeak = 1'),
        ("two_officers = true", 'two_officers = "yes"'),
        ("telephone = ", "telefone = "),
    )
    named = {fault.partition(":")[0] for fault in faults(path)}
    assert named >= {"profile.validity_days", "mail.beak", "applications.two_officers", "operator.telefone"}
    assert "operator.telephone" in named


def test_contradictions_are_named_once_every_field_is_right(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        ('http_url = "http://ca.example.jp"', 'http_url = "https://ca.example.jp"'),
        ('public_listen = "127.0.0.1:8443"', 'public_listen = "everywhere"'),
        ("trusted_proxies = []", 'trusted_proxies = ["proxy"]'),
    )
    named = {fault.partition(":")[0] for fault in faults(path)}
    assert named == {"server.http_url", "server.public_listen", "server.trusted_proxies"}


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "http://www.example.jp/", "https://", "//x.example", "https://a b"]
)
def test_what_pages_lead_to_is_an_https_url(tmp_path: Path, url: str) -> None:
    path = written(
        tmp_path,
        ('cps_url = "https://ca.example.jp/cps"', f'cps_url = "{url}"'),
        ('privacy_url = "https://ca.example.jp/privacy"', f'privacy_url = "{url}"'),
        ('# self_test_url = "https://www.example.jp/warifu-self-test"', f'self_test_url = "{url}"'),
    )
    told = faults(path)
    assert {fault.partition(":")[0] for fault in told} == {
        "profile.cps_url", "operator.privacy_url", "operator.self_test_url",
    }  # fmt: skip
    assert all("must be an https URL" in fault for fault in told)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.3:8000", "[::1]"])
def test_on_this_machine_a_page_may_lead_to_plain_http(tmp_path: Path, host: str) -> None:
    test = "https://www.example.jp/warifu-self-test"
    path = written(tmp_path, (f'# self_test_url = "{test}"', f'self_test_url = "http://{host}/self-test"'))
    assert load(path).operator.self_test_url == f"http://{host}/self-test"


@pytest.mark.parametrize(
    "change",
    [("mail_days = 30", "mail_days = 40"), ("[14, 7, 1]", "[1, 7, 14]"), ("[14, 7, 1]", "[30]")],
)
def test_renewal_times_must_come_in_their_order(tmp_path: Path, change: tuple[str, str]) -> None:
    assert [fault.partition(":")[0] for fault in faults(written(tmp_path, change))] == ["[renewal]"]


def test_days_of_reminders_are_whole_numbers(tmp_path: Path) -> None:
    for wrong in ('["14"]', "[7.5]", "[true]", "7"):
        assert "whole numbers" in faults(written(tmp_path, ("[14, 7, 1]", wrong)))[0]


@pytest.mark.parametrize("text", ["", "public_url =", "\x00", "[server]\npublic_url = 3"])
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "warifu.toml"
    path.write_text(text, "utf-8")
    assert faults(path)


def test_a_missing_file_leads_to_init(tmp_path: Path) -> None:
    assert "warifu-ca init" in faults(tmp_path / "none.toml")[0]


def test_the_example_names_every_setting_there_is() -> None:
    document = tomllib.loads(re.sub(r"^# (\w+ = )", r"\1", EXAMPLE.read_text("utf-8"), flags=re.MULTILINE))
    for section, fields in (
        (name, field.type.__dataclass_fields__)  # type: ignore[union-attr]
        for name, field in Config.__dataclass_fields__.items()
        if name != "path"
    ):
        assert set(document[section]) == set(fields), section


def test_the_calendar_knows_the_days_that_the_operator_is_closed_on(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        ("closing_days = []", 'closing_days = ["2027-05-10"]'),
        ('year_end = ["12-29", "01-03"]', 'year_end = ["12-28", "01-04"]'),
    )
    calendar = load(path).applications.calendar
    assert [day for day in (9, 10, 11) if calendar.is_open(datetime.date(2027, 5, day))] == [11]
    assert not calendar.is_open(datetime.date(2026, 12, 28))
    assert not calendar.is_open(datetime.date(2027, 1, 4))
    assert calendar.is_open(datetime.date(2027, 1, 5))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("closing_days = []", 'closing_days = ["10 May"]'),
        ('year_end = ["12-29", "01-03"]', 'year_end = ["12-29"]'),
        ('year_end = ["12-29", "01-03"]', 'year_end = ["12-32", "01-03"]'),
    ],
)
def test_a_closing_day_that_is_no_day_is_named(tmp_path: Path, before: str, after: str) -> None:
    assert [fault.partition(":")[0] for fault in faults(written(tmp_path, (before, after)))] == ["applications"]

"""The configuration: what is wrong is named, all of it, and nothing starts."""

import datetime
import re
import tomllib
from pathlib import Path

import pytest

from ca_server.cli.template import render_configuration
from ca_server.config import BadConfiguration, Config, IssuingAuthority, load
from ca_server.whereabouts import Cluster

EXAMPLE = Path(__file__).parents[2] / "conf" / "warifu.toml"


class Asked:
    """What `init` was asked for."""

    public_url = "https://localhost:8443"
    http_url = "http://localhost:8080"
    officers_listen = "127.0.0.1:9443"
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
    shown = load(written(tmp_path))
    (tmp_path / "warifu.toml").write_text(render_configuration(Asked()), "utf-8")
    least = load(tmp_path / "warifu.toml")
    for section in ("applications", "credentials", "limits", "renewal", "responder"):
        assert getattr(shown, section) == getattr(least, section)


def test_what_init_writes_can_be_loaded_with_any_name_of_an_organization(tmp_path: Path) -> None:
    path = tmp_path / "warifu.toml"
    path.write_text(render_configuration(Asked()), "utf-8")
    assert isinstance(load(path), Config)
    assert load(path).authority.organization == Asked.organization


def test_relative_paths_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    assert load(written(tmp_path)).server.database == tmp_path / "warifu.db"


_DATABASE = 'database = "warifu.db"'


def test_records_may_be_in_postgresql_with_the_password_in_a_file(tmp_path: Path) -> None:
    url = "postgresql://warifu@db1:5432,db2:5432/warifu?sslmode=verify-full"
    password = 'database_password_file = "secrets/database"'
    server = load(written(tmp_path, (_DATABASE, f'database = "{url}"\n{password}'))).server
    assert server.database == Cluster(url, tmp_path / "secrets" / "database")
    assert str(server.database) == url


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("postgresql://warifu:swordfish@db1/warifu", "holds a password; put it into a file"),
        ("postgresql://warifu@db1/warifu?password=swordfish", "holds a password; put it into a file"),
        ("postgresql://warifu@db1", "must name a database"),
        ("mysql://warifu@db1/warifu", "must be a path, or postgresql://"),
        ("postgresql://warifu@db1/warifu?statement_timeout=0", "has no parameter statement_timeout"),
    ],
)
def test_a_database_that_cannot_be_meant_is_named_without_its_password(tmp_path: Path, url: str, fault: str) -> None:
    (told,) = faults(written(tmp_path, (_DATABASE, f'database = "{url}"')))
    assert told.startswith(f"server.database: {fault}")
    assert "swordfish" not in told


def test_a_password_is_for_postgresql(tmp_path: Path) -> None:
    (told,) = faults(written(tmp_path, (_DATABASE, f'{_DATABASE}\ndatabase_password_file = "secrets/database"')))
    assert told == "[server]: database_password_file is for a database of PostgreSQL"


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


SOURCE = '# source = "https://ca.example.jp"'
TOKEN = '# feed_token_file = "secrets/feed.token"'


def test_a_responder_on_another_machine_follows_a_source_with_a_token(tmp_path: Path) -> None:
    responder = load(written(tmp_path, (SOURCE, SOURCE[2:]), (TOKEN, TOKEN[2:]))).responder
    assert responder.source == "https://ca.example.jp"
    assert responder.feed_token_file == tmp_path / "secrets/feed.token"
    assert responder.ready_folder == tmp_path / "ready"


@pytest.mark.parametrize("url", ["http://ca.example.jp", "https://ca.example.jp/feed", "ca.example.jp", "https://["])
def test_the_source_of_a_responder_is_an_https_url_without_a_path(tmp_path: Path, url: str) -> None:
    path = written(tmp_path, (SOURCE, f'source = "{url}"'), (TOKEN, TOKEN[2:]))
    assert [fault.partition(":")[0] for fault in faults(path)] == ["responder.source"]


@pytest.mark.parametrize("listen", ["127.0.0.1:9443", "127.9.9.9:0", "localhost:9443", "[::1]:9443"])
def test_officers_are_listened_to_on_the_loopback(tmp_path: Path, listen: str) -> None:
    path = written(tmp_path, ('# officers_listen = "127.0.0.1:9443"', f'officers_listen = "{listen}"'))
    assert load(path).server.officers_listen == listen


@pytest.mark.parametrize("listen", ["0.0.0.0:9443", "[::]:9443", "10.0.0.1:9443", "ca.example:9443", "127.0.0.1", "x"])
def test_officers_are_listened_to_nowhere_else_for_nothing_there_is_encrypted(tmp_path: Path, listen: str) -> None:
    (told,) = faults(written(tmp_path, ('# officers_listen = "127.0.0.1:9443"', f'officers_listen = "{listen}"')))
    assert told.startswith("server.officers_listen: must be host:port of the loopback")


def test_a_log_is_written_in_a_form_that_there_is(tmp_path: Path) -> None:
    (told,) = faults(written(tmp_path, ('format = "json"', 'format = "xml"')))
    assert told == "log.format: must be json or text"


def test_a_source_is_followed_with_a_token_only(tmp_path: Path) -> None:
    told = faults(written(tmp_path, (SOURCE, SOURCE[2:])))
    assert len(told) == 1
    assert "feed_token_file" in told[0]


@pytest.mark.parametrize("workers", [-1, 65])
def test_there_are_as_many_workers_as_a_machine_can_have_cores(tmp_path: Path, workers: int) -> None:
    path = written(tmp_path, ("workers = 0", f"workers = {workers}"))
    assert "from 0 to 64" in faults(path)[0]


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
    lines = re.sub(r"^# (\w+ = |\[)", r"\1", EXAMPLE.read_text("utf-8"), flags=re.MULTILINE)
    document = tomllib.loads(lines)
    document["former"] = document["former"][0]
    kinds = {name: field.type for name, field in Config.__dataclass_fields__.items() if name != "path"}
    for section, kind in (kinds | dict.fromkeys(("next", "former"), IssuingAuthority)).items():
        assert set(document[section]) == set(kind.__dataclass_fields__), section  # type: ignore[union-attr]


def with_issuers(*headed: tuple[str, str]) -> tuple[str, str]:
    """Return the change that adds issuing CAs: the header of a table, and the name it has there."""
    keys = [name for name in IssuingAuthority.__dataclass_fields__ if name != "issuer"]
    tables = "".join(
        "\n".join([header, f'issuer = "{name}"', *(f'{key} = "authority/{name}/{key}"' for key in keys), ""])
        for header, name in headed
    )
    return "[limits]", f"{tables}[limits]"


def test_all_issuing_cas_come_with_the_one_in_use_first(tmp_path: Path) -> None:
    change = with_issuers(("[[former]]", "issuing-0"), ("[next]", "issuing-2"), ("[[former]]", "issuing-00"))
    authorities = load(written(tmp_path, change)).authorities
    assert [each.issuer for each in authorities] == ["issuing-1", "issuing-2", "issuing-0", "issuing-00"]
    assert authorities[-1].ocsp_key == tmp_path / "authority/issuing-00/ocsp_key"


def test_a_missing_setting_of_a_former_issuing_ca_is_named_with_its_place(tmp_path: Path) -> None:
    before, after = with_issuers(("[[former]]", "issuing-0"), ("[[former]]", "issuing-00"))
    path = written(tmp_path, (before, after.replace('issuing_key = "authority/issuing-00/issuing_key"\n', "")))
    assert [fault.partition(":")[0] for fault in faults(path)] == ["former.2.issuing_key"]


def test_a_former_issuing_ca_in_single_brackets_is_told_the_double_ones(tmp_path: Path) -> None:
    assert "[[former]]" in faults(written(tmp_path, with_issuers(("[former]", "issuing-0"))))[0]


@pytest.mark.parametrize("name", ["issuing-1", "root"])
def test_no_two_cas_have_one_name(tmp_path: Path, name: str) -> None:
    told = faults(written(tmp_path, with_issuers(("[next]", name))))
    assert len(told) == 1
    assert name in told[0]


@pytest.mark.parametrize("pair", [("issuing", "issuing-2"), ("issuing-1-12", "issuing-3")])
def test_no_name_is_that_of_a_partition_of_another(tmp_path: Path, pair: tuple[str, str]) -> None:
    told = faults(written(tmp_path, with_issuers(("[next]", pair[0]), ("[[former]]", pair[1]))))
    assert "partition" in told[0]


@pytest.mark.parametrize("name", ["-", "../root", "a b", "issuing-1234567890", "発行", ".hidden"])
def test_a_name_of_an_issuing_ca_can_stand_in_a_file_name_and_a_url(tmp_path: Path, name: str) -> None:
    assert "1 to 16" in faults(written(tmp_path, with_issuers(("[next]", name))))[0]


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


def test_a_folder_in_place_of_the_file_is_called_one(tmp_path: Path) -> None:
    assert faults(tmp_path) == ["it is not readable TOML: it is a folder"]


def test_a_user_of_the_mail_server_has_a_password(tmp_path: Path) -> None:
    path = written(tmp_path, ('transport = "smtp"', 'transport = "smtp"\nsmtp_user = "warifu"'))
    assert any(told == "mail.smtp_user: needs smtp_password_file" for told in faults(path))

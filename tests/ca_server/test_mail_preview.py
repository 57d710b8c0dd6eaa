"""`warifu-ca mail`: what the mails of an installation say, shown to its operator with examples."""

import json
import re
from pathlib import Path

import pytest

from ca_server.cli import cli
from ca_server.cli.output import USAGE, run
from ca_server.notices.messages import NoticeKind
from protocol.credential import BadCredential, normalise_kid, normalise_password

EVERY = [(kind, language) for kind in NoticeKind for language in ("ja", "en")]


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of a fresh CA, with a telephone number of its own."""
    folder = tmp_path_factory.mktemp("mail") / "ca"
    urls = ("--public-url", "https://ca.example:8443", "--http-url", "http://ca.example:8080")
    assert run(cli, ["init", "--directory", str(folder), *urls, "--non-interactive"]) == 0
    path = folder / "warifu.toml"
    text = path.read_text("utf-8").replace("000-0000-0000", "03-5555-0100").replace("days = 30", "days = 21")
    path.write_text(text, "utf-8")
    return path


@pytest.fixture(autouse=True)
def _english(configuration: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARIFU_CONFIG", str(configuration))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.mark.parametrize(("kind", "language"), EVERY)
def test_every_mail_can_be_seen_as_this_installation_sends_it(
    kind: NoticeKind, language: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(cli, ["mail", "preview", kind.value, "--language", language, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["kind"] == kind
    assert "03-5555-0100" in shown["text"]
    assert bool(re.search("[ぁ-ん]", shown["subject"])) == (language == "ja")


def test_the_halves_of_an_example_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("enrolment-url", "enrolment-password"):
        assert run(cli, ["mail", "preview", kind]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "https://ca.example:8443/e/EXAMPLE" in lines
    assert "XXXXX-XXXXX-XXXXX-XXXXX-XXXXX" in lines
    with pytest.raises(BadCredential):
        normalise_kid("EXAMPLE")
    with pytest.raises(BadCredential):
        normalise_password("XXXXX-XXXXX-XXXXX-XXXXX-XXXXX")


@pytest.mark.parametrize(("locale", "subject"), [("ja_JP.UTF-8", "件名"), ("C.UTF-8", "Subject")])
def test_without_a_language_the_mail_is_in_that_of_the_person(
    locale: str, subject: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    assert run(cli, ["mail", "preview", "fetched"]) == 0
    words = capsys.readouterr().out
    assert words.startswith(subject)
    assert ("証明書取得完了のお知らせ" in words) == (subject == "件名")


def test_the_list_names_every_kind_with_its_subject(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(cli, ["mail", "list", "--language", "ja", "--json"]) == 0
    listed = {one["kind"]: one["subject"] for one in json.loads(capsys.readouterr().out)}
    assert list(listed) == list(NoticeKind)
    assert listed["suspended"] == "証明書一時停止のお知らせ（F000000-001）"


def test_an_unknown_kind_is_answered_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(cli, ["mail", "preview", "lottery"]) == USAGE
    assert "KIND must be one of enrolment-url, " in capsys.readouterr().err

"""Japanese and English of `warifu-ca`, from one catalogue."""

import copy
import inspect
import json
import string
import unicodedata
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import click
import pytest
from babel.messages.extract import extract_from_dir, extract_from_file

import ca_server
from ca_server.cli import cli
from ca_server.cli.output import REFUSED, USAGE, run
from ca_server.domain.applications import Channel, Half, Status
from ca_server.domain.seats import SeatStatus
from ca_server.language import Language, choose, japanese, sentence
from keys.errors import KeysError

SOURCE = Path(ca_server.__file__).parent
SHOWN: tuple[type[StrEnum], ...] = (Status, Half, SeatStatus, Channel)


def commands(command: click.Command, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            each = command.get_command(context, name)
            assert each is not None
            yield from commands(each, *path, name)


def helps() -> Iterator[str]:
    for _, command in commands(cli):
        yield inspect.cleandoc(command.help or "")
        yield from (each.help for each in command.params if isinstance(each, click.Option) and each.help)


ERRORS = [each.__name__ for each in KeysError.__subclasses__()]
SAID = {
    str(message)
    for _, _, message, _, _ in extract_from_dir(SOURCE, method_map=[("**.py", "python")], keywords={"sentence": None})
}
OF_KEYS = {
    str(message)
    for name in ("keystore.py", "coffer.py", "signed_note.py")
    for _, message, _, _ in extract_from_file("python", SOURCE.parent / "keys" / name, keywords=dict.fromkeys(ERRORS))
}
SENTENCES = sorted(SAID | OF_KEYS | {*helps()} | {word.value for words in SHOWN for word in words})
PATHS = [path for path, _ in commands(cli)]


def places(text: str) -> set[str]:
    return {str(name) for _, name, _, _ in string.Formatter().parse(text) if name}


def columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in line)


@pytest.fixture
def ca(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A CA with two officers and one application that the first has filed and examined; people read Japanese."""
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "ja_JP.UTF-8")
    monkeypatch.setenv("WARIFU_CONFIG", str(tmp_path / "ca" / "warifu.toml"))
    urls = ("--public-url", "https://ca.example:8443", "--http-url", "http://ca.example:8080")
    assert run(cli, ["init", "--directory", str(tmp_path / "ca"), *urls, "--non-interactive"]) == 0
    assert run(cli, ["officer", "add", "佐藤", "--role", "ra"]) == 0
    names = ("--administrator-family-name", "山田", "--administrator-given-name", "太郎", "--furigana", "やまだ たろう")
    form = ("--institution-name", "みどり銀行", *names, "--email", "yamada@midori.example", "--count", "2")
    assert run(cli, ["application", "issue", "F123456", *form, "--officer", "佐藤"]) == 0
    assert run(cli, ["application", "examine", "1", "--officer", "佐藤"]) == 0
    return tmp_path


@pytest.mark.parametrize("text", SENTENCES)
def test_each_sentence_is_in_the_catalogue_with_the_same_facts(text: str) -> None:
    assert places(japanese().sentences[text]) == places(text)


def test_the_catalogue_holds_nothing_that_is_not_said() -> None:
    assert sorted(japanese().sentences) == SENTENCES


@pytest.mark.parametrize(
    ("wanted", "environment", "code"),
    [
        (None, {}, "en"),
        (None, {"LANG": "ja_JP.UTF-8"}, "ja"),
        (None, {"LC_ALL": "C", "LANG": "ja_JP.UTF-8"}, "en"),
        ("ja", {"LANG": "en_GB.UTF-8"}, "ja"),
        ("en", {"LC_ALL": "ja_JP.UTF-8"}, "en"),
    ],
)
def test_the_option_counts_before_the_environment(wanted: str | None, environment: dict[str, str], code: str) -> None:
    assert choose(wanted, environment).code == code


def test_a_sentence_is_its_english_and_a_copy_of_it_too() -> None:
    said = copy.deepcopy(sentence("Call {who}.", who="us"))
    assert said == "Call us."
    assert Language("ja", {"Call {who}.": "{who}へ"}).say(said) == "usへ"


def test_what_a_person_typed_is_not_translated() -> None:
    assert Language("ja", {"approved": "承認済", "Call {who}.": "{who}へ"}).say("approved") == "approved"


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_help_fits_eighty_columns_and_is_japanese_throughout(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    for language, words in (("en", "Usage:"), ("ja", "構成ファイル")):
        assert run(cli, ["--lang", language, *path, "--help"]) == 0
        page = capsys.readouterr().out
        assert words in page
        assert [line for line in page.splitlines() if columns(line) > 80] == []
    assert [word for word in ("Usage:", "Options:", "Commands:", "[required]", "Show this") if word in page] == []


def test_the_officer_who_filed_is_refused_in_japanese(ca: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(cli, ["application", "approve", "1", "--officer", "佐藤"]) == REFUSED
    assert "受付も審査もしていない別の担当者" in capsys.readouterr().err
    assert run(cli, ["application", "approve", "1", "--officer", "佐藤", "--lang", "en"]) == REFUSED
    assert "neither filed nor examined" in capsys.readouterr().err


def test_a_list_has_japanese_heads_and_words_but_its_document_has_not(
    ca: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run(cli, ["application", "list"]) == 0
    table = capsys.readouterr().out
    assert "状態" in table
    assert "審査済" in table
    assert max(map(columns, table.splitlines())) <= 80
    assert run(cli, ["application", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["status"] == "examined"


def test_a_document_of_an_error_tells_people_in_their_language(ca: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert (
        run(cli, ["application", "revoke", "F12", "--cn", "x", "--reason", "lost", "--officer", "佐藤", "--json"]) == 4
    )
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["type"] == "Invalid"
    assert "金融機関基本コード" in error["fields"]["institution"]


def test_a_wrong_command_line_is_told_in_japanese(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(cli, ["application", "return", "1", "--lang", "ja"]) == USAGE
    assert "--reason を指定してください" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("aplication",), "aplication というコマンドはありません。application のことでしょうか。"),
        (("application", "aprove"), "approve のことでしょうか。"),
        (("reconcile", "--jsn"), "--json のことでしょうか。"),
        (("reconcile", "now"), "余分な引数があります: now"),
        (("reconcile", "--config"), "--config には値が必要です。"),
        (("reconcile", "--json=1"), "--json に値は付けられません。"),
        (("xyzzy",), "xyzzy というコマンドはありません。"),
    ],
)
def test_a_word_that_is_not_meant_so_is_told_in_japanese_with_what_resembles_it(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    assert run(cli, ["--lang", "ja", *words]) == USAGE
    output = capsys.readouterr()
    assert told in output.err + output.out


def test_how_a_form_came_is_told_in_japanese(ca: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(cli, ["application", "show", "1"]) == 0
    assert "（コマンド）" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [("officer", "add", "\udc82", "--role", "ra"), ("officer", "list", "--officer", "\udc82")]
)
def test_what_is_no_utf_8_is_told_so_before_anything_is_done(
    words: tuple[str, ...], ca: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run(cli, [*words]) == USAGE
    assert "UTF-8 の文字ではありません" in capsys.readouterr().err

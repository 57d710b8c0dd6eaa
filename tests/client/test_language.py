"""Japanese and English, from one catalogue."""

import json
import string
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir, extract_from_file
from click.testing import CliRunner

import client
from client.cli import main
from client.language import Language, choose, japanese
from keys.errors import KeysError
from tests.client.pc import ENGLISH, Pc
from tests.client.stand_in import StandIn

SOURCE = Path(client.__file__).parent
MARKERS = dict.fromkeys(("sentence", "say", "tell", "confirmed"))
ERRORS = dict.fromkeys(each.__name__ for each in KeysError.__subclasses__())
SAID = {
    str(message) for _, _, message, _, _ in extract_from_dir(SOURCE, method_map=[("**.py", "python")], keywords=MARKERS)
}
OF_KEYS = {
    str(message)
    for name in ("keystore.py", "token.py")
    for _, message, _, _ in extract_from_file("python", SOURCE.parent / "keys" / name, keywords=ERRORS)
}
SENTENCES = sorted(SAID | OF_KEYS)


def places(text: str) -> set[str]:
    return {str(name) for _, name, _, _ in string.Formatter().parse(text) if name}


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
        (None, {"LC_ALL": "", "LC_MESSAGES": "ja", "LANG": "C"}, "ja"),
        ("ja", {"LANG": "en_GB.UTF-8"}, "ja"),
        ("en", {"LC_ALL": "ja_JP.UTF-8"}, "en"),
    ],
)
def test_the_option_counts_before_the_environment(wanted: str | None, environment: dict[str, str], code: str) -> None:
    assert choose(wanted, environment).code == code


def test_a_sentence_that_the_catalogue_lacks_stays_english() -> None:
    assert Language("ja", {}).say("Call {who}.", who="us") == "Call us."


def test_a_refusal_speaks_japanese(pc: Pc, server: StandIn) -> None:
    credential = server.invite()
    credential.reason = "locked"
    result = pc.run(*pc.enrol_words(credential), "--lang", "ja", stdin=credential.password)
    assert result.exit_code == 4
    assert "ロックされています" in result.stderr
    assert "ヘルプデスクへお電話ください" in result.stderr


@pytest.mark.parametrize("words", [("--help",), ("enroll", "--help")])
def test_help_speaks_japanese(words: tuple[str, ...]) -> None:
    runner = CliRunner(env=ENGLISH)
    assert "証明書" in runner.invoke(main, words, env={"LANG": "ja_JP.UTF-8"}).stdout
    assert "証明書" in runner.invoke(main, [*words, "--lang", "ja"]).stdout
    assert "certificate" in runner.invoke(main, words).stdout


def test_documents_for_programs_have_the_same_words_in_every_language(pc: Pc, server: StandIn) -> None:
    pc.enrol(server.invite())
    assert json.loads(pc.run("status", "--json", "--lang", "ja").stdout) == pc.json("status")

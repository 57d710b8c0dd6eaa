"""What the command says of itself: help in both languages, the manual page, completion, lines that fit."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from unicodedata import east_asian_width

import click
import pytest
from click.testing import CliRunner

from client.cli import main
from client.columns import columns, wrapped
from client.language import choose
from client.man_page import man_page
from protocol.credential import new_kid, new_password
from tests.client.pc import ENGLISH, PROGRAM, Pc, environment
from tests.client.stand_in import StandIn
from tests.client.test_terminal import TERMINAL

DOCS = Path(__file__).parents[2] / "docs"


def commands(group: click.Group = main, words: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    """Return every command and group with the words that call it."""
    found: list[tuple[tuple[str, ...], click.Command]] = []
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found.append(((*words, name), command))
        if isinstance(command, click.Group):
            found += commands(command, (*words, name))
    return found


COMMANDS = commands()


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("words", [(), *(words for words, _ in COMMANDS)], ids=" ".join)
def test_help_fits_eighty_columns(words: tuple[str, ...], language: str) -> None:
    shown = CliRunner(env=ENGLISH | {"LANG": language}).invoke(main, [*words, "--help"])
    assert shown.exit_code == 0
    assert max(columns(line) for line in shown.stdout.splitlines()) <= 80


@pytest.mark.parametrize("words", [(), *(words for words, _ in COMMANDS)], ids=" ".join)
def test_no_english_is_left_in_japanese_help(words: tuple[str, ...]) -> None:
    shown = CliRunner(env=ENGLISH | {"LANG": "ja"}).invoke(main, [*words, "--help"]).stdout
    for line in shown.splitlines()[1:]:
        assert not re.search(r"[a-z]+ [a-z]+ [a-z]+ [a-z]+", line.partition("`")[0]), line


@pytest.mark.parametrize("words", [words for words, command in COMMANDS if not isinstance(command, click.Group)])
def test_every_command_has_the_options_on_how_it_speaks(words: tuple[str, ...]) -> None:
    (command,) = [command for other, command in COMMANDS if other == words]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {"--json", "--lang", "--quiet", "--verbose"} <= options


@pytest.mark.parametrize("language", ["en", "ja"])
def test_errors_fit_eighty_columns(pc: Pc, server: StandIn, language: str) -> None:
    credential = server.invite()
    credential.reason = "used"
    words = [*pc.enrol_words(credential), "--lang", language, "--home", str(pc.home)]
    program = [sys.executable, "-c", PROGRAM, *words]
    told = subprocess.run(
        program, input=credential.password, capture_output=True, text=True, env=environment(), check=False
    ).stderr
    assert len(told.splitlines()) > 2
    assert [line for line in told.splitlines() if columns(line) > 80] == []


def test_a_line_breaks_between_words_and_between_wide_characters() -> None:
    assert wrapped("one two three", 8) == ["one two", "three"]
    assert wrapped("一二三四五", 6) == ["一二三", "四五"]
    assert wrapped("https://ca.example/a/long/path", 8) == ["https://ca.example/a/long/path"]


def test_a_line_does_not_begin_with_a_closing_mark_nor_end_with_an_opening_one() -> None:
    assert wrapped("一二三、四", 6) == ["一二", "三、四"]
    assert wrapped("一二「三」四", 6) == ["一二", "「三」", "四"]


def test_wide_characters_take_two_columns() -> None:
    assert columns("aあ") == 3
    assert all(east_asian_width(each) == "W" for each in "証明書")


@pytest.mark.parametrize(("language", "file"), [("en", "warifu.1"), ("ja", "warifu.ja.1")])
def test_the_manual_page_is_that_of_the_commands(language: str, file: str) -> None:
    page = (DOCS / file).read_text("utf-8")
    assert page == man_page(choose(language, {})), f"run: python -m client.man_page {language} > docs/{file}"
    plain = page.replace("\\-", "-").replace("\\:", "")
    for words, command in COMMANDS:
        if not isinstance(command, click.Group):
            assert f'.SS "{" ".join(words)}' in plain
            for parameter in command.params:
                assert isinstance(parameter, click.Argument) or all(option in plain for option in parameter.opts)


@pytest.mark.parametrize("file", ["warifu.1", "warifu.ja.1"])
def test_the_manual_page_renders_without_a_warning(file: str) -> None:
    if shutil.which("man") is None or shutil.which("groff") is None:
        pytest.skip("man is missing: install the Debian packages man-db and groff")
    done = subprocess.run(
        ["man", "--warnings", "--encoding=UTF-8", "--local-file", str(DOCS / file)],
        capture_output=True, text=True, check=False, env=environment() | {"MANWIDTH": "80"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "--deploy-hook" in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_reads_its_completion(shell: str, tmp_path: Path) -> None:
    script = CliRunner(env=ENGLISH).invoke(main, ["completion", shell]).stdout
    assert "_WARIFU_COMPLETE" in script
    if shutil.which(shell) is None:
        assert shell != "bash"  # what is not here was looked at by its maker
        return
    (tmp_path / "script").write_text(script)
    done = subprocess.run([shell, "-n", str(tmp_path / "script")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_completion_knows_commands_and_options() -> None:
    for typed, found in (("warifu re", "plain,renew\nplain,revoke\n"), ("warifu renew --dr", "plain,--dry-run\n")):
        variables = {"_WARIFU_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.replace("main()", "main(prog_name='warifu')")],
            capture_output=True, text=True, check=True, env=environment() | variables,
        )  # fmt: skip
        assert done.stdout == found


@pytest.mark.parametrize(
    ("words", "english", "japanese"),
    [
        (("bogus",), "no command bogus", "bogus というコマンドはありません"),
        (("show", "--bogus"), "no option --bogus", "--bogus というオプションはありません"),
        (("enroll",), "URL is missing", "URL が指定されていません"),
        (("show", "F1"), "CN must look like F123456-001", "CN は F123456-001 のような形です"),
        (("status", "x"), "too many: x.", "余分な引数があります: x。"),
        (("renew", "--wait=-1"), "a number of 0 or more", "--wait は 0 以上の数です"),
        (("status", "--json=1"), "--json takes no value", "--json に値は付けられません"),
        (("renew", "--ca-file", "/nowhere"), "must be a file that is there", "このユーザーが読める既存のファイル"),
    ],
)
def test_a_wrong_command_line_is_told_in_both_languages(
    pc: Pc, words: tuple[str, ...], english: str, japanese: str
) -> None:
    assert english in pc.run(*words).stderr
    assert japanese in pc.run(*words, "--lang", "ja").stderr.replace("\n", "")


@pytest.mark.parametrize("words", [(), ("schedule",), ("config",)])
def test_a_group_without_a_command_shows_its_help(words: tuple[str, ...]) -> None:
    bare, asked = (CliRunner(env=ENGLISH).invoke(main, [*words, *more]) for more in ((), ("--help",)))
    assert (bare.exit_code, bare.stdout, bare.stderr) == (2, "", asked.stdout)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("enrol",), "There is no command enrol. Did you mean enroll?"),
        (("renew", "--dryrun"), "There is no option --dryrun. Did you mean --dry-run?"),
        (("xyzzy",), "There is no command xyzzy. `warifu COMMAND --help` shows what there is."),
        (("--lang", "en"), "A command is missing. `warifu COMMAND --help` shows what there is."),
    ],
)
def test_a_misspelt_word_is_answered_with_what_was_meant(words: tuple[str, ...], told: str) -> None:
    assert CliRunner(env=ENGLISH).invoke(main, words).stderr.replace("\n", " ").strip() == f"warifu: {told}"


@pytest.mark.parametrize("more", [(), ("--json",)])
@pytest.mark.parametrize(
    "words",
    [
        ("enroll", "https://ca.example/e/x", "{password}"),
        ("eab", "https://ca.example/e/x", "{password}"),
        ("enroll", "https://ca.example/e/x", "--password-file", "{password}"),
        ("enroll", "https://ca.example/e/x", "--password={password}"),
        ("renew", "{password}"),
        ("status", "{password}"),
        ("{password}",),
        ("{url}",),
    ],
)
def test_a_password_or_url_in_the_wrong_place_is_not_shown_again(words: tuple[str, ...], more: tuple[str, ...]) -> None:
    password = new_password()
    url = f"https://ca.example/e/{new_kid()}"
    typed = [each.format(password=password, url=url) for each in words]
    done = CliRunner(env=ENGLISH).invoke(main, [*typed, *more])
    assert done.exit_code == 2
    assert password not in done.output
    assert url not in done.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("renew", "--wait"), "--wait には値が必要です。"),
        (("completion", "tcsh"), "SHELL は次のいずれかです: bash, zsh, fish。"),
        (("status", "--home", __file__), "--home にはフォルダーを指定してください。"),
        (("enroll", "--p12", "/tmp"), "--p12 には、このユーザーが使えるファイルを指定してください。"),
    ],
)
def test_a_value_that_is_missing_or_of_another_kind_is_told_so(words: tuple[str, ...], told: str) -> None:
    done = CliRunner().invoke(main, ["--lang", "ja", *words])
    assert (done.exit_code, done.stderr.replace("\n", "")[: len(told) + 8]) == (2, f"warifu: {told}")


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_errors_are_red_at_a_terminal_but_not_under_no_color(variables: dict[str, str], coloured: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TERMINAL, sys.executable, "-c", PROGRAM, "bogus"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=environment() | variables,
    )  # fmt: skip
    assert done.returncode == 2
    assert "no command bogus" in done.stdout
    assert ("\033[31m" in done.stdout) == coloured


def test_errors_are_not_coloured_away_from_a_terminal(pc: Pc) -> None:
    assert "\033" not in pc.run("bogus").stderr

"""Settings: where they come from, which of them counts, and what is said of a bad file."""

import json
from pathlib import Path

import pytest

from client.config import Pkcs11
from client.config_file import Nss, Preferences, Tpm, read_preferences
from client.errors import Misuse
from tests.client.pc import ENGLISH, Pc

WHOLE = """
language = "ja"
home = "/srv/warifu"
ca_file = "agency.pem"
store = "pkcs11"
hooks = "my hooks"

[pkcs11]
module = "/usr/lib/token.so"
token = "割符"
pin_file = "pin"

[nss]
database = ["profiles/a", "/srv/b"]

[tpm]
tcti = "swtpm:port=2321"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text, "utf-8")
    return path


def test_a_file_says_all_of_this_and_its_paths_count_from_its_folder(tmp_path: Path) -> None:
    assert read_preferences(written(tmp_path, WHOLE)) == Preferences(
        "ja",
        Path("/srv/warifu"),
        tmp_path / "agency.pem",
        "pkcs11",
        tmp_path / "my hooks",
        Pkcs11(Path("/usr/lib/token.so"), "割符", tmp_path / "pin"),
        Nss((tmp_path / "profiles/a", Path("/srv/b"))),
        Tpm("swtpm:port=2321"),
    )


def test_one_database_needs_no_brackets(tmp_path: Path) -> None:
    file = written(tmp_path, '[nss]\ndatabase = "/srv/b"\n')
    assert read_preferences(file).nss == Nss((Path("/srv/b"),))


def test_a_file_that_notepad_wrote_is_read(tmp_path: Path) -> None:
    assert read_preferences(written(tmp_path, '\ufefflanguage = "ja"\r\n')).language == "ja"


@pytest.mark.parametrize(
    "text", ['home = "C:\\Users\\me"', 'home = "C:\\data"', 'home = "C:\\temp"', 'home = "D:\\x1"']
)
def test_a_path_of_windows_in_double_quotes_gets_a_hint(tmp_path: Path, text: str) -> None:
    with pytest.raises(Misuse) as caught:
        read_preferences(written(tmp_path, f"\n{text}\n"))
    assert "single quotes" in caught.value.remedy
    assert "line 2" in str(caught.value)
    quoted = text.replace('"', "'")
    assert read_preferences(written(tmp_path, quoted)).home is not None


@pytest.mark.parametrize("text", ["a = {x = 1", "a = [{", "language = ja"])
def test_what_is_no_toml_is_told_in_the_readers_language(pc: Pc, tmp_path: Path, text: str) -> None:
    told = pc.run("status", "--config", str(written(tmp_path, text)), "--lang", "ja")
    assert told.exit_code == 2
    assert "TOML の書き方" in told.output


def test_there_need_not_be_a_file(tmp_path: Path) -> None:
    assert read_preferences(tmp_path / "none.toml") == Preferences()


@pytest.mark.parametrize(
    ("text", "name", "line"),
    [
        ('language = "ja"\nstore = files\n', "TOML", 2),
        ('language = "ja"\n\ncolour = "red"\n', "colour", 3),
        ('\nlanguage = "fr"\n', "language", 2),
        ('store = "safe"\n', "store", 1),
        ("\n\nhooks = 7\n", "hooks", 3),
        ('home = ""\n', "home", 1),
        ('# pkcs11\npkcs11 = "x"\n', "pkcs11", 2),
        ('[pkcs11]\ntoken = "a"\npin = "1234"\n', "pin", 3),
        ('language = """ja', "TOML", 1),
        ("\n[nss]\ndatabase = 7\n", "database", 3),
        ('[nss]\ndatabase = ["a", 7]\n', "database", 2),
        ('[tpm]\nplace = "x"\n', "place", 2),
        ('tpm = "x"\n', "tpm", 1),
    ],
)
def test_a_bad_file_is_told_of_with_the_line(tmp_path: Path, text: str, name: str, line: int) -> None:
    with pytest.raises(Misuse) as caught:
        read_preferences(written(tmp_path, text))
    assert caught.value.fields == {name: f"line {line}"}
    assert str(caught.value).startswith(f"{tmp_path / 'config.toml'}, line {line}, {name}:")


def test_the_pin_in_a_bad_file_is_not_repeated(pc: Pc, tmp_path: Path) -> None:
    file = written(tmp_path, '[pkcs11]\npin = "271828"\n')
    assert "271828" not in pc.run("status", "--config", str(file)).output


def test_a_bad_file_stops_every_command_but_the_help(pc: Pc, tmp_path: Path) -> None:
    file = str(written(tmp_path, "nonsense\n"))
    for words in (("status",), ("renew",), ("config", "show")):
        assert pc.json(*words, "--config", file, code=2)["error"]["type"] == "badConfig"
    assert pc.run("status", "--config", file, "--help").exit_code == 0


def test_a_file_that_is_named_must_be_there(pc: Pc, tmp_path: Path) -> None:
    error = pc.json("status", "--config", str(tmp_path / "none.toml"), code=2)["error"]
    assert list(error["fields"]) == ["--config"]
    assert error["detail"].startswith("There is no file")


def test_the_command_line_counts_before_the_file_and_the_file_before_the_environment(pc: Pc, tmp_path: Path) -> None:
    file = str(written(tmp_path, WHOLE))
    shown = pc.json("config", "show", "--config", file)
    assert shown["settings"]["home"] == str(pc.home)
    assert shown["settings"]["language"] == "ja"
    assert shown["settings"]["pkcs11.token"] == "割符"
    assert shown["settings"]["nss.database"] == [str(tmp_path / "profiles/a"), "/srv/b"]
    assert shown["settings"]["tpm.tcti"] == "swtpm:port=2321"
    assert pc.json("--config", file, "config", "show") == shown
    assert pc.json("config", "show", "--config", file, "--lang", "en")["settings"]["language"] == "en"
    assert "証明書はありません" in pc.run("status", "--config", file).stdout


def test_the_platforms_own_file_is_read(pc: Pc, tmp_path: Path) -> None:
    environment = {**ENGLISH, "XDG_CONFIG_HOME": str(tmp_path)}
    path = tmp_path / "warifu" / "config.toml"
    told = json.loads(pc.run("config", "show", "--json", environment=environment).stdout)
    assert (told["file"], told["exists"], told["settings"]["store"]) == (str(path), False, None)
    path.parent.mkdir()
    path.write_text('store = "nss"\n')
    told = json.loads(pc.run("config", "show", "--json", environment=environment).stdout)
    assert (told["exists"], told["settings"]["store"]) == (True, "nss")


def test_the_example_of_the_guide_is_a_good_file(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "client.md").read_text("utf-8")
    example = guide.partition("```toml\n")[2].partition("```")[0]
    assert read_preferences(written(tmp_path, example)).pkcs11.token is not None

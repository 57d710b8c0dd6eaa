"""CP/CPS and privacy policy: templates that an operator completes, and pages that say what is still missing."""

import dataclasses
import re
import shutil
from pathlib import Path

import pytest

from ca_server.cli.output import FAILURE, run
from ca_server.cli.serve import serve
from ca_server.config import BadConfiguration, Config
from ca_server.pages import TEMPLATES, documents_of
from ca_server.web.documents import BadDocument, Document, read
from tests.ca_server.web.conftest import Opened
from tests.ca_server.web.office import Folder
from tests.ca_server.web.page import Page
from tests.ca_server.web.visitor import LANGUAGES, fetch, page_of

NAMES = ("cps", "privacy")
FACTS = {"organization": "割符 <b>局</b> & *Co*", "cps_url": "https://ca.example/cps"}
NOTICES = {"ja": "まだ効力はありません。", "en": "It is not in force."}


def document(text: str) -> Document:
    return Document("cps", "ja", text, FACTS)


def of_folder(folder: Folder, documents: Path) -> Config:
    server = dataclasses.replace(folder.config.server, documents_folder=documents)
    return dataclasses.replace(folder.config, server=server)


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_init_gives_every_ca_its_own_copy_of_the_templates(folder: Folder) -> None:
    mine = {path.name: path.read_bytes() for path in folder.config.server.documents_folder.iterdir()}
    assert mine == {path.name: path.read_bytes() for path in TEMPLATES.iterdir()}
    assert sorted(mine) == [f"{name}.{language}.md" for name in NAMES for language in ("en", "ja")]


def test_both_languages_of_a_template_have_the_same_parts_and_facts(folder: Folder) -> None:
    documents = {(each.name, each.language): each for each in documents_of(folder.config)}
    for name in NAMES:
        ja, en = (documents[name, language] for language in LANGUAGES)
        numbers = [re.findall(r"^#+ ([0-9.]+)", each.text, re.MULTILINE) for each in (ja, en)]
        assert numbers[0] == numbers[1] != []
        facts = [set(re.findall(r"\{([a-z_]+)\}", each.text)) for each in (ja, en)]
        assert facts[0] == facts[1] != set()
        assert ja.blanks == en.blanks > 0


def test_the_cps_has_the_nine_chapters_of_rfc_3647(folder: Folder) -> None:
    for each in documents_of(folder.config):
        if each.name == "cps":
            assert [place for place, _ in each.page.contents] == list("123456789")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_document_says_what_the_configuration_says(opened: Opened, name: str, language: str) -> None:
    async with opened(applications={"retention_days": 1234}, credentials={"days": 29}) as office:
        page = await page_of(office, f"/{name}", language)
        config = office.config
        for fact in ("1234", "29", config.authority.organization, config.operator.mail, config.operator.telephone):
            assert fact in page.text
        assert not re.search(r"\{[a-z_]+\}|%7B", page.html)
        assert f"{office.url}/privacy" in page.links()
        if name == "cps":
            assert config.profile.policy_oid in page.text
            assert "CN=Client CA G1" in page.text


async def test_one_officer_is_not_called_two(opened: Opened) -> None:
    async with opened(applications={"two_officers": False}) as office:
        text = (await page_of(office, "/cps", "en")).text
    assert "done by one officer" in text
    assert "two different officers" not in text


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_document_with_blanks_says_that_it_is_not_in_force(
    opened: Opened, tmp_path: Path, language: str
) -> None:
    folder = tmp_path / "own"
    shutil.copytree(TEMPLATES, folder)
    async with opened(server={"documents_folder": folder}) as office:
        page = await page_of(office, "/cps", language)
        blanks = page.of("mark")
        assert NOTICES[language] in page.text
        assert f"{len(blanks)} " in page.of("p", "bad")[0]
        text = re.sub(r"【記入[^】]*】|\[complete[^\]]*\]", "1", (folder / f"cps.{language}.md").read_text("utf-8"))
        written(folder, f"cps.{language}.md", text)
        await office.restart()
        page = await page_of(office, "/cps", language)
        assert page.of("mark") == []
        assert NOTICES[language] not in page.text


def test_blanks_are_recognised_in_both_languages_and_with_either_colon() -> None:
    assert document("# T\n\n【記入：a】【記入:b】 [complete: c] [complete] 【注】").blanks == 3


def test_html_of_a_document_is_text_and_nothing_of_it_is_loaded_or_run() -> None:
    text = '# T\n\n<script src="x"></script> ![i](https://x.example/i.png) [a](javascript:alert(1))\n\n<img src="y">\n'
    page = Page(document(text).page.body)
    assert {tag for tag, _ in page.elements} <= {"p", "a"}
    assert not any("javascript" in link for link in page.links())
    assert page.loaded() == []


def test_a_fact_is_shown_by_its_letters_and_an_address_is_a_link() -> None:
    shown = document("# Of {organization}\n\n## 1. {organization}\n\n{organization} `{organization}` {cps_url}\n").page
    page = Page(shown.body)
    assert shown.title == f"Of {FACTS['organization']}"
    assert shown.contents == [("1", f"1. {FACTS['organization']}")]
    assert page.of("p")[0].count(FACTS["organization"]) == 2
    assert page.links() == [FACTS["cps_url"]]


def test_a_fact_or_a_blank_breaks_no_tag_where_it_stands() -> None:
    link = '[x](https://a.example "{cps_url} 【記入：a】")'
    page = Page(document(f"# T\n\n{link} `{{cps_url}} 【記入：b】` 【記入：\nc】\n\n    {{cps_url}} <b>\n").page.body)
    assert {tag for tag, _ in page.elements} <= {"p", "a", "code", "mark", "pre"}
    assert page.elements[1] == ("a", {"href": "https://a.example", "title": "{cps_url} 【記入：a】"})
    assert page.of("mark") == ["【記入：b】", "【記入： c】"]
    assert page.of("code") == [f"{FACTS['cps_url']} 【記入：b】", f"{FACTS['cps_url']} <b>\n"]


def test_headings_have_anchors_and_columns_have_a_scope() -> None:
    text = "# T\n\n## 4. Four\n\n### 4.9 Nine\n\n## None\n\n| a |\n| --- |\n| b |\n"
    page = Page(document(text).page.body)
    assert [attributes["id"] for tag, attributes in page.elements if tag[0] == "h"] == ["4", "4.9", "part-3"]
    assert [attributes for tag, attributes in page.elements if tag == "th"] == [{"scope": "col"}]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"# T\n{nobody}", "there is no {nobody}; there are: cps_url, organization"),
        (b"no title", "its first line must be its title"),
        (b"# \xff", "it cannot be read"),
    ],
)
def test_a_bad_document_is_refused_with_what_is_wrong(tmp_path: Path, text: bytes, told: str) -> None:
    path = tmp_path / "cps.ja.md"
    path.write_bytes(text)
    with pytest.raises(BadDocument) as refusal:
        read(path, "cps", "ja", FACTS)
    assert refusal.value.fault.startswith(told)


def test_a_bad_document_stops_the_start(folder: Folder, tmp_path: Path) -> None:
    path = written(tmp_path, "privacy.en.md", "# T\n\n{organisation}\n")
    with pytest.raises(BadConfiguration, match=re.escape(f"{path} cannot be used:\n  there is no {{organisation}}")):
        documents_of(of_folder(folder, tmp_path))


def test_where_the_operator_has_no_document_yet_the_template_is_shown(folder: Folder, tmp_path: Path) -> None:
    written(tmp_path, "cps.ja.md", "# 割符規程\n")
    texts = {(each.name, each.language): each.text for each in documents_of(of_folder(folder, tmp_path))}
    assert texts["cps", "ja"] == "# 割符規程\n"
    assert texts["cps", "en"] == (TEMPLATES / "cps.en.md").read_text("utf-8")


async def test_a_document_is_read_at_the_start_alone(opened: Opened, tmp_path: Path) -> None:
    written(tmp_path, "cps.ja.md", "# 初版\n")
    async with opened(server={"documents_folder": tmp_path}) as office:
        written(tmp_path, "cps.ja.md", "{broken}")
        assert (await page_of(office, "/cps")).of("h1") == ["初版"]


async def test_a_document_is_shown_in_the_language_of_its_reader(opened: Opened) -> None:
    async with opened() as office:
        for language in LANGUAGES:
            _, content = await fetch(office, "/cps", **{"Accept-Language": f"{language};q=0.9, fr;q=0.1"})
            assert Page(content.decode()).elements[0] == ("html", {"lang": language})


def test_serve_warns_of_blanks_where_others_can_read_them(
    folder: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = folder.config.path.read_text("utf-8")
    text = re.sub("^database = .*$", 'database = "none.db"', said, flags=re.MULTILINE)
    config = written(folder.config.path.parent, "warning.toml", text)
    assert run(serve, ["--config", str(config), "--lang", "en"]) == FAILURE
    told = capsys.readouterr().err
    assert told.count("shown as not in force") == 1
    assert "complete cps.ja.md, cps.en.md, privacy.ja.md, privacy.en.md in" in told
    config = written(
        folder.config.path.parent, "loopback.toml", text.replace("https://ca.example:", "https://localhost:")
    )
    assert run(serve, ["--config", str(config), "--lang", "en"]) == FAILURE
    assert "shown as not in force" not in capsys.readouterr().err

"""`warifu-ca form new`: blank forms with what the configuration says, for institutions to fill in."""

import io
import json
from pathlib import Path

import openpyxl
import pytest

from ca_server.cli import cli
from ca_server.cli.output import FAILURE, REFUSED, USAGE, run
from ca_server.domain.applications import Kind
from ca_server.domain.forms import FORMS
from ca_server.errors import Invalid
from ca_server.forms import layout
from ca_server.forms.reading import read_workbook
from ca_server.language import CODES
from tests.ca_server.forms.workbooks import LANGUAGES, RULES

CONFIGURATION = """
[server]
public_url = "https://ca.example:8443"
http_url = "http://ca.example:8080"
public_listen = "127.0.0.1:8443"
http_listen = "127.0.0.1:8080"
tls_certificate = "tls/server.pem"
tls_key = "tls/server.key.pem"
tls_passphrase_file = "secrets/server.passphrase"
secret_files = ["secrets/server.secret"]
database = "warifu.db"
public_folder = "public"

[authority]
organization = "割符監督庁"
issuer = "issuing-1"
root_certificate = "public/root.pem"
issuing_certificate = "authority/issuing-1.pem"
issuing_key = "authority/issuing-1.key.pem"
issuing_passphrase_file = "secrets/issuing-1.passphrase"
ocsp_certificate = "authority/ocsp.pem"
ocsp_key = "authority/ocsp.key.pem"
ocsp_passphrase_file = "secrets/ocsp.passphrase"

[applications]
most_certificates = 7

[profile]
policy_oid = "1.2.392.1"
cps_url = "https://ca.example/cps"

[mail]
sender = "no-reply@ca.example"
transport = "maildir"

[operator]
contact_name = "ヘルプデスク"
telephone = "000-0000-0000"
mail = "helpdesk@ca.example"
hours = "9:30-18:15"
sender_domains = ["ca.example"]
addressees = ["割符監督庁 認証担当"]
privacy_url = "https://ca.example/privacy"
"""


@pytest.fixture(autouse=True)
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "warifu.toml"
    file.write_text(CONFIGURATION, encoding="utf-8")
    monkeypatch.setenv("WARIFU_CONFIG", str(file))
    monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("code", CODES)
def test_a_blank_form_of_each_kind_is_written_in_each_language(kind: Kind, code: str, tmp_path: Path) -> None:
    assert run(cli, ["form", "new", kind.value, "--output", str(tmp_path / "form.xlsx"), "--language", code]) == 0
    title = layout.sheet_title(FORMS[kind], 1, LANGUAGES[code])
    with pytest.raises(Invalid) as invalid:
        read_workbook((tmp_path / "form.xlsx").read_bytes(), RULES)
    assert {name.startswith(title) for name in invalid.value.fields} == {True}


def test_a_form_says_what_the_configuration_says(tmp_path: Path) -> None:
    assert run(cli, ["form", "new", "DCM902", "--output", str(tmp_path / "form.xlsx")]) == 0
    sheet = openpyxl.load_workbook(io.BytesIO((tmp_path / "form.xlsx").read_bytes())).worksheets[0]
    text = "\n".join(str(cell.value) for row in sheet.iter_rows() for cell in row)
    for told in (
        "割符監督庁 の CP/CPS（https://ca.example/cps）",
        "認証担当 殿",
        "https://ca.example/privacy",
        "1～7枚",
    ):
        assert told in text


def test_the_language_of_a_form_is_its_readers_unless_it_is_named(tmp_path: Path) -> None:
    assert run(cli, ["form", "new", "DCM902", "--output", str(tmp_path / "ja.xlsx")]) == 0
    assert run(cli, ["form", "new", "DCM902", "--output", str(tmp_path / "en.xlsx"), "--lang", "en"]) == 0
    assert run(cli, ["form", "new", "DCM902", "--output", str(tmp_path / "other.xlsx"), "--language", "en"]) == 0
    titles = [openpyxl.load_workbook(tmp_path / f"{name}.xlsx").sheetnames[0] for name in ("ja", "en", "other")]
    assert titles == ["申請書", "Application form", "Application form"]


def test_scripts_are_told_what_was_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = str(tmp_path / "form.xlsx")
    assert run(cli, ["form", "new", "dcm903", "--output", output, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"kind": "DCM903", "version": layout.VERSION, "language": "ja", "output": output}


def test_a_file_that_exists_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "form.xlsx"
    output.write_text("ours")
    assert run(cli, ["form", "new", "DCM902", "--output", str(output)]) == REFUSED
    assert "上書きしません" in capsys.readouterr().err
    assert output.read_text() == "ours"


def test_a_folder_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(cli, ["form", "new", "DCM902", "--output", str(tmp_path / "no" / "form.xlsx")]) == FAILURE
    assert "フォルダーがありません" in capsys.readouterr().err


def test_there_are_four_forms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(cli, ["form", "new", "DCM901", "--output", str(tmp_path / "form.xlsx")]) == USAGE
    assert "DCM902, DCM903, DCM904, DCM905" in capsys.readouterr().err

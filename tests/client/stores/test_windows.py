"""Keys in Windows' key store: what PowerShell is told, byte for byte, and what comes of it with a stand-in for it."""

import base64
import json
import os
import subprocess
from pathlib import Path

import pytest

from client.errors import ClientError, TryLater
from client.stores import powershell
from client.stores.custody import Custody
from client.stores.holder import Holder, holder_of
from client.stores.program import Ended, run, system_folders
from client.stores.windows import CERTREQ, Reference, Windows, best_place, point_of
from keys.algorithms import sign, verify
from keys.csr import build_signing_request, parse_signing_request
from keys.errors import BadSignature, KeystoreError
from tests.client.stand_ins import put_on_path
from tests.client.stand_ins.powershell import decoded, single_quoted
from tests.client.stand_ins.windows_pc import SOFTWARE, TPM, WindowsPc, certificate_of, thumbprint
from tests.client.stores.chains import chain_of

NASTY = (
    "'; Remove-Item C:\\ -Recurse; '",
    "’; exit; ‘",
    "‚‛''’’",
    "$(calc.exe) `n $env:PATH @BODY@ @GIVEN@",
    'say "no" \\" %PATH% ^& | < >',
    "山田 太郎\r\nexit\n",
    "𠮷野家 \u2028 \x00 é",
    "",
)
NAME = "F123456-001 (2027-12-25)"

SIGN_SCRIPT = """\
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
if ($ExecutionContext.SessionState.LanguageMode -ne 'FullLanguage') {
    Write-Output 'warifu:{"error":"constrained"}'
    exit
}
try {
    $given = ConvertFrom-Json '{"name": "\\u5c71 ''\\u2019 \\"\\n", "provider": "p", "digest": "AA=="}'
    $answer = & {
# Signs a digest with a key that is found by its name: r and s, 32 bytes each.
$where = New-Object System.Security.Cryptography.CngProvider -ArgumentList $given.provider
$key = [System.Security.Cryptography.CngKey]::Open($given.name, $where)
$ecdsa = New-Object System.Security.Cryptography.ECDsaCng -ArgumentList $key
@{ signature = [Convert]::ToBase64String($ecdsa.SignHash([Convert]::FromBase64String($given.digest))) }
    }
    $json = ConvertTo-Json -InputObject $answer -Depth 4 -Compress
} catch {
    $failure = $_.Exception.GetBaseException()
    $code = '0x{0:X8}' -f $failure.HResult
    $json = ConvertTo-Json -InputObject @{ error = 'failed'; message = $failure.Message; code = $code } -Compress
}
$ascii = [regex]::Replace($json, '[^ -~]', { '\\u{0:x4}' -f [int][char]$args[0].Value })
[Console]::Out.WriteLine('warifu:' + $ascii) # Write-Output may wrap a long line
"""


@pytest.fixture
def pc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WindowsPc:
    """Return a PC with Windows, whose programs are on the path."""
    folder = put_on_path(tmp_path / "みどり 銀行", "powershell.exe", "certreq.exe", "certutil.exe")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return WindowsPc(folder.parent / "state")


@pytest.fixture
def windows(pc: WindowsPc, tmp_path: Path) -> Holder:
    return holder_of(Custody("windows"), tmp_path)


@pytest.mark.parametrize("quote", ["'", "‘", "’", "‚", "‛"])
def test_each_of_powershells_five_quotes_is_doubled(quote: str) -> None:
    assert powershell.literal(f"a{quote}b") == f"'a{quote}{quote}b'"


def test_a_script_is_its_frame_its_parameters_and_its_body_byte_for_byte() -> None:
    given = {"name": "山 '’ \"\n", "provider": "p", "digest": "AA=="}
    assert powershell.script("sign", given) == SIGN_SCRIPT


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("name", ["create", "sign", "install", "list", "delete", "respond"])
def test_nothing_in_a_parameter_leaves_its_literal(name: str, text: str) -> None:
    script = powershell.script(name, {text: text})
    literal = script.index("ConvertFrom-Json ") + len("ConvertFrom-Json ")
    assert json.loads(single_quoted(script, literal)) == {text: text}
    harmless = powershell.script(name, {})
    assert script.replace(powershell.literal(json.dumps({text: text})), "'{}'") == harmless
    assert script.isascii()


def test_a_script_goes_as_base64_of_utf_16_after_four_options() -> None:
    words = powershell.arguments("exit '山’'")
    assert subprocess.list2cmdline(["powershell.exe", *words]) == (
        "powershell.exe -NoProfile -NonInteractive -OutputFormat Text -EncodedCommand ZQB4AGkAdAAgACcAcVwZICcA"
    )
    assert decoded(words) == "exit '山’'"


def test_a_command_line_that_windows_would_cut_is_not_made() -> None:
    with pytest.raises(ValueError, match="characters"):
        powershell.arguments("#" * 13_000)


def test_an_installation_with_two_large_issuers_fits_into_a_command_line() -> None:
    certificate = base64.b64encode(bytes(1800)).decode()
    given = {"provider": TPM, "name": "w" * 40, "certificate": certificate, "issuers": [certificate] * 2}
    powershell.arguments(powershell.script("install", given))


@pytest.mark.parametrize("output", ["", "warifu:", "warifu:[]", "warifu:{}", "hello", 'warifu:{"signature":7}'])
def test_an_answer_that_is_none_is_an_error_with_the_exit_code(output: str) -> None:
    with pytest.raises(ClientError) as failed:
        powershell.answer(Ended(-196608, output, "アクセスが拒否されました。"), lambda said: said.text("signature"))
    assert failed.value.type == "windowsFailed"
    assert "-196608" in str(failed.value)
    assert "アクセスが拒否されました。" in str(failed.value)


def test_programs_come_from_the_systems_own_folders() -> None:
    assert system_folders("win32", r"D:\Win 山") == (
        r"D:\Win 山\System32",
        r"D:\Win 山\System32\WindowsPowerShell\v1.0",
    )
    assert system_folders("darwin", "") == ("/usr/bin",)


def test_a_program_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClientError) as failed:
        best_place()
    assert (failed.value.type, failed.value.facts) == ("noProgram", {"program": "powershell.exe"})


def test_a_program_that_does_not_end_is_given_up() -> None:
    with pytest.raises(TryLater):
        run("sleep", ["60"], seconds=0.1)


def test_a_key_is_made_in_the_security_chip(windows: Holder, pc: WindowsPc) -> None:
    reference = windows.create("warifu-1")
    assert pc.key_exists(TPM, "warifu-1")
    assert windows.holding(reference).copyable is False


def test_without_a_chip_a_key_is_made_by_windows_and_that_is_said(windows: Holder, pc: WindowsPc) -> None:
    pc.become(tpm=False)
    holding = windows.holding(windows.create("warifu-1"))
    assert pc.key_exists(SOFTWARE, "warifu-1")
    assert holding.copyable is None
    assert "not in a security chip" in holding.sentence


def test_a_provider_that_gives_its_keys_away_is_not_used(windows: Holder, pc: WindowsPc) -> None:
    pc.become(leaky=True)
    with pytest.raises(ClientError, match="can be exported"):
        windows.create("warifu-1")
    assert pc.key_names() == []


def test_a_key_signs_requests_and_messages_and_stays(windows: Holder) -> None:
    key = windows.key(windows.create("warifu-1"))
    assert parse_signing_request(build_signing_request(key, None)).public_key == key.public_key()
    verify(key.public_key(), sign(key, b"message"), b"message")
    with pytest.raises(BadSignature):
        verify(key.public_key(), sign(key, b"message"), b"another")
    with pytest.raises(KeystoreError):
        key.private_bytes()  # type: ignore[call-arg]


def test_a_signature_that_windows_refuses_is_told_in_its_words(windows: Holder) -> None:
    reference = windows.create("warifu-1")
    key = windows.key(reference)
    windows.delete(reference)
    with pytest.raises(ClientError, match="キーセットがありません。 \\(0x80090016\\)"):
        build_signing_request(key, None)


def test_a_key_that_an_interrupted_process_left_is_replaced(windows: Holder, pc: WindowsPc) -> None:
    first = windows.create("warifu-1")
    assert windows.create("warifu-1") != first
    assert pc.key_names() == ["warifu-1"]


def test_a_certificate_arrives_once_with_its_key_and_its_name(windows: Holder, pc: WindowsPc) -> None:
    reference = windows.create("warifu-1")
    chain = chain_of(windows, reference)
    for _ in range(2):
        windows.install(reference, chain, NAME)
    ((path, entry),) = pc.entries("My")
    assert path.stem == thumbprint(chain[0])
    assert (entry["name"], entry["key"]) == (NAME, [TPM, "warifu-1"])
    assert [certificate_of(entry) for _, entry in pc.entries("CA")] == [chain[1]]


def test_a_certificate_of_another_key_is_not_installed(windows: Holder) -> None:
    chain = chain_of(windows, windows.create("warifu-1"))
    with pytest.raises(ClientError, match="0x80070057"):
        windows.install(windows.create("warifu-2"), chain, NAME)


def test_what_is_found_can_be_deleted(windows: Holder, pc: WindowsPc) -> None:
    reference = windows.create("warifu-1")
    windows.install(reference, chain_of(windows, reference), NAME)
    kept = windows.create("warifu-2")
    windows.install(kept, chain_of(windows, kept), "社内用 (2027)")
    (found,) = windows.found()
    assert (found.name, found.reference) == (NAME, reference)
    for _ in range(2):
        windows.delete(found.reference)
    assert windows.found() == []
    assert pc.key_names() == ["warifu-2"]
    assert pc.friendly_names() == ["社内用 (2027)"]


def test_a_certificate_whose_key_is_gone_can_be_deleted(windows: Holder, pc: WindowsPc) -> None:
    reference = windows.create("warifu-1")
    windows.install(reference, chain_of(windows, reference), NAME)
    ((path, entry),) = pc.entries("My")
    path.write_text(json.dumps({**entry, "key": None}))
    windows.delete(windows.found()[0].reference)
    assert list(pc.entries("My")) == []


def test_a_key_without_a_reference_is_deleted_by_its_label(windows: Holder, pc: WindowsPc) -> None:
    pc.become(tpm=False)
    windows.create("warifu-1")
    windows.delete("warifu-1")
    assert pc.key_names() == []


@pytest.mark.parametrize("reference", ["tpm:x", "tpm:x:AAAA", "cloud:x:AAAA", "tpm:x:BB!", "a:b:c:d"])
def test_a_damaged_reference_is_said_to_be(reference: str) -> None:
    with pytest.raises(ClientError) as failed:
        Reference.parse(reference)
    assert failed.value.type == "damagedStore"


@pytest.mark.parametrize("blob", [b"", b"ECS3\x20\0\0\0" + bytes(64), b"ECS1\x20\0\0\0" + bytes(63)])
def test_a_public_key_of_another_kind_is_refused(blob: bytes) -> None:
    with pytest.raises(ValueError, match="P-256"):
        point_of(base64.b64encode(blob).decode())


@pytest.mark.parametrize(
    ("traits", "place"), [({}, ""), ({"constrained": True}, CERTREQ), ({"modern": False}, CERTREQ)]
)
def test_certreq_is_for_pcs_whose_powershell_or_dotnet_will_not_do(
    pc: WindowsPc, traits: dict[str, bool], place: str
) -> None:
    pc.become(**traits)
    assert best_place() == place


def test_where_powershell_is_not_let_windows_keys_are_a_clear_error(pc: WindowsPc, tmp_path: Path) -> None:
    pc.become(constrained=True)
    with pytest.raises(powershell.Constrained, match="Constrained Language Mode"):
        Windows("", tmp_path).create("warifu-1")

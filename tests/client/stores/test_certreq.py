"""Keys by certreq, where PowerShell is not let: what certreq is told, byte for byte, and what comes of it."""

import os
import subprocess
from pathlib import Path, PureWindowsPath

import pytest

from client.errors import ClientError
from client.stores.certreq import accept_arguments, inf, inf_value, new_arguments
from client.stores.custody import Custody
from client.stores.holder import Holder, holder_of
from client.stores.windows import CERTREQ
from keys.algorithms import sign
from keys.csr import build_signing_request, parse_signing_request
from keys.errors import KeystoreError
from tests.client.stand_ins import put_on_path, remembered
from tests.client.stand_ins.certreq import values
from tests.client.stand_ins.windows_pc import SOFTWARE, TPM, WindowsPc
from tests.client.stores.chains import chain_of

NAME = "F123456-001 (2027-12-25)"

INF = """\
[Version]
Signature="$Windows NT$"

[NewRequest]
FriendlyName = "山田 ""太郎"" 100%%’s"
RequestType = PKCS10
ProviderName = "Microsoft Software Key Storage Provider"
KeyContainer = "warifu-1"
KeyAlgorithm = ECDSA_P256
KeyLength = 256
HashAlgorithm = SHA256
KeyUsage = 0x80
Exportable = FALSE
MachineKeySet = FALSE
SMIME = FALSE
Silent = TRUE
"""


@pytest.fixture
def pc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WindowsPc:
    """Return a PC that does not let PowerShell."""
    folder = put_on_path(tmp_path / "みどり 銀行", "powershell.exe", "certreq.exe", "certutil.exe")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    pc = WindowsPc(folder.parent / "state")
    pc.become(constrained=True, trusted=True)
    return pc


@pytest.fixture
def certreq(pc: WindowsPc, tmp_path: Path) -> Holder:
    folder = tmp_path / "0001"
    folder.mkdir()
    return holder_of(Custody("windows", CERTREQ), folder)


def test_the_policy_is_utf_16_with_a_mark_byte_for_byte() -> None:
    made = inf("warifu-1", SOFTWARE, '山田 "太郎" 100%’s')
    assert made == b"\xff\xfe" + INF.replace("\n", "\r\n").encode("utf-16-le")
    assert values(made)["FriendlyName"] == '山田 "太郎" 100%’s'


@pytest.mark.parametrize("text", ["a\nExportable = TRUE", "a\r", "a\x00", "a\u2028b"])
def test_a_line_break_does_not_get_into_a_policy(text: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        inf_value(text)


def test_paths_with_spaces_and_japanese_are_one_argument_each() -> None:
    folder = PureWindowsPath(r"C:\Users\山田 太郎’s\warifu")
    words = new_arguments(folder / "a b.inf", folder / "a b.req")  # type: ignore[arg-type]
    assert subprocess.list2cmdline(["certreq.exe", *words]) == (
        r'certreq.exe -new -user -q -f "C:\Users\山田 太郎’s\warifu\a b.inf" "C:\Users\山田 太郎’s\warifu\a b.req"'
    )
    assert subprocess.list2cmdline(accept_arguments(folder / "a b.p7b")) == (  # type: ignore[arg-type]
        r'-accept -user -q "C:\Users\山田 太郎’s\warifu\a b.p7b"'
    )


def test_the_request_is_made_with_the_key_and_names_nobody(certreq: Holder, pc: WindowsPc) -> None:
    key = certreq.key(certreq.create("warifu-1"))
    assert pc.key_exists(TPM, "warifu-1")
    request = parse_signing_request(build_signing_request(key, None))
    assert request.public_key == key.public_key()
    assert request.common_names == ()
    with pytest.raises(KeystoreError, match="nothing else"):
        sign(key, b"message")


def test_without_a_chip_the_key_is_made_by_windows(certreq: Holder, pc: WindowsPc) -> None:
    pc.become(tpm=False)
    assert certreq.holding(certreq.create("warifu-1")).copyable is None
    assert pc.key_exists(SOFTWARE, "warifu-1")


def test_accounts_keep_their_keys_in_files_then(certreq: Holder) -> None:
    assert not certreq.holds_account_keys


def test_a_certificate_is_accepted_once_where_its_root_is_trusted(certreq: Holder, pc: WindowsPc) -> None:
    reference = certreq.create("warifu-1")
    chain = chain_of(certreq, reference)
    for _ in range(2):
        certreq.install(reference, chain, NAME)
    assert pc.friendly_names() == ["warifu"]
    assert [words[1] for words in remembered(pc.state) if words[0] == "certreq.exe"] == ["-new", "-accept"]


def test_where_the_root_is_not_trusted_the_remedy_is_said(certreq: Holder, pc: WindowsPc) -> None:
    pc.become(trusted=False)
    reference = certreq.create("warifu-1")
    with pytest.raises(ClientError) as failed:
        certreq.install(reference, chain_of(certreq, reference), NAME)
    assert failed.value.type == "rootNotTrusted"
    assert "root certificate" in failed.value.remedy


def test_certenroll_takes_it_without_a_trusted_root_where_powershell_is_let(certreq: Holder, pc: WindowsPc) -> None:
    pc.become(constrained=False, modern=False, trusted=False)
    reference = certreq.create("warifu-1")
    certreq.install(reference, chain_of(certreq, reference), NAME)
    assert pc.friendly_names() == [NAME]


def test_certificate_and_key_are_deleted_together_and_twice_is_no_error(certreq: Holder, pc: WindowsPc) -> None:
    reference = certreq.create("warifu-1")
    certreq.install(reference, chain_of(certreq, reference), NAME)
    for _ in range(2):
        certreq.delete(reference)
    assert pc.key_names() == []
    assert list(pc.entries("My")) == []


def test_what_an_interrupted_process_left_is_replaced(certreq: Holder, pc: WindowsPc) -> None:
    first = certreq.create("warifu-1")
    assert certreq.create("warifu-1") != first
    assert pc.key_names() == ["warifu-1"]


def test_a_failure_is_told_in_windows_words(certreq: Holder, pc: WindowsPc) -> None:
    for provider in (TPM, SOFTWARE):
        pc.create_key(provider, "warifu-1", exportable=False)
    with pytest.raises(ClientError, match="既に存在します"):
        certreq.create("warifu-1")

"""`warifu-ca root new-issuer` and `root use-issuer`: made once, published, written down whole, and never by halves."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from ca_server import keyring
from ca_server.authority.hierarchy import generation_of
from ca_server.cli import cli, roll_over
from ca_server.cli.output import DONE, FAILURE, REFUSED, run
from ca_server.config import Config, load
from ca_server.store import SynchronousDatabase, audit
from keys.generate import generate
from keys.keystore import save_key

Command = Callable[..., Any]
NAME = "issuing-2"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "ca"
    urls = ("--public-url", "https://ca.example:8443", "--http-url", "http://ca.example:8080")
    assert run(cli, ["init", "--directory", str(folder), *urls, "--non-interactive"]) == DONE
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a new CA for one test."""
    shutil.copytree(made, tmp_path / "ca")
    monkeypatch.setenv("WARIFU_CONFIG", str(tmp_path / "ca" / "warifu.toml"))
    return tmp_path / "ca"


@pytest.fixture
def command(folder: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run `root …` for the issuing CA of that name and return the document."""

    def told(subcommand: str, name: str = NAME, *more: str, code: int = DONE) -> Any:
        capsys.readouterr()
        assert run(cli, ["root", subcommand, "--name", name, *more, "--json"]) == code, capsys.readouterr()
        return json.loads(capsys.readouterr().out)

    return told


def config_of(folder: Path) -> Config:
    return load(folder / "warifu.toml")


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file but the records, whose log the command may write."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("warifu.db"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def publish_crl(folder: Path) -> None:
    """Put a CRL where `serve` publishes that of the next issuing CA."""
    (folder / "public" / f"{NAME}.crl").write_bytes(b"CRL")


def test_the_new_issuing_ca_is_the_roots_and_of_the_next_generation(folder: Path, command: Command) -> None:
    told = command("new-issuer")
    coming = config_of(folder).next
    assert coming is not None
    certificate = keyring.load_certificate(coming.issuing_certificate)
    certificate.verify_directly_issued_by(keyring.load_certificate(folder / "public" / "root.pem"))
    assert generation_of(certificate) == 2
    assert x509.load_der_x509_certificate((folder / "public" / f"{NAME}.cer").read_bytes()) == certificate
    assert told["next"] == NAME


def test_all_keys_can_be_opened_and_the_one_in_use_stays(folder: Path, command: Command) -> None:
    command("new-issuer")
    opened = keyring.load_authorities(config_of(folder), 0)
    assert [each.name for each in opened] == ["issuing-1", NAME]
    for each in opened:
        each.ocsp.signer.certificate.verify_directly_issued_by(each.signer.certificate)


def test_the_chain_holds_both_issuing_cas_and_the_root_last(folder: Path, command: Command) -> None:
    command("new-issuer")
    chain = x509.load_pem_x509_certificates((folder / "public" / "chain.pem").read_bytes())
    assert [each.subject.rfc4514_string().partition(",")[0] for each in chain] == [
        "CN=Client CA G1", "CN=Client CA G2", "CN=Root CA G1",
    ]  # fmt: skip


def test_the_configuration_as_it_was_is_kept_beside(folder: Path, command: Command) -> None:
    before = (folder / "warifu.toml").read_bytes()
    (folder / "warifu.toml").chmod(0o640)
    command("new-issuer")
    (kept,) = folder.glob("warifu.toml.*")
    assert kept.read_bytes() == before
    assert {path.stat().st_mode & 0o777 for path in (kept, folder / "warifu.toml")} == {0o640}


def test_a_second_run_changes_nothing_and_says_the_same(folder: Path, command: Command) -> None:
    told, after = command("new-issuer"), tree(folder)
    assert command("new-issuer") == told
    assert tree(folder) == after


@pytest.mark.parametrize("step", ["make_issuing", "publish", "replace_configuration"])
def test_a_run_after_an_interrupted_one_takes_up_what_was_made(
    folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def interrupted(*_: object) -> None:
        raise OSError("interrupted")

    with monkeypatch.context() as patched:
        patched.setattr(roll_over, step, interrupted)
        command("new-issuer", code=FAILURE)
    assert config_of(folder).next is None
    made_before = {path: content for path, content in tree(folder).items() if NAME in path and "ocsp" not in path}
    assert f"authority/{NAME}.key.pem" in made_before
    command("new-issuer")
    assert made_before.items() <= tree(folder).items()
    assert len(keyring.load_authorities(config_of(folder), 0)) == 2


def test_a_certificate_without_its_key_is_not_used(folder: Path, command: Command) -> None:
    shutil.copy(folder / "authority" / "issuing-1.pem", folder / "authority" / f"{NAME}.pem")
    assert "without its key" in command("new-issuer", code=REFUSED)["error"]["detail"]


def test_a_certificate_of_another_root_is_not_used(folder: Path, command: Command) -> None:
    authority = folder / "authority"
    (folder / "secrets" / f"{NAME}.passphrase").write_text("secret\n")
    key = keyring.load_key(folder / "tls" / "ca.key.pem", (folder / "secrets/tls-ca.passphrase").read_text().strip())
    save_key(authority / f"{NAME}.key.pem", key, "secret")
    shutil.copy(folder / "tls" / "ca.pem", authority / f"{NAME}.pem")
    assert "not of this root" in command("new-issuer", code=REFUSED)["error"]["detail"]


@pytest.mark.parametrize("name", ["issuing-1", "root", "../x", "an issuing CA"])
def test_a_name_that_is_taken_or_no_file_name_is_refused_before_anything_is_made(
    folder: Path, command: Command, name: str
) -> None:
    before = tree(folder)
    command("new-issuer", name, code=REFUSED)
    assert tree(folder) == before


def test_one_issuing_ca_at_a_time_is_the_next(command: Command) -> None:
    command("new-issuer")
    assert NAME in command("new-issuer", "issuing-3", code=REFUSED)["error"]["detail"]


def test_a_root_key_in_its_safe_is_asked_for_before_its_passphrase(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(folder / "root")
    (folder / "secrets" / "root.passphrase").unlink()
    capsys.readouterr()
    assert run(cli, ["root", "crl", "--json"]) == REFUSED
    told = json.loads(capsys.readouterr().out)["error"]
    assert set(told["fields"]) == {"key"}
    assert "from its safe" in told["detail"]


def test_another_key_than_the_roots_makes_no_issuing_ca(folder: Path, command: Command, tmp_path: Path) -> None:
    save_key(tmp_path / "other.pem", generate("P-384"), None)
    (tmp_path / "empty").write_text("")
    command("new-issuer", NAME, "--key", str(tmp_path / "other.pem"), code=FAILURE)
    assert config_of(folder).next is None
    assert not (folder / "public" / f"{NAME}.cer").exists()


def test_it_takes_over_no_sooner_than_its_crl_is_published(folder: Path, command: Command) -> None:
    command("new-issuer")
    assert "CRL" in command("use-issuer", code=REFUSED)["error"]["detail"]
    publish_crl(folder)
    command("use-issuer")
    assert [each.issuer for each in config_of(folder).authorities] == [NAME, "issuing-1"]


def test_one_that_was_not_made_cannot_take_over(command: Command) -> None:
    assert "new-issuer" in command("use-issuer", code=REFUSED)["error"]["detail"]


def test_taking_over_twice_changes_nothing(folder: Path, command: Command) -> None:
    command("new-issuer")
    publish_crl(folder)
    command("use-issuer")
    after = tree(folder)
    assert command("use-issuer") == {"issuer": NAME}
    assert tree(folder) == after


def test_the_third_issuing_ca_follows_the_second(folder: Path, command: Command) -> None:
    for name in (NAME, "issuing-3"):
        command("new-issuer", name, "--issuing-key", "RSA-3072")
        (folder / "public" / f"{name}.crl").write_bytes(b"CRL")
        command("use-issuer", name)
    opened = keyring.load_authorities(config_of(folder), 0)
    assert [each.name for each in opened] == ["issuing-3", "issuing-1", NAME]
    assert [generation_of(each.signer.certificate) for each in opened] == [3, 1, 2]


def test_both_steps_are_in_the_audit_log(folder: Path, command: Command) -> None:
    command("new-issuer")
    publish_crl(folder)
    command("use-issuer")
    records = SynchronousDatabase(folder / "warifu.db")
    seen = {action for _, _, action, _ in records.read(audit.of_subject, NAME)}
    assert seen == {"issuing CA made", "issuing CA takes over"}
    records.close()


@pytest.mark.parametrize(("language", "words"), [("ja", "引き継ぎます"), ("en", "takes over")])
def test_people_are_told_in_their_language(
    folder: Path, command: Command, capsys: pytest.CaptureFixture[str], language: str, words: str
) -> None:
    command("new-issuer")
    publish_crl(folder)
    assert run(cli, ["root", "use-issuer", "--name", NAME, "--lang", language]) == DONE
    assert words in capsys.readouterr().out


def test_openssl_verifies_the_new_issuing_ca(folder: Path, command: Command) -> None:
    command("new-issuer")
    verify = ["openssl", "verify", "-CAfile", folder / "public" / "root.pem", folder / "authority" / f"{NAME}.pem"]
    assert subprocess.run(verify, capture_output=True, check=False).returncode == 0

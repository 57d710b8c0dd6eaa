"""Keys that cannot be read, and browsers that find their certificates: enrolment and renewal with the real service."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.end_to_end.agency import Agency, Invitation
from tests.end_to_end.browser import Browsers, Home
from tests.end_to_end.judges import GOOD, judge
from tests.end_to_end.test_person_to_system import assert_let_in, certificates_chosen_by_policy, opened
from tests.end_to_end.web_servers import nginx, open_folder, upstream, write_kit
from tests.tokens import PIN, SoftToken, SoftTpm, program, quick_folder, soft_tpm

Enrol = Callable[[list[str]], dict[str, Any]]


@pytest.fixture(scope="module")
def token() -> Iterator[SoftToken]:
    with quick_folder() as folder:
        yield SoftToken.make(folder)


@pytest.fixture(scope="module")
def tpm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftTpm]:
    with soft_tpm(tmp_path_factory.mktemp("swtpm") / "state") as running:
        yield running


@pytest.fixture
def enrol(agency: Agency, invitation: Invitation, tmp_path: Path) -> Enrol:
    """Return what enrols with some words into the home."""

    def enrolled(words: list[str]) -> dict[str, Any]:
        trust = ("--ca-file", str(agency.root))
        document: dict[str, Any] = agency.warifu(
            "enroll", invitation.url, "--password-stdin", "--yes", *trust, *words,
            home=tmp_path / "home", stdin=invitation.password,
        )  # fmt: skip
        return document

    return enrolled


def renewed(agency: Agency, home: Path, cn: str) -> dict[str, Any]:
    (document,) = agency.warifu("renew", cn, home=home)["certificates"]
    assert document["action"] == "renewed"
    (_, whole) = agency.warifu("show", cn, home=home)["certificates"]
    result: dict[str, Any] = whole
    return result


def assert_good(document: dict[str, Any], agency: Agency, folder: Path) -> None:
    assert (
        judge(
            x509.load_pem_x509_certificate(Path(document["certificate"]).read_bytes()),
            agency.root_certificate(),
            folder,
        )
        == GOOD
    )


def shown(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, timeout=30, check=False).stdout


def test_enrolled_and_renewed_in_a_pkcs11_token(agency: Agency, enrol: Enrol, token: SoftToken, tmp_path: Path) -> None:
    first = enrol(token.options)
    second = renewed(agency, tmp_path / "home", first["cn"])
    for document in (first, second):
        assert (document["holding"], document["copyable"]) == ("pkcs11", False)
        assert_good(document, agency, tmp_path)
    tool = program("pkcs11-tool", "opensc")
    listed = shown(tool, "--module", str(token.module), "--login", "--pin", PIN, "--list-objects")
    names = re.findall(r"^Certificate Object.*?\n  label:\s+(.+)$", listed, re.MULTILINE)
    assert sorted(names) == [f"{each['cn']} ({each['not_after'][:10]})" for each in (first, second)]
    private = re.findall(r"^Private Key Object; EC.*?(?=^\S|\Z)", listed, re.MULTILINE | re.DOTALL)
    assert len(private) == 3
    assert all(
        "always sensitive, never extractable, local" in each.replace("sensitive, always", "always") for each in private
    )
    agency.warifu("delete", first["cn"], "--yes", home=tmp_path / "home")
    assert shown(tool, "--module", str(token.module), "--login", "--pin", PIN, "--list-objects") == ""


def test_enrolled_and_renewed_in_a_tpm(agency: Agency, enrol: Enrol, tpm: SoftTpm, tmp_path: Path) -> None:
    first = enrol(tpm.options)
    second = renewed(agency, tmp_path / "home", first["cn"])
    for document in (first, second):
        assert (document["holding"], document["copyable"]) == ("tpm", False)
        assert_good(document, agency, tmp_path)
        assert Path(document["key"]).read_text("ascii").startswith("-----BEGIN TSS2 PRIVATE KEY-----")


def test_enrolled_and_renewed_in_the_browsers_databases(agency: Agency, enrol: Enrol, tmp_path: Path) -> None:
    database = tmp_path / "nssdb"
    certutil = program("certutil", "libnss3-tools")
    first = enrol(["--store", "nss", "--nss-database", str(database)])
    second = renewed(agency, tmp_path / "home", first["cn"])
    assert_good(second, agency, tmp_path)
    keys = re.findall(r"^<.*> +ec +[0-9a-f]{40}", shown(certutil, "-K", "-d", f"sql:{database}"), re.MULTILINE)
    assert len(keys) == 2
    names = re.findall(r"^(\S+ \S+\).*?) +u,u,u", shown(certutil, "-L", "-d", f"sql:{database}"), re.MULTILINE)
    assert len(names) == 2
    assert all(name.startswith(f"{first['cn']} ({first['not_after'][:10]})") for name in names)


def test_chromium_shows_the_certificate_that_was_renewed_in_its_database(
    agency: Agency, browsers: Browsers, enrol: Enrol, tmp_path: Path
) -> None:
    with upstream() as behind, open_folder() as folder, certificates_chosen_by_policy():
        kit = write_kit(agency, "nginx", folder / "kit", upstream=behind.url)
        person = Home(tmp_path / "person", agency.root)
        person.trust(kit / "tls" / "server.pem")
        cn = enrol(["--store", "nss", "--nss-database", str(person.database)])["cn"]
        renewed(agency, tmp_path / "home", cn)
        with nginx(folder / "nginx", kit) as system, opened(browsers, person, "ja-JP") as page:
            assert_let_in(page, system.url, cn)

"""What the repository offers for download: whole, cacheable, under its name, and good for the commands on its page."""

import asyncio
import hashlib
import io
import os
import shutil
import subprocess
from pathlib import Path

import openpyxl
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from yarl import URL

from ca_server.cli import cli
from ca_server.cli.output import run
from tests.ca_server.web.office import Office
from tests.ca_server.web.visitor import FILES, FORMS, LANGUAGES, PAGES, content_of, fetch, issued, page_of


@pytest.fixture
async def published(office: Office) -> Office:
    """An office whose first CRL is out, by the clock of this machine, which openssl goes by."""
    office.clock.set(office.folder.made_at)
    await office.publish()
    return office


async def test_der_and_pem_are_one_certificate_and_the_plain_address_has_it_too(published: Office) -> None:
    for name in ("root", "issuing-1"):
        der = await content_of(published, f"/ca/{name}.cer")
        (pem,) = x509.load_pem_x509_certificates(await content_of(published, f"/ca/{name}.pem"))
        assert pem.public_bytes(Encoding.DER) == der
        async with published.plain.get(f"/ca/{name}.cer") as answer:
            assert await answer.read() == der


async def test_the_chain_is_the_issuing_ca_then_the_root(published: Office) -> None:
    chain = x509.load_pem_x509_certificates(await content_of(published, "/ca/chain.pem"))
    assert [each.issuer == each.subject for each in chain] == [False, True]
    chain[0].verify_directly_issued_by(chain[1])


@pytest.mark.parametrize("path", [*PAGES, *FILES, FORMS[0]])
async def test_whatever_is_published_can_be_kept_and_asked_for_again(published: Office, path: str) -> None:
    answer, content = await fetch(published, path)
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert ("Accept-Language" in answer.headers.get("Vary", "")) is (path in PAGES)
    again, nothing = await fetch(published, path, **{"If-None-Match": answer.headers["ETag"]})
    assert (again.status, nothing, again.headers["ETag"]) == (304, b"", answer.headers["ETag"])
    # A browser puts a 304's headers in place of those that it kept (RFC 9111 §3.2), its policy too.
    for name in ("Cache-Control", "Content-Security-Policy", "Cross-Origin-Opener-Policy", "Vary"):
        assert again.headers.get(name) == answer.headers.get(name)
    assert ("Content-Security-Policy" in answer.headers) is (path in PAGES)
    weak, _ = await fetch(published, path, **{"If-None-Match": f'"other", W/{answer.headers["ETag"]}'})
    assert weak.status == 304
    other, _ = await fetch(published, path, **{"If-None-Match": '"other"'})
    assert other.status == 200
    head, nothing = await fetch(published, path, "HEAD")
    assert (head.status, nothing) == (200, b"")
    for name in ("ETag", "Content-Type", "Content-Length"):
        assert head.headers[name] == answer.headers[name]
    assert int(answer.headers["Content-Length"]) == len(content)


async def test_what_was_kept_is_asked_for_anew_when_a_crl_came_out(published: Office) -> None:
    tags = [(await fetch(published, path))[0].headers["ETag"] for path in ("/", "/crl/issuing-1.crl")]
    await published.revoke_seat()
    published.clock.pass_by(minutes=1)
    await published.publish()
    for path, tag in zip(("/", "/crl/issuing-1.crl"), tags, strict=True):
        assert (await fetch(published, path, **{"If-None-Match": tag}))[0].status == 200


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/ca/root.cer", "application/pkix-cert"),
        ("/ca/root.pem", "application/pem-certificate-chain"),
        ("/crl/issuing-1.crl", "application/pkix-crl"),
        (FORMS[0], "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ],
)
async def test_a_file_is_saved_under_its_name(published: Office, path: str, media_type: str) -> None:
    answer, _ = await fetch(published, path)
    assert answer.headers["Content-Type"] == media_type
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{path.rpartition("/")[2]}"'


@pytest.mark.parametrize("prefix", ["..%2f", "%2e%2e%2f", "..%5c", "%2f", ".", "", "public%2f"])
async def test_nothing_but_what_is_published_has_an_address(published: Office, prefix: str) -> None:
    folder = published.config.server.public_folder
    (folder.parent / "secret.crl").write_bytes(b"secret")
    (folder / ".root.crl.new").write_bytes(b"secret")
    for path in (
        f"/crl/{prefix}secret.crl",
        f"/ca/{prefix}secret.cer",
        f"/ca/{prefix}secret.pem",
        "/ca/root.crl",
        "/crl/.root.crl.new",
    ):
        raw = URL(str(published.public.make_url("")).rstrip("/") + path, encoded=True)
        async with published.public.session.get(raw) as answer:
            assert answer.status == 404
            assert b"secret" not in await answer.read()


@pytest.mark.parametrize("path", FORMS)
async def test_a_form_is_the_one_that_form_new_writes(office: Office, path: str, tmp_path: Path) -> None:
    kind, language, _ = path.rpartition("/")[2].split(".")
    config = ["--config", str(office.folder.config.path)]
    written = tmp_path / "form.xlsx"
    assert run(cli, ["form", "new", kind, "--output", str(written), "--language", language, *config]) == 0
    mine, theirs = (
        openpyxl.load_workbook(io.BytesIO(each)) for each in (await content_of(office, path), written.read_bytes())
    )
    assert mine.sheetnames == theirs.sheetnames
    for name in mine.sheetnames:
        assert [[cell.value for cell in row] for row in mine[name]] == [
            [cell.value for cell in row] for row in theirs[name]
        ]


async def test_a_form_is_drawn_once_however_many_ask(office: Office) -> None:
    contents = await asyncio.gather(*(content_of(office, FORMS[0]) for _ in range(5)))
    assert len(set(contents)) == 1


@pytest.mark.parametrize("path", ["/forms/DCM901.ja.xlsx", "/forms/DCM902.fr.xlsx", "/forms/DCM902.xlsx"])
async def test_there_are_four_forms_in_two_languages(office: Office, path: str) -> None:
    assert (await fetch(office, path))[0].status == 404


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_commands_of_the_page_work_as_they_stand(published: Office, language: str, tmp_path: Path) -> None:
    certificate = await issued(published)
    place = tmp_path / "downloads"
    place.mkdir()
    for path in FILES:
        (place / path.rpartition("/")[2]).write_bytes(await content_of(published, path))
    (place / "client.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    commands = (await page_of(published, language=language)).of("pre", "command")
    outputs = [await shell(command, place, published) for command in commands]
    digest = hashlib.sha256((place / "root.cer").read_bytes()).digest().hex(":").upper()
    assert len(outputs) == 5
    assert digest in outputs[0]
    assert outputs[1] == "issuing-1.pem: OK\n"
    assert outputs[2].count("verify OK") == 2
    assert outputs[2].count("crlNumber=0x01") == 2
    assert outputs[3] == "client.pem: OK\n"
    assert "Response verify OK" in outputs[4]
    assert "client.pem: good" in outputs[4]


async def test_the_commands_of_the_page_show_a_revocation(published: Office, tmp_path: Path) -> None:
    certificate = await issued(published)
    await published.revoke_seat()
    await published.publish()
    for path in FILES:
        (tmp_path / path.rpartition("/")[2]).write_bytes(await content_of(published, path))
    (tmp_path / "client.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    *_, verify, ask = (await page_of(published)).of("pre", "command")
    assert "certificate revoked" in await shell(verify, tmp_path, published, code=2)
    assert "client.pem: revoked" in await shell(ask, tmp_path, published)


async def shell(command: str, place: Path, office: Office, code: int = 0) -> str:
    """Run a command as printed; the plain address is reached as through a proxy, for its name is not in the DNS."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing (Debian package openssl)")
    environment = {"PATH": os.environ["PATH"], "http_proxy": str(office.plain.make_url("")).removeprefix("http://")}
    process = await asyncio.create_subprocess_shell(
        "set -e\n" + command, cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == code, output.decode()
    return output.decode()

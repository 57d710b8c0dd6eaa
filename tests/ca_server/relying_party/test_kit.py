"""A kit is complete as it is written: nothing left to fill in, nothing secret, pages that stand alone."""

import base64
import configparser
import hashlib
import html.parser
import json
import re
import subprocess
from pathlib import Path

import pytest

from ca_server.relying_party.kit import SERVERS, VERDICTS, WEB_SERVERS, Authority, Kit, rfc2253, write
from tests.ca_server.relying_party.forge import Ca, ca, pem, pem_crl
from tests.end_to_end.web_servers import program

OURS = ca()


def make(folder: Path, server: str, authority: Ca = OURS, **crls: bytes) -> Path:
    told = Authority(
        authority.organization, "http://ca.example", authority.root.certificate,
        {"issuing-1": authority.issuing.certificate},
        {name.replace("_", "-"): each for name, each in crls.items()}, 60, "desk",
    )  # fmt: skip
    write(Kit(server, folder, "www.example.jp", (), "http://127.0.0.1:8000"), told)
    return folder


@pytest.mark.parametrize("server", SERVERS)
def test_nothing_is_left_to_fill_in_and_everybody_may_read_it(server: str, tmp_path: Path) -> None:
    crls = (OURS.crl(of=OURS.root), OURS.crl())
    kit = make(tmp_path / "kit", server, root=crls[0], issuing_1=crls[1])
    for path in (each for each in kit.rglob("*") if each.is_file()):
        text = path.read_bytes().decode() if path.suffix != ".crl" else ""
        assert re.search(r"\{\{|\{%|[\ue000\ue001]|PRIVATE KEY", text) is None, path
        assert path.stat().st_mode & 0o777 == (0o755 if path.name == "fetch-crls" else 0o644)
    assert (kit / "ca-chain.pem").read_bytes() == pem(OURS.root.certificate, OURS.issuing.certificate)
    assert (kit / "crl.pem").read_bytes() == b"".join(map(pem_crl, crls))


def test_a_kit_without_crls_waits_for_its_job(tmp_path: Path) -> None:
    kit = make(tmp_path / "kit", "nginx", root=OURS.crl(of=OURS.root))
    assert (kit / "crl.pem").read_bytes().count(b"BEGIN X509 CRL") == 1
    assert sorted(each.name for each in (kit / "crls").iterdir()) == ["issuing-1.pem", "root.crl", "root.pem"]


def test_a_kit_trusts_every_issuing_ca_and_fetches_the_crl_of_each(tmp_path: Path) -> None:
    others = ca("2")
    issuing = {"issuing-2": others.issuing.certificate, "issuing-1": OURS.issuing.certificate}
    crls = {"root": OURS.crl(of=OURS.root), "issuing-2": others.crl(), "issuing-1": OURS.crl()}
    told = Authority(OURS.organization, "http://ca.example", OURS.root.certificate, issuing, crls, 60, "desk")
    kit = tmp_path / "kit"
    write(Kit("nginx", kit, "www.example.jp", (), "http://127.0.0.1:8000"), told)
    assert (kit / "ca-chain.pem").read_bytes() == pem(OURS.root.certificate, *issuing.values())
    assert (kit / "crl.pem").read_bytes() == b"".join(map(pem_crl, crls.values()))
    fetched = configparser.ConfigParser()
    fetched.read(kit / "fetch-crls.ini")
    assert dict(fetched["crls"]) == {name: f"http://ca.example/crl/{name}.crl" for name in crls}


class _Reader(html.parser.HTMLParser):
    """Notes tags that are not closed in order, languages, and whatever would be loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.languages: set[str | None] = set()
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.languages |= {value for name, value in attrs if name == "lang"}
        self.loaded += [str(value) for name, value in attrs if name in ("src", "srcset", "action", "style")]
        self.loaded += [str(value) for name, value in attrs if name == "href" and not str(value).startswith("#")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("server", list(WEB_SERVERS))
def test_each_page_stands_alone_in_both_languages_and_its_style_is_the_one_that_the_policy_lets_through(
    server: str, tmp_path: Path
) -> None:
    kit = make(tmp_path / "kit", server)
    configuration = (kit / WEB_SERVERS[server][0]).read_text("utf-8")
    assert {path.stem for path in (kit / "pages").iterdir()} == set(VERDICTS)
    for verdict in VERDICTS:
        text = (kit / "pages" / f"{verdict}.html").read_text("utf-8")
        reader = _Reader()
        reader.feed(text)
        assert (reader.open, reader.loaded, reader.languages) == ([], [], {"ja", "en"})
        assert "<script" not in text
        style = re.findall("(?s)<style>(.*)</style>", text)[0].replace("%%", "%")
        assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in configuration
        assert len(text.encode()) < 12_000  # with its headers it has to fit into HAProxy's buffer of 16 KiB
    assert json.loads((kit / "pages" / "none.json").read_text()) == {
        "verdict": "none", "accepted": False, "certificate": None,
    }  # fmt: skip


def test_the_self_test_lets_the_old_certificate_live_to_its_end_and_speaks_in_the_words_of_the_mails(
    tmp_path: Path,
) -> None:
    pages = make(tmp_path / "kit", "nginx") / "pages"
    for verdict in VERDICTS:
        text = (pages / f"{verdict}.html").read_text("utf-8")
        assert re.findall("二つ|終了日時|[ぁ-ん。、] ?PC|PC ?[ぁ-ん]|確かめたら、古い|Once the new one", text) == []
        if verdict != "none":
            assert "同じ名前の証明書が 2 枚あるとき" in text
            assert (
                "古い証明書は、有効期限まで使えます。期限が過ぎたら、有効期限の早いほうだけを削除して構いません。"
                in text
            )
            assert "The old one can be used until it ends." in text


@pytest.mark.parametrize("organization", ["割符試験機構", "Example, Inc.", ' #a+"b"\\<c>;=, ', "#", "##", " ", "é😀"])
def test_a_name_is_written_as_openssl_writes_it(organization: str, tmp_path: Path) -> None:
    certificate = tmp_path / "certificate.pem"
    certificate.write_bytes(pem(ca(organization).certificate()))
    for options, in_ascii in (("RFC2253", True), ("RFC2253,-esc_msb", False)):
        told = subprocess.run(
            [program("openssl"), "x509", "-in", str(certificate), "-noout", "-subject", "-nameopt", options],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        expected = f"subject=CN=F123456-001,OU=F123456,O={rfc2253(organization, in_ascii=in_ascii)},C=JP\n"
        assert told == expected

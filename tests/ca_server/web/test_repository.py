"""The repository's page: each fact on it is that of the file it names, for everybody who reads it."""

import datetime
import hashlib
import json
import re
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca_server import keyring
from ca_server.authority.hierarchy import make_issuing, make_root_crl
from ca_server.config import BadConfiguration
from ca_server.notices.messages import NoticeKind
from ca_server.pages import pages_of
from keys.generate import generate
from tests.ca_server.web.conftest import Opened
from tests.ca_server.web.office import Folder, Office, configured
from tests.ca_server.web.page import Page
from tests.ca_server.web.visitor import FILES, FORMS, LANGUAGES, PAGES, content_of, fetch, issued, page_of


@pytest.fixture
async def published(office: Office) -> Office:
    """An office whose first CRL is out."""
    await office.publish()
    return office


def fingerprints(page: Page) -> list[str]:
    return [re.sub(r"[\s:]", "", text).lower() for text in page.of("code", "fingerprint")]


def rows(page: Page, section: str) -> dict[str, str]:
    """Return the table that follows the heading with an id, as its row heads and cells."""
    table = re.search(rf'id="{section}".*?<table[^>]*>(.*?)</table>', page.html, re.DOTALL)
    assert table is not None
    found = Page(table[1])
    texts = [re.sub(r"\s+", " ", text).strip() for text in found.of("td")]
    return dict(zip(found.of("th"), texts, strict=True))


def japan(moment: datetime.datetime) -> str:
    """Return a moment as the Japanese page writes it, by other means than the page."""
    tokyo = moment + datetime.timedelta(hours=9)
    return f"{tokyo.year}年{tokyo.month}月{tokyo.day}日 {tokyo:%H:%M:%S}（日本時間） {moment:%Y-%m-%d %H:%M:%S} UTC"


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_fingerprints_are_those_of_the_files(published: Office, language: str) -> None:
    files = [await content_of(published, f"/ca/{name}.cer") for name in ("root", "issuing-1")]
    digests = [digest(content).hexdigest() for content in files for digest in (hashlib.sha256, hashlib.sha1)]
    assert fingerprints(await page_of(published, language=language)) == digests


@pytest.mark.parametrize("name", ["root", "issuing-1"])
async def test_a_certificate_is_described_as_it_is(published: Office, name: str) -> None:
    certificate = x509.load_der_x509_certificate(await content_of(published, f"/ca/{name}.cer"))
    told = rows(await page_of(published), f"ca-{name}")
    assert told["名前"].startswith("C=JP, O=Example Agency Client CA, CN=")
    assert told["名前"].split(", ")[::-1] == certificate.subject.rfc4514_string().split(",")
    assert int(told["シリアル番号"], 16) == certificate.serial_number
    assert told["有効期間の始まり"] == japan(certificate.not_valid_before_utc)
    assert told["有効期間の終わり"] == japan(certificate.not_valid_after_utc)


@pytest.mark.parametrize("name", ["root", "issuing-1"])
async def test_a_crl_is_described_as_it_is(published: Office, name: str) -> None:
    content = await content_of(published, f"/crl/{name}.crl")
    crl = x509.load_der_x509_crl(content)
    told = rows(await page_of(published), f"crl-{name}")
    assert told["番号"] == str(crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number)
    assert crl.next_update_utc is not None
    assert told["今回の更新"] == japan(crl.last_update_utc)
    assert told["次回の更新期限"] == japan(crl.next_update_utc)
    assert told["大きさ"] == f"{len(content):,} バイト"


async def test_the_page_follows_a_revocation(published: Office) -> None:
    before = rows(await page_of(published), "crl-issuing-1")["番号"]
    await published.revoke_seat()
    published.clock.pass_by(minutes=1)
    number = await published.publish()
    assert rows(await page_of(published), "crl-issuing-1")["番号"] == str(number) != before


async def test_the_page_follows_a_new_crl_of_the_root(published: Office) -> None:
    config, folder = published.config, published.folder.config.path.parent
    await page_of(published)
    root = keyring.load_signer(
        config.authority.root_certificate, folder / "root" / "root.key.pem", folder / "secrets" / "root.passphrase"
    )
    der = make_root_crl(keyring.hierarchy_profile(config), root, [], 77, published.clock.now())
    (config.server.public_folder / "root.crl").write_bytes(der)
    assert rows(await page_of(published), "crl-root")["番号"] == "77"


async def test_the_issuing_cas_crl_is_never_read_for_the_page(published: Office) -> None:
    told = rows(await page_of(published), "crl-issuing-1")
    (published.config.server.public_folder / "issuing-1.crl").write_bytes(b"x" * 1234)
    assert rows(await page_of(published), "crl-issuing-1") == told | {"大きさ": "1,234 バイト"}


async def test_before_the_first_crl_or_with_a_damaged_one_the_page_says_that_there_is_none(office: Office) -> None:
    (office.config.server.public_folder / "root.crl").write_bytes(b"damaged")
    assert (await page_of(office)).text.count("まだ公開されていません。") == 2


async def test_a_former_issuing_ca_stays_in_the_repository(folder: Folder, tmp_path: Path) -> None:
    config = configured(folder, tmp_path, {})
    home = folder.config.path.parent
    root = keyring.load_signer(
        config.authority.root_certificate, home / "root" / "root.key.pem", home / "secrets" / "root.passphrase"
    )
    former = make_issuing(keyring.hierarchy_profile(config), root, generate("P-256"), folder.made_at)
    der = former.certificate.public_bytes(Encoding.DER)
    (config.server.public_folder / "former.cer").write_bytes(der)
    async with Office(folder, config).open() as office:
        page = await page_of(office, language="en")
        assert "Former issuing CA" in page.of("h3")
        assert fingerprints(page)[4] == hashlib.sha256(der).hexdigest()
        chain = x509.load_pem_x509_certificates(await content_of(office, "/ca/chain.pem"))
        assert [each.serial_number for each in chain[1:]] == [
            former.certificate.serial_number,
            root.certificate.serial_number,
        ]


@pytest.mark.parametrize("damage", ["missing", "damaged"])
async def test_a_start_without_the_cas_certificates_is_refused(folder: Folder, tmp_path: Path, damage: str) -> None:
    config = configured(folder, tmp_path, {})
    root = config.server.public_folder / "root.cer"
    root.unlink() if damage == "missing" else root.write_bytes(b"damaged")
    with pytest.raises(BadConfiguration, match="public cannot be used"):
        pages_of(config, None)  # type: ignore[arg-type]


async def test_both_languages_hold_the_same_links_and_keep_the_language(published: Office) -> None:
    for path in PAGES:
        found = {}
        for language in LANGUAGES:
            links = [link for link in (await page_of(published, path, language)).links() if not link.startswith("?")]
            pages = [link for link in links if re.match(r"/(\?|e/|cps|privacy)", link)]
            assert pages
            assert {link.partition("?")[2] for link in pages} == {f"language={language}"}
            found[language] = [link.partition("?")[0] for link in links]
        assert found["ja"] == found["en"]


async def test_every_link_of_the_page_leads_somewhere(published: Office) -> None:
    page = await page_of(published)
    places = {attributes.get("id") for _, attributes in page.elements}
    followed = []
    for link in page.links():
        if link.startswith("#"):
            assert link[1:] in places
        elif link.startswith(("/", published.url)):
            path = link.removeprefix(published.url)
            assert (await fetch(published, path, "HEAD"))[0].status == 200, link
            followed.append(path)
    assert set(FORMS + FILES) <= set(followed)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_mails_and_whom_to_ask_stand_on_the_page(office: Office, language: str) -> None:
    page = await page_of(office, language=language)
    kinds = [
        NoticeKind.ENROLMENT_URL,
        NoticeKind.ENROLMENT_PASSWORD,
        NoticeKind.RENEWAL_URL,
        NoticeKind.RENEWAL_PASSWORD,
        NoticeKind.REVOKED,
        NoticeKind.CHANGED,
    ]
    templates = Path(__file__).parents[3] / "ca_server" / "notices" / "templates" / language
    subjects = [
        re.split(r" ?[(（]", (templates / f"{kind}.txt").read_text("utf-8").splitlines()[0])[0] for kind in kinds
    ]
    assert [text for text in page.of("li") if text in subjects] == subjects
    operator = office.config.operator
    for told in (office.config.mail.sender, *operator.sender_domains):
        assert told in page.of("code")
    foot = page.of("footer")[0]
    for told in (operator.contact_name, operator.telephone, operator.mail, operator.hours):
        assert told in foot


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, {"ja": "お問い合わせ窓口にご確認ください。", "en": "ask the help desk."}),
        (
            {"filing": "<総務課> へ郵送", "filing_en": "Mail it & wait"},
            {"ja": "<総務課> へ郵送", "en": "Mail it & wait"},
        ),
        ({"filing": "総務課へ郵送"}, {"ja": "総務課へ郵送", "en": "総務課へ郵送"}),
    ],
    ids=["nothing said", "both languages", "Japanese alone"],
)
async def test_where_and_how_to_file_a_form_stands_above_the_forms(
    opened: Opened, settings: dict[str, str], told: dict[str, str]
) -> None:
    async with opened(operator=settings) as office:
        for language in LANGUAGES:
            text = (await page_of(office, language=language)).text
            assert told[language] in text[: text.index("DCM902")]


async def test_the_page_tells_how_to_find_a_certificate_on_a_pc_and_when_to_delete_it(office: Office) -> None:
    text = (await page_of(office)).text
    steps = (
        "スタートで「ユーザー証明書の管理」を検索して開き、「個人」→「証明書」の「発行先」に CN があるか確かめます。"
    )
    assert steps in text
    assert "「証明書失効完了のお知らせ」を受け取った後に、パソコンから削除して構いません。" in text
    text = (await page_of(office, language="en")).text
    assert "Manage user certificates" in text
    assert "after the mail “A client certificate was revoked”" in text


@pytest.mark.parametrize(
    ("written", "dialled"),
    [("03-1234-5678", "0312345678"), ("+81 (3) 1234-5678", "+81312345678"), ("０３–１２３４ 代表", "031234")],
)
async def test_a_telephone_is_dialled_by_its_digits(opened: Opened, written: str, dialled: str) -> None:
    async with opened(operator={"telephone": written}) as office:
        for language in LANGUAGES:
            page = await page_of(office, language=language)
            assert f"tel:{dialled}" in page.links()
            assert written in page.of("footer")[0]


async def test_systems_find_their_addresses(office: Office) -> None:
    told = rows(await page_of(office), "addresses")
    certificate = await issued(office)
    pointers = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    ocsp, issuer = (each.access_location.value for each in pointers)
    crl = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value[0].full_name
    assert crl is not None
    assert told["OCSP"].startswith(ocsp + "RFC 6960")
    assert told["証明書 issuing-1"] == issuer
    assert told["CRL issuing-1"] == crl[0].value
    assert told["ACME"].startswith(office.url + "/directory")


@pytest.mark.parametrize("path", [*PAGES, "/nowhere"])
@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_page_loads_nothing_from_elsewhere_and_holds_no_script(
    office: Office, path: str, language: str
) -> None:
    answer, content = await fetch(office, f"{path}?language={language}", Accept="text/html")
    page = Page(content.decode())
    assert page.loaded()
    assert all(re.match(r"/[^/]", address) for address in page.loaded())
    assert page.scripts_within() == []
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert not any(each in policy for each in ("unsafe", "data:", "*"))
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_page_is_made_for_screen_readers(published: Office, path: str, language: str) -> None:
    page = await page_of(published, path, language)
    tags = [tag for tag, _ in page.elements]
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip([0, *levels], levels, strict=False))
    assert dict(page.elements[0][1]) == {"lang": language}
    assert all(attributes.get("scope") for tag, attributes in page.elements if tag == "th")
    assert all("alt" in attributes for tag, attributes in page.elements if tag == "img")


async def test_an_organization_is_shown_by_its_letters(opened: Opened) -> None:
    name = '<script>alert("割符")</script> & *Co*'
    async with opened(authority={"organization": name}) as office:
        for path in PAGES:
            page = await page_of(office, path)
            assert name in page.of("span")[0]
            assert "script" not in [tag for tag, _ in page.elements]
        assert name in (await page_of(office)).text
        assert name in (await page_of(office, "/cps")).text


async def test_documents_that_are_read_elsewhere_are_linked_and_not_shown_here(opened: Opened) -> None:
    elsewhere = {"profile": {"cps_url": "https://www.example/cps"}, "operator": {"privacy_url": None}}
    async with opened(**elsewhere) as office:
        assert "https://www.example/cps" in (await page_of(office)).links()
        assert not any("privacy" in link for link in (await page_of(office)).links())
        for path in ("/cps", "/privacy"):
            assert (await fetch(office, path))[0].status == 404


@pytest.mark.parametrize(("language", "title"), [("ja", "ページが見つかりません"), ("en", "Page not found")])
async def test_a_person_who_goes_astray_is_shown_the_way_back(office: Office, language: str, title: str) -> None:
    headers = {"Accept": "text/html,*/*;q=0.8", "Accept-Language": language}
    answer, content = await fetch(office, "/nowhere", **headers)
    assert (answer.status, answer.headers["Cache-Control"]) == (404, "no-store")
    page = Page(content.decode())
    assert page.of("h1") == [title]
    assert {f"/?language={language}", f"/e/?language={language}"} <= set(page.links())


async def test_a_program_that_goes_astray_gets_a_problem_document(office: Office) -> None:
    answer, content = await fetch(office, "/nowhere")
    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json")
    assert json.loads(content)["status"] == 404

"""What people see when their request fails: a page in their language, where programs get a problem document."""

import json

import pytest

from ca_server.authority.extensions import subject_key_identifier
from ca_server.web.repository import Repository
from protocol.problems import Problem, ProblemType
from protocol.renewal_info import certificate_id
from tests.ca_server.web.office import Office
from tests.ca_server.web.page import Page
from tests.ca_server.web.visitor import fetch

TOLD = {
    "ja": "ただいま混み合っています。1 分ほど待ってから、開き直してください。URL は、そのまま使えます。",
    "en": "The service is busy. Wait for a minute, then open the page again. Its URL stays good.",
}
PERSON = "text/html,application/xhtml+xml,*/*;q=0.8"


def break_down(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    async def show(*_: object) -> None:
        raise error

    monkeypatch.setattr(Repository, "_crl", show)


@pytest.mark.parametrize("language", list(TOLD))
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError("secret"), 500),
        (Problem(ProblemType.SERVER_INTERNAL, status=503), 503),
        (Problem(ProblemType.MALFORMED, status=413), 413),
        (Problem(ProblemType.MALFORMED, status=408), 408),
    ],
    ids=["500", "503", "413", "408"],
)
async def test_a_person_is_told_what_to_do_in_the_frame(
    office: Office, monkeypatch: pytest.MonkeyPatch, language: str, error: Exception, status: int
) -> None:
    break_down(monkeypatch, error)
    answer, content = await fetch(office, "/", Accept=PERSON, **{"Accept-Language": language})
    assert (answer.status, answer.content_type, answer.headers["Cache-Control"]) == (status, "text/html", "no-store")
    page = Page(content.decode())
    assert page.elements[0] == ("html", {"lang": language})
    assert TOLD[language] in page.text
    assert answer.headers["Request-Id"] in page.of("code")
    assert page.of("footer")
    assert "secret" not in page.html


async def test_a_program_gets_the_problem_document(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    break_down(monkeypatch, RuntimeError())
    answer, content = await fetch(office, "/")
    assert (answer.status, answer.content_type) == (500, "application/problem+json")
    assert json.loads(content)["type"].endswith(":serverInternal")
    break_down(monkeypatch, Problem(ProblemType.SERVER_INTERNAL, status=503))
    answer, _ = await fetch(office, "/", Accept="application/json")
    assert (answer.status, answer.content_type) == (503, "application/problem+json")


async def test_a_form_that_is_sent_here_is_still_told_what_is_allowed(office: Office) -> None:
    answer, _ = await fetch(office, "/", "POST", Accept=PERSON)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    ("wanted", "language", "told"),
    [
        (None, "en", "There is no renewal information for this certificate."),
        ("fr-FR", "en", "There is no renewal information for this certificate."),
        ("en-GB,ja;q=0.5", "en", "There is no renewal information for this certificate."),
        ("ja;q=0, en;q=0.1", "en", "There is no renewal information for this certificate."),
        ("jam", "en", "There is no renewal information for this certificate."),
        ("ja-JP;q=0, ja;q=0.9, en;q=0.5", "ja", "この証明書の更新情報はありません。"),
        ("en;q=0.1, ja;q=0.9", "ja", "この証明書の更新情報はありません。"),
        ("ja-JP,ja;q=0.9,en;q=0.8", "ja", "この証明書の更新情報はありません。"),
    ],
)
async def test_a_problem_is_told_in_the_language_that_a_program_asks_for(
    office: Office, wanted: str | None, language: str, told: str
) -> None:
    path = f"/acme/renewal-info/{certificate_id(subject_key_identifier(office.folder.issuing.public_key).digest, 1)}"
    reply = await office.caller().send("GET", path, headers={"Accept-Language": wanted} if wanted else {})
    assert reply.refusal == (404, "malformed")
    assert (reply.headers["Content-Language"], reply.detail) == (language, told)


async def test_what_only_a_faulty_program_brings_about_is_english_and_says_so(office: Office) -> None:
    reply = await office.caller().send("POST", "/acme/new-order", b"{}", {"Accept-Language": "ja"})
    assert (reply.status, reply.headers["Content-Language"]) == (415, "en")
    assert reply.detail.isascii()


async def test_who_meets_an_unforeseen_error_is_told_the_request_id_in_his_language(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_down(monkeypatch, RuntimeError("secret"))
    answer, content = await fetch(office, "/", **{"Accept-Language": "ja"})
    detail = json.loads(content)["detail"]
    assert detail.startswith("サーバーの内部でエラーが起き")
    assert detail.endswith(f"要求番号: {answer.headers['Request-Id']}")
    assert "secret" not in detail

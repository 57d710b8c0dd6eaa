"""The look of every page for people: one frame, Japanese and English, one set of headers, and the files it loads.

Templates lie in `templates/ja` and `templates/en` and stand in `templates/frame.html`; style sheet and scripts lie in
`static` and are sent as they are. Nothing is loaded from elsewhere and no script stands in a page (CSP, level 3).
"""

import dataclasses
import hashlib
import mimetypes
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import jinja2
from aiohttp import web

from ca_server.notices.messages import Operator

LANGUAGES: Final = ("ja", "en")
_TEMPLATES: Final = Path(__file__).parent / "templates"
_STATIC: Final = Path(__file__).parent / "static"
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Vary": "Accept, Accept-Language",
}


@dataclasses.dataclass(frozen=True)
class Places:
    """What the pages lead to."""

    organization: str
    issuer: str
    directory: str
    http_url: str
    cps_url: str
    sender: str


class Look:
    """Makes pages of templates and of what every page says of the operator."""

    def __init__(self, places: Places, operator: Operator) -> None:
        self.places = places
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["dialled"] = _dialled
        self._facts = {**dataclasses.asdict(places), "operator": operator}

    def page(self, name: str, language: str, facts: Mapping[str, object] | None = None) -> str:
        """Return the HTML of a page in a language, with facts of its own."""
        template = self._environment.get_template(f"{language}/{name}.html")
        return template.render({**self._facts, "language": language, **(facts or {})})

    def refusal(self, request: web.Request, status: int, request_id: str) -> web.Response:
        """Answer a person who asked for what is not here, or whom the service cannot serve now."""
        name = "not_found" if status == 404 else "trouble"
        response = answer(self.page(name, language_of(request), {"request_id": request_id}), "no-store")
        response.set_status(status)
        return response


def answer(html: str, cache: str) -> web.Response:
    """Return the answer that carries a page; `cache` is its Cache-Control."""
    headers = {**_HEADERS, "Cache-Control": cache}
    return web.Response(text=html, content_type="text/html", headers=headers)


def tagged(request: web.Request, response: web.Response) -> web.Response:
    """Return the answer with a tag of its content, or that the reader has it already (RFC 9110 §13.1.2).

    That, too, carries what is said of a page: browsers put a 304's headers in place of those they kept (RFC 9111 §3.2).
    """
    content = response.body if isinstance(response.body, bytes) else b""
    response.etag = value = hashlib.sha256(content).hexdigest()[:32]
    if all(tag.value not in (value, "*") for tag in request.if_none_match or ()):
        return response
    kept = ("Cache-Control", "ETag", *_HEADERS)
    return web.Response(status=304, headers={name: response.headers[name] for name in kept if name in response.headers})


def language_of(request: web.Request) -> str:
    """Return ja or en: what the reader chose on the page, else what the browser prefers, Japanese if neither says."""
    chosen = request.query.get("language")
    if chosen in LANGUAGES:
        return chosen
    return preferred(request) or LANGUAGES[0]


def preferred(request: web.Request) -> str | None:
    """Return which of ja and en the request prefers (RFC 9110 §12.5.4), None when it takes neither."""
    ranges = ",".join(request.headers.getall("Accept-Language", ())).lower().split(",")
    weights: dict[str, float] = {}
    for tag, _, weight in (each.partition(";") for each in ranges):
        language = tag.strip().partition("-")[0]
        weights[language] = max(weights.get(language, 0), _weight(weight))
    taken = [language for language in weights if language in LANGUAGES and weights[language] > 0]
    return max(taken, key=weights.__getitem__, default=None)  # of several with one weight, the first


def _weight(text: str) -> float:
    name, _, value = text.replace(" ", "").partition("=")
    try:
        return float(value) if name == "q" else 1.0
    except ValueError:
        return 0.0


def _dialled(telephone: str) -> str:
    """Return what a telephone dials (RFC 3966): digits, and the plus of a country's code."""
    return re.sub("[^0-9+]", "", unicodedata.normalize("NFKC", telephone))


class Files:
    """Sends the style sheet and the scripts; browsers ask anew each time, so that all are of one version."""

    def __init__(self) -> None:
        self._files = {path.name: path.read_bytes() for path in _STATIC.iterdir() if path.is_file()}

    async def send(self, request: web.Request) -> web.Response:
        """Answer with one file, or that it has not changed."""
        name = request.match_info["name"]
        if name not in self._files:
            raise web.HTTPNotFound
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        response = web.Response(body=self._files[name], content_type=kind, charset="utf-8")
        response.headers["Cache-Control"] = "no-cache"
        return tagged(request, response)

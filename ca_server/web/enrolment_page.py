"""The pages for people at the one-time URL and at the front door, in Japanese and English.

GET and HEAD change nothing and look the same for every kid, known or not: mail scanners open links, and guesses learn
nothing. No script, nothing loaded from elsewhere; a program asks with Accept: application/json.
"""

import dataclasses
import json
from pathlib import Path

import jinja2
from aiohttp import web

from ca_server.notices.messages import Operator
from protocol.credential import BadCredential, normalise_kid
from protocol.resources import Invitation
from protocol.vocabulary import MediaType

_TEMPLATES = Path(__file__).parent / "templates"
_HEADERS = {
    "Cache-Control": "no-store",
    "Vary": "Accept, Accept-Language",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
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


class EnrolmentPage:
    """Renders the pages; each language's are made once, for they hold nothing of a request."""

    def __init__(self, places: Places, operator: Operator) -> None:
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
        )
        facts = {**dataclasses.asdict(places), "operator": operator}
        self._directory = places.directory
        self._pages = {
            (page, language): environment.get_template(f"{page}.{language}.html").render(facts)
            for page in ("enrolment", "front")
            for language in ("ja", "en")
        }
        self._style = (_TEMPLATES / "style.css").read_text("utf-8")

    async def show(self, request: web.Request) -> web.Response:
        """Answer at the one-time URL: the page, or for programs the directory and the kid as it was given."""
        if MediaType.JSON in request.headers.get("Accept", ""):
            invitation = Invitation(self._directory, _as_meant(request.match_info["kid"])).render()
            body = json.dumps(invitation)
            return web.Response(text=body, content_type=MediaType.JSON, headers=_HEADERS)
        return self._page("enrolment", request)

    async def front_door(self, request: web.Request) -> web.Response:
        """Answer at the front door."""
        return self._page("front", request)

    async def style(self, _: web.Request) -> web.Response:
        """Send the style sheet of the pages."""
        return web.Response(text=self._style, content_type="text/css", headers={"Cache-Control": "max-age=3600"})

    def _page(self, page: str, request: web.Request) -> web.Response:
        text = self._pages[page, language_of(request)]
        return web.Response(text=text, content_type="text/html", headers=_HEADERS)


def language_of(request: web.Request) -> str:
    """Return ja or en: what the reader chose on the page, else what the browser prefers, Japanese if neither says."""
    chosen = request.query.get("language")
    if chosen in ("ja", "en"):
        return chosen
    for wanted in request.headers.get("Accept-Language", "").lower().split(","):
        language = wanted.strip()[:2]
        if language in ("ja", "en"):
            return language
    return "ja"


def _as_meant(kid: str) -> str:
    """Return the kid as the mail has it; what is none comes back as it was, and newAccount says so."""
    try:
        return normalise_kid(kid)
    except BadCredential:
        return kid

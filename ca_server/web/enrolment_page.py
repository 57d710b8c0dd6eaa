"""The page for people at the one-time URL, in Japanese and English.

GET and HEAD change nothing and look the same for every kid, known or not: mail scanners open links, and guesses learn
nothing. What the page does is in `static/enrolment.js`: it is an ACME client like any other, and has no endpoint of its
own. A program asks with Accept: application/json.
"""

import json

from aiohttp import web

from ca_server.web.look import LANGUAGES, Look, answer, language_of
from protocol.credential import BadCredential, normalise_kid
from protocol.resources import Invitation
from protocol.vocabulary import MediaType

_CACHE = "no-store"


class EnrolmentPage:
    """Renders the page; each language's is made once, for it holds nothing of a request."""

    def __init__(self, look: Look, self_test_url: str | None) -> None:
        self._directory = look.places.directory
        facts = {"self_test_url": self_test_url}
        self._pages = {language: look.page("enrolment", language, facts) for language in LANGUAGES}

    async def show(self, request: web.Request) -> web.Response:
        """Answer at the one-time URL: the page, or for programs the directory and the kid as it was given."""
        if MediaType.JSON in request.headers.get("Accept", ""):
            invitation = Invitation(self._directory, _as_meant(request.match_info["kid"])).render()
            headers = {"Cache-Control": _CACHE, "Vary": "Accept"}
            return web.Response(text=json.dumps(invitation), content_type=MediaType.JSON, headers=headers)
        return self.show_field(request)

    async def show_without(self, request: web.Request) -> web.Response:
        """Answer at `/e/`: the same page, which asks for the URL when its address holds no kid."""
        return self.show_field(request)

    def show_field(self, request: web.Request) -> web.Response:
        """Return the page in the reader's language."""
        return answer(self._pages[language_of(request)], _CACHE)


def _as_meant(kid: str) -> str:
    """Return the kid as the mail has it; what is none comes back as it was, and newAccount says so."""
    try:
        return normalise_kid(kid)
    except BadCredential:
        return kid

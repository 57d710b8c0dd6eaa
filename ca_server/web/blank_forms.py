"""The blank application forms 申請書, as the repository offers them: drawn when first asked for, then kept."""

import asyncio

from aiohttp import web

from ca_server.domain.applications import Kind
from ca_server.domain.forms import FORMS
from ca_server.forms.stationery import Stationery
from ca_server.language import choose
from ca_server.web.look import tagged

_WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class BlankForms:
    """Draws each form once, in a thread and one at a time: the drawing of ten sheets takes a good part of a second."""

    def __init__(self, stationery: Stationery) -> None:
        self._stationery = stationery
        self._drawn: dict[tuple[Kind, str], bytes] = {}
        self._drawing = asyncio.Lock()

    async def send(self, request: web.Request) -> web.Response:
        """Send a form as a workbook."""
        kind, language = Kind(request.match_info["kind"]), request.match_info["language"]
        async with self._drawing:
            if (kind, language) not in self._drawn:
                self._drawn[kind, language] = await asyncio.to_thread(self._draw, kind, language)
        headers = {
            "Cache-Control": "public, max-age=300",
            "Content-Disposition": f'attachment; filename="{kind}.{language}.xlsx"',
        }
        response = web.Response(body=self._drawn[kind, language], content_type=_WORKBOOK, headers=headers)
        return tagged(request, response)

    def _draw(self, kind: Kind, language: str) -> bytes:
        from ca_server.forms.drawing import draw  # with it comes openpyxl, which no start waits for

        return draw(FORMS[kind], self._stationery, choose(language, {}))

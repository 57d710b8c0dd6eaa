"""The plain http address: OCSP (RFC 6960, RFC 5019, RFC 9654), CRLs and CA certificates (RFC 5280 §4.2.1.13, §4.2.2.1).

Here the whole of HTTP is understood, conditions and HEAD too (RFC 9110 §13); what nearly everybody sends is answered
before it comes here (`wire`), by the same Answers.
"""

import asyncio
import base64
import binascii
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from aiohttp import web
from cryptography.x509.ocsp import OCSPCertStatus, load_der_ocsp_response

from ca_server.clock import Clock
from ca_server.responder.answers import Answer, Answers
from ca_server.responder.wire import MEDIA_TYPE, cache_headers

_CRL: Final = "application/pkix-crl"
_CERTIFICATE: Final = "application/pkix-cert"
_MOST_OCTETS: Final = 8 * 1024
_SECONDS_FOR_A_BODY: Final = 10
_SECONDS_OF_A_CRL: Final = 60  # it may be made anew at any revocation; asking whether it was costs a 304
_LONGEST_NAME: Final = 64
_PIECE: Final = 64 * 1024


class Responder:
    """Answers what relying systems ask."""

    def __init__(self, answers: Answers, folder: Path, clock: Clock) -> None:
        self._answers = answers
        self._folder = folder
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        """Return the table of routes."""
        return [
            web.post("/ocsp", self.post),
            web.get("/ocsp/{request:.*}", self.get),
            web.get("/crl/{name}.crl", self.crl),
            web.get("/ca/{name}.cer", self.certificate),
        ]

    async def post(self, request: web.Request) -> web.Response:
        """OCSP by POST (RFC 6960 §A.1); its answers are not cached."""
        try:
            async with asyncio.timeout(_SECONDS_FOR_A_BODY):
                encoded = await request.read()
        except (TimeoutError, ConnectionError) as error:  # or whoever asked hung up
            raise web.HTTPRequestTimeout from error
        except web.HTTPRequestEntityTooLarge:
            encoded = b""  # no request is so long
        except web.RequestPayloadError:  # the body is not what its header says
            encoded = b""
        return _said(await self._answers.awaited(encoded))

    async def get(self, request: web.Request) -> web.Response:
        """OCSP by GET: the request in base64, URL-encoded or not, in either alphabet, padded or not."""
        text = unquote(request.raw_path.partition("/ocsp/")[2]).rstrip("=")
        try:
            encoded = base64.b64decode(text + "=" * (-len(text) % 4), b"-_" if {*"-_"} & {*text} else None, True)
        except (binascii.Error, ValueError):
            encoded = b""
        answer = await self._answers.awaited(encoded)
        if not answer.next_update:
            return _said(answer)
        response = _said(answer)
        response.headers.update(cache_headers(answer.this_update, answer.next_update, self._clock.now()))
        response.etag = answer.tag.decode("ascii")
        if _is_known(request, answer):
            response.set_status(304)
            response.body = None
            del response.headers["Content-Type"]
        return response

    async def crl(self, request: web.Request) -> web.FileResponse:
        """Send a published CRL."""
        return await self._file(request.match_info["name"] + ".crl", _CRL, _SECONDS_OF_A_CRL)

    async def certificate(self, request: web.Request) -> web.FileResponse:
        """Send a CA certificate in DER (caIssuers)."""
        return await self._file(request.match_info["name"] + ".cer", _CERTIFICATE, 86400)

    async def _file(self, name: str, media_type: str, max_age: int) -> web.FileResponse:
        """Send a file piece by piece: a CRL may have megabytes, and many ask for it at the same time."""
        plain = name.replace("-", "").replace(".", "")
        if not plain.isalnum() or name.startswith(".") or len(name) > _LONGEST_NAME:
            raise web.HTTPNotFound
        path = self._folder / name
        if not await asyncio.to_thread(path.is_file):
            raise web.HTTPNotFound
        headers = {"Content-Type": media_type, "Cache-Control": f"max-age={max_age}, public, must-revalidate"}
        return web.FileResponse(path, chunk_size=_PIECE, headers=headers)


def _said(answer: Answer) -> web.Response:
    return web.Response(body=answer.der, content_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})


def _is_known(request: web.Request, answer: Answer) -> bool:
    """Tell whether the client has this very answer: by its tag, or without one by its moment (RFC 9110 §13.2.2).

    By its moment alone a revocation is never called known: it may have come within the second of the answer before.
    """
    if request.if_none_match is not None:
        tag = answer.tag.decode("ascii")
        return any(each.value in ("*", tag) for each in request.if_none_match)
    since = request.if_modified_since
    if since is None or answer.this_update > int(since.timestamp()):
        return False
    return load_der_ocsp_response(answer.der).certificate_status is OCSPCertStatus.GOOD


def application(responder: Responder) -> web.Application:
    """Return the application of the plain http address."""
    app = web.Application(client_max_size=_MOST_OCTETS)
    app.add_routes(responder.routes())
    return app

"""The plain http address: OCSP (RFC 6960, RFC 5019, RFC 9654), CRLs and CA certificates (RFC 5280 §4.2.1.13, §4.2.2.1).

Answers are signed live from the records, so a revocation is told with its commit. What is not known is never good.
"""

import asyncio
import base64
import binascii
import dataclasses
import hashlib
import logging
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from urllib.parse import unquote

from aiohttp import web

from ca_server import store
from ca_server.authority import ocsp
from ca_server.authority.signer import Signer
from ca_server.clock import Clock
from ca_server.operations.publication import told

log = logging.getLogger("warifu.trouble")

_OCSP_RESPONSE = "application/ocsp-response"
_CRL = "application/pkix-crl"
_CERTIFICATE = "application/pkix-cert"
_MOST_OCTETS = 8 * 1024
_SECONDS_FOR_A_BODY = 10
_LONGEST_NAME = 64
_PIECE = 64 * 1024


@dataclasses.dataclass(frozen=True)
class Responder:
    """Answers what relying systems ask."""

    database: store.Database
    issuer: str
    hashes: tuple[ocsp.IssuerHash, ...]
    signer: Callable[[], Signer]
    answer_seconds: int
    folder: Path
    clock: Clock

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
        except TimeoutError as error:
            raise web.HTTPRequestTimeout from error
        except web.RequestPayloadError:  # the body is not what its header says
            encoded = b""
        return self._answer(encoded, cacheable=False)

    async def get(self, request: web.Request) -> web.Response:
        """OCSP by GET: the request in base64, URL-encoded or plain, with `/` and `+` in it."""
        text = unquote(request.raw_path.partition("/ocsp/")[2])
        try:
            encoded = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            encoded = b""
        return self._answer(encoded, cacheable=True)

    def _answer(self, encoded: bytes, *, cacheable: bool) -> web.Response:
        try:
            query = ocsp.parse_request(encoded)
        except ocsp.MalformedRequest:
            return _plain(ocsp.error(ocsp.ErrorCode.MALFORMED_REQUEST))
        if query.issuer not in self.hashes:
            return _plain(ocsp.error(ocsp.ErrorCode.UNAUTHORIZED))
        now = self.clock.now()
        try:
            status = self.database.look(told, self.issuer, f"{query.serial:x}")
            signer = self.signer()
            life = min(self.answer_seconds, int(signer.certificate.not_valid_after_utc.timestamp()) - now)
            der = ocsp.answer(query, status, signer, now, now + life)
        except Exception:
            log.exception("OCSP could not be answered")
            return _plain(ocsp.error(ocsp.ErrorCode.TRY_LATER))
        if not cacheable or query.nonce is not None or status is ocsp.UNKNOWN:
            return _plain(der)
        return _cached(der, now, life)

    async def crl(self, request: web.Request) -> web.FileResponse:
        """Send a published CRL."""
        return await self._file(request.match_info["name"] + ".crl", _CRL, 300)

    async def certificate(self, request: web.Request) -> web.FileResponse:
        """Send a CA certificate in DER (caIssuers)."""
        return await self._file(request.match_info["name"] + ".cer", _CERTIFICATE, 86400)

    async def _file(self, name: str, media_type: str, max_age: int) -> web.FileResponse:
        """Send a file piece by piece: a CRL may have megabytes, and many ask for it at the same time."""
        plain = name.replace("-", "").replace(".", "")
        if not plain.isalnum() or name.startswith(".") or len(name) > _LONGEST_NAME:
            raise web.HTTPNotFound
        path = self.folder / name
        if not await asyncio.to_thread(path.is_file):
            raise web.HTTPNotFound
        headers = {"Content-Type": media_type, "Cache-Control": f"max-age={max_age}, public"}
        return web.FileResponse(path, chunk_size=_PIECE, headers=headers)


def _plain(der: bytes) -> web.Response:
    return web.Response(body=der, content_type=_OCSP_RESPONSE, headers={"Cache-Control": "no-store"})


def _cached(der: bytes, now: int, seconds: int) -> web.Response:
    headers = {
        "Cache-Control": f"max-age={seconds}, public, no-transform, must-revalidate",
        "Last-Modified": formatdate(now, usegmt=True),
        "Expires": formatdate(now + seconds, usegmt=True),
        "ETag": f'"{hashlib.sha256(der).hexdigest()}"',
    }
    return web.Response(body=der, content_type=_OCSP_RESPONSE, headers=headers)


def application(responder: Responder) -> web.Application:
    """Return the application of the plain http address."""
    app = web.Application(client_max_size=_MOST_OCTETS)
    app.add_routes(responder.routes())
    return app

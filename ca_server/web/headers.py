"""The headers that protect whoever gets an answer: one table for both addresses, pages, documents and refusals alike.

What a handler says itself stands: a page has a Content-Security-Policy of its own. `Server` tells no version. A browser
takes Strict-Transport-Security (RFC 6797) from https alone; Cross-Origin-Resource-Policy stays off the plain address,
whose CRLs and certificates are for everybody.
"""

from typing import Final

from aiohttp import web

_ALWAYS: Final = {
    "Server": "Warifu",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_OF_TLS: Final = {
    **_ALWAYS,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=31536000",
}


def headers(*, over_tls: bool) -> dict[str, str]:
    """Return the headers of an answer that says nothing itself."""
    return _OF_TLS if over_tls else _ALWAYS


def protect(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Add the headers to an answer that is about to be sent."""
    response.headers["Server"] = _ALWAYS["Server"]  # aiohttp's own tells its version and Python's
    response.headers.merge(headers(over_tls=request.secure))

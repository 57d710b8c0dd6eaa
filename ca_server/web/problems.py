"""From errors to problem documents (RFC 9457): the one bridge. What is not in the table says nothing.

What a person can meet is a sentence, told in the language that the request asks for (RFC 8555 §6.1); what only a
faulty program brings about is told to its author, in English.
"""

from aiohttp import web

from ca_server import errors
from ca_server.language import Sentence, sentence
from ca_server.store import Conflict, Overloaded, Unavailable
from ca_server.web.limits import RateLimited
from keys.errors import BadSigningRequest, KeysError, UnsupportedKey, WeakKey
from protocol.problems import Problem, ProblemType
from protocol.vocabulary import RefusalReason

_TYPES: dict[type[Exception], ProblemType] = {
    errors.NotAllowed: ProblemType.UNAUTHORIZED,
    errors.Suspended: ProblemType.UNAUTHORIZED,
    errors.NotEntitled: ProblemType.UNAUTHORIZED,
    errors.CredentialRefused: ProblemType.UNAUTHORIZED,
    errors.CredentialUnknown: ProblemType.UNAUTHORIZED,
    errors.AccountUnknown: ProblemType.ACCOUNT_DOES_NOT_EXIST,
    errors.AccountUnusable: ProblemType.UNAUTHORIZED,
    errors.KeyBlocked: ProblemType.BAD_PUBLIC_KEY,
    errors.KeyCertified: ProblemType.BAD_PUBLIC_KEY,
    errors.KeyInUse: ProblemType.MALFORMED,
    errors.IdentifierRejected: ProblemType.REJECTED_IDENTIFIER,
    errors.IdentifierUnsupported: ProblemType.UNSUPPORTED_IDENTIFIER,
    errors.OrderNotReady: ProblemType.ORDER_NOT_READY,
    errors.SigningRequestRefused: ProblemType.BAD_CSR,
    errors.TooEarly: ProblemType.UNAUTHORIZED,
    errors.Lapsed: ProblemType.UNAUTHORIZED,
    errors.AlreadyReplaced: ProblemType.ALREADY_REPLACED,
    errors.AlreadyRevoked: ProblemType.ALREADY_REVOKED,
    errors.RevocationReasonRefused: ProblemType.BAD_REVOCATION_REASON,
    errors.NotFound: ProblemType.MALFORMED,
    errors.Invalid: ProblemType.MALFORMED,
    BadSigningRequest: ProblemType.BAD_CSR,
    WeakKey: ProblemType.BAD_CSR,
    UnsupportedKey: ProblemType.BAD_CSR,
}
_REASONS: dict[type[Exception], RefusalReason] = {
    errors.Suspended: RefusalReason.SUSPENDED,
    errors.TooEarly: RefusalReason.TOO_EARLY,
    errors.Lapsed: RefusalReason.LAPSED,
}
_STATUSES: dict[type[Exception], int] = {
    errors.AccountUnusable: 401,
    errors.NotFound: 404,
    errors.KeyInUse: 409,
}
_UNKNOWN = sentence(
    "The server met an error of its own and wrote it down; try again, and tell the help desk the request id."
)
_BUSY = sentence("The service is busy or out of order; try again.")


def problem_of(error: Exception) -> Problem:
    """Return what a stranger is told of `error`; nothing at all about one that is not foreseen."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, web.HTTPException):
        return _of_http(error)
    if isinstance(error, web.RequestPayloadError):
        return Problem(ProblemType.MALFORMED, "The body is not what the header says it is.")
    if isinstance(error, RateLimited):
        return Problem(ProblemType.RATE_LIMITED, _said(error))
    if isinstance(error, errors.TryLater):
        return Problem(ProblemType.SERVER_INTERNAL, _said(error), status=503)
    if isinstance(error, Overloaded | Unavailable | Conflict):
        return Problem(ProblemType.SERVER_INTERNAL, _BUSY, status=503)
    kind = next((known for known in type(error).__mro__ if known in _TYPES), None)
    if kind is None:
        return Problem(ProblemType.SERVER_INTERNAL, _UNKNOWN)
    extra: dict[str, object] = {"reason": _REASONS[kind].value} if kind in _REASONS else {}
    if isinstance(error, errors.CredentialRefused):
        extra = {"reason": str(error.reason)}
        if error.tries_left is not None:
            extra["triesLeft"] = error.tries_left
    return Problem(_TYPES[kind], _said(error), status=_STATUSES.get(kind), extra=extra)


def retry_after(error: Exception) -> int | None:
    """Return the seconds after which trying again makes sense, or None."""
    if isinstance(error, errors.TryLater | RateLimited):
        return min(error.seconds, 3600)
    return 3 if isinstance(error, Overloaded | Unavailable | Conflict) else None


def is_unforeseen(error: Exception) -> bool:
    """Tell whether the log needs the whole trace, because nobody foresaw the error."""
    foreseen = (
        Problem,
        web.HTTPException,
        web.RequestPayloadError,
        RateLimited,
        errors.Refusal,
        errors.TryLater,
        KeysError,
        Overloaded,
        Conflict,
    )
    return not isinstance(error, foreseen)


def _said(error: Exception) -> str:
    """Return the error's sentence, which knows its other language still; `str` would make plain English of it."""
    first = error.args[0] if error.args else None
    return first if isinstance(first, Sentence) else str(error)


def _of_http(error: web.HTTPException) -> Problem:
    sentences = {
        404: sentence("There is nothing here."),
        408: sentence("The request did not arrive whole in time."),
        405: "This method is not allowed here (RFC 8555 §6.3).",
        413: "The request is larger than 64 KiB.",
    }
    return Problem(ProblemType.MALFORMED, sentences.get(error.status, error.reason), status=error.status)

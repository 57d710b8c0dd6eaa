"""What can go wrong on the PC, in words for people and programs; the class is the exit code of the command.

    ClientError      1  it failed
    ├── Misuse       2  the command line, or what was typed, is wrong; nothing was sent
    ├── TryLater     3  the server cannot be reached or is busy, or another `warifu` is at work
    ├── Refused      4  a rule says no
    └── NeedsPerson  5  nothing that this PC can do by itself will help

Procedures raise protocol's `Problem` as the server sent it; `from_problem` is the one bridge from there, two tables,
and `from_keys` the one from keys and files.
Sentences are written in English and spoken in the reader's language at the edge (`language`).
"""

import errno
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Final

from client.language import sentence
from keys.errors import KeysError
from protocol.problems import Problem, ProblemType
from protocol.vocabulary import RefusalReason

CALL_HELP_DESK: Final = sentence("Call the help desk named in the mail.")

_NOTHING: Mapping[str, str] = MappingProxyType({})


class ClientError(Exception):
    """It failed: `type` is the word for programs, `sentence` says what happened, `remedy` what to do next.

    Both are templates that `facts` fill; `fields` names options or members that are wrong, each with its remedy.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        type: str,  # noqa: A002 (the word of RFC 9457)
        sentence: str,
        remedy: str = "",
        *,
        facts: Mapping[str, object] = _NOTHING,
        fields: Mapping[str, str] = _NOTHING,
    ) -> None:
        super().__init__(sentence.format_map(facts))
        self.type: Final = type
        self.sentence: Final = sentence
        self.remedy: Final = remedy
        self.facts: Final = dict(facts)
        self.fields: Final = dict(fields)


class Misuse(ClientError):
    """The command line, or what was typed, is wrong; nothing was sent."""

    exit_code = 2


class TryLater(ClientError):
    """The same command may well succeed later."""

    exit_code = 3


class Refused(ClientError):
    """A rule says no."""

    exit_code = 4


class NeedsPerson(ClientError):
    """Nothing that this PC can do by itself will help."""

    exit_code = 5


REFUSALS: Final[Mapping[RefusalReason, tuple[str, str]]] = MappingProxyType(
    {
        RefusalReason.WRONG_PASSWORD: (
            sentence("The password does not belong to this URL. Tries left before the URL is locked: {tries}."),
            sentence(
                "Compare it with the password mail; URL and password come in pairs. The help desk named in the mail "
                "unlocks a locked URL."
            ),
        ),
        RefusalReason.LOCKED: (
            sentence("The URL is locked after too many wrong passwords."),
            sentence("Ask your administrator to call the help desk named in the mail; it unlocks or replaces the URL."),
        ),
        RefusalReason.EXPIRED: (
            sentence("The URL has expired. The server says: {detail}"),
            sentence("Ask your administrator to call the help desk named in the mail for a new URL and password."),
        ),
        RefusalReason.USED: (
            sentence("A certificate was issued with this URL before. The server says: {detail}"),
            sentence(
                "If it is on another PC by mistake, ask your administrator to have it replaced (DCM904). If nobody of "
                "yours fetched it, call the help desk named in the mail at once."
            ),
        ),
        RefusalReason.REPLACED: (
            sentence("This URL was replaced or withdrawn."),
            sentence("Use the URL and password of the newest mails; if there are none, call the help desk."),
        ),
        RefusalReason.SUSPENDED: (
            sentence("This certificate is suspended or about to be revoked. The server says: {detail}"),
            CALL_HELP_DESK,
        ),
    }
)
"""Why a one-time URL cannot be used → what happened, what to do next and whom to call."""

_TOO_LATE = (
    sentence("The time in which this certificate could be renewed is over. The server says: {detail}"),
    sentence("Ask your administrator to file a DCM902 for a new certificate; if it does not fit, call the help desk."),
)

_SAID_NO = (Refused, sentence("The server refused: {detail}"), CALL_HELP_DESK)
_BUSY = (
    TryLater,
    sentence("The server cannot do this now: {detail}"),
    sentence("Try again in some minutes; nothing is lost."),
)

_OUTCOMES: Final[Mapping[ProblemType, tuple[type[ClientError], str, str]]] = MappingProxyType(
    {
        ProblemType.UNAUTHORIZED: _SAID_NO,
        ProblemType.REJECTED_IDENTIFIER: _SAID_NO,
        ProblemType.UNSUPPORTED_IDENTIFIER: _SAID_NO,
        ProblemType.BAD_REVOCATION_REASON: _SAID_NO,
        ProblemType.ALREADY_REVOKED: (
            NeedsPerson,
            sentence("The certificate is revoked: {detail}"),
            sentence("If you still need one, ask your administrator to file a DCM902 for a new certificate."),
        ),
        ProblemType.ALREADY_REPLACED: (
            Refused,
            sentence("The certificate has been renewed before, but not on this PC's record: {detail}"),
            sentence("If nobody of yours renewed it elsewhere, call the help desk named in the mail at once."),
        ),
        ProblemType.RATE_LIMITED: _BUSY,
        ProblemType.SERVER_INTERNAL: _BUSY,
        ProblemType.BAD_NONCE: _BUSY,
    }
)

_ACCOUNT_ENDED = sentence("The server no longer accepts this PC's account: {detail}")
_ACCOUNT_REMEDY = sentence(
    "The certificate was revoked, or its URL was used on another PC. Ask your administrator or the help desk."
)
_UNEXPECTED = sentence("The server answered with an error: {detail}")
_UNEXPECTED_REMEDY = sentence("Tell the help desk what you did and what is written here.")


_UNUSABLE = (sentence("{path} cannot be used: {why}."), "")
_FORBIDDEN = (
    sentence("This login may not read or write {path}."),
    sentence("Run the command as the user whose certificate it is, or have the rights of the folder mended."),
)
_READ_ONLY = (sentence("{path} is on a disk that cannot be written to."), "")
_FULL = (sentence("The disk is full: {path}."), sentence("Make room and run the command again; nothing is lost."))
_FILES: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {
        errno.EACCES: _FORBIDDEN,
        errno.EPERM: _FORBIDDEN,
        errno.EROFS: _READ_ONLY,
        errno.ENOSPC: _FULL,
        errno.EDQUOT: _FULL,
        errno.ENOENT: (sentence("There is no {path}, or no folder for it."), ""),
        errno.EISDIR: (sentence("{path} is a folder, not a file."), ""),
        errno.ENOTDIR: (sentence("{path} is no folder."), ""),
    }
)
"""What the system says of a file → what happened, what to do next."""

_IN_USE = (32, 33)
"""Windows' ERROR_SHARING_VIOLATION and ERROR_LOCK_VIOLATION, which Python tells as EACCES."""


def from_keys(error: KeysError | OSError) -> ClientError:
    """Return the error that a key or a file that cannot be read or written is."""
    match error:
        case KeysError(__cause__=OSError(errno=int() as number) as cause) if number in _FILES:
            return _of_file(cause, error.facts.get("path", cause.filename))
        case OSError(errno=int(), filename=str() | Path() as path):
            return _of_file(error, path)
        case KeysError() if error.facts or not set("{}") & set(error.template):
            return ClientError("storage", error.template, facts=error.facts)
        case _:
            return ClientError("storage", "{reason}", facts={"reason": error})


def _of_file(error: OSError, path: object) -> ClientError:
    what, remedy = _FILES.get(error.errno or 0, _UNUSABLE)
    if getattr(error, "winerror", None) in _IN_USE:
        what, remedy = _UNUSABLE
    return ClientError("storage", what, remedy, facts={"path": path, "why": error.strerror})


def from_problem(problem: Problem) -> ClientError:
    """Return the error that the server's problem is to the person and the program that ran the command."""
    facts = {"detail": problem.detail, "tries": str(problem.extra.get("triesLeft", "?"))}
    reason = problem.extra.get("reason")
    if reason in REFUSALS:
        return Refused(str(reason), *REFUSALS[RefusalReason(str(reason))], facts=facts)
    if reason == RefusalReason.LAPSED:
        return NeedsPerson(str(reason), *_TOO_LATE, facts=facts)
    if problem.status == 401 and problem.type is not ProblemType.BLANK:  # which something on the way may say
        return NeedsPerson("accountEnded", _ACCOUNT_ENDED, _ACCOUNT_REMEDY, facts=facts)
    word = problem.type.word
    if problem.type in _OUTCOMES:
        kind, what, remedy = _OUTCOMES[problem.type]
        return kind(word, what, remedy, facts=facts)
    if problem.status >= 500:
        return TryLater(word, _BUSY[1], _BUSY[2], facts=facts)
    return ClientError(word, _UNEXPECTED, _UNEXPECTED_REMEDY, facts=facts)


def from_any(error: Exception) -> ClientError:
    """Return what went wrong with one certificate as an error of the client's; whatever else it is goes on its way."""
    match error:
        case Problem():
            return from_problem(error)
        case KeysError() | OSError():
            return from_keys(error)
        case ClientError():
            return error
    raise error

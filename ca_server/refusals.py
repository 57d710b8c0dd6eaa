"""The security log: who was refused what, and why; one JSON object each, to the logger `warifu.security`.

A running service writes them among its other lines; a command, which has no log of its own, hands them to the system's
(syslog, facility authpriv) where there is one. Reasons are words of ours, never what a stranger sent, and JSON escapes
what does not print. What leaves a mark in the records besides has its entry in the audit log.
"""

import contextlib
import json
import logging
from pathlib import Path
from typing import Final

security: Final = logging.getLogger("warifu.security")

_SYSTEM_LOG: Final = Path("/dev/log")


def tell(refused: str, why: str, cause: str, **to_whom: str | None) -> None:
    """Write one line: what was refused, why, by which error, and to whom (`address`, `account`, `cn`, `login`)."""
    known = {name: value for name, value in to_whom.items() if value is not None}
    security.warning("%s", json.dumps({"refused": refused, "why": why, "cause": cause, **known}))


def by_command(command: str, cause: str, login: str) -> None:
    """Hand what a command refused to the system's log, so that the person sees the sentence alone."""
    from logging.handlers import SysLogHandler

    security.propagate = False
    security.addHandler(logging.NullHandler())  # or Python's last resort would write to the person's terminal
    with contextlib.suppress(OSError):  # a socket that nobody reads any more
        handler = SysLogHandler(str(_SYSTEM_LOG), SysLogHandler.LOG_AUTHPRIV)
        handler.ident = "warifu-ca: "
        handler.handleError = lambda record: None  # type: ignore[method-assign]  # nor traces of the log's own trouble
        security.addHandler(handler)
    tell(f"command:{command}", "refused", cause, login=login)

"""The log of a running service: a JSON object a line, or words for whoever reads along.

Each request has one canonical line (`tell`): who asked, what came of it, how long it took. What else is logged while a
request is served bears its id, which its answer brought as `Request-Id`. Whatever a stranger wrote is escaped, so that
a line is a line. Paths are in none, for a one-time URL is a secret.
"""

import json
import logging
import sys
import time
from contextvars import ContextVar
from json.encoder import encode_basestring_ascii as _quoted
from typing import Final

access = logging.getLogger("warifu.access")

security = logging.getLogger("warifu.security")

FORMATS: Final = ("json", "text")
_UNPRINTABLE: Final = {number: f"\\x{number:02x}" for number in (*range(32), *range(127, 160), 0x2028, 0x2029)}


class Errand:
    """One request as its log lines know it."""

    __slots__ = ("account", "cn", "id")

    def __init__(self, request_id: str) -> None:
        self.id = request_id
        self.account: str | None = None
        self.cn: str | None = None


_errand: ContextVar[Errand | None] = ContextVar("errand", default=None)


def begin(request_id: str) -> Errand:
    """Begin a request: what is logged from now on in this context is about it."""
    errand = Errand(request_id)
    _errand.set(errand)
    return errand


def concerns(account: str | None, cn: str | None) -> None:
    """Note whom the request at hand turned out to be about."""
    errand = _errand.get()
    if errand is not None:
        errand.account, errand.cn = account or errand.account, cn or errand.cn


def whom() -> dict[str, str | None]:
    """Return whom the request at hand is about, as far as it is known."""
    errand = _errand.get()
    return {} if errand is None else {"account": errand.account, "cn": errand.cn, "request": errand.id}


def tell(errand: Errand, asked: tuple[str, str, str], answered: tuple[int, str | None, int | None], ms: float) -> None:
    """Write the canonical line of a request: (method, route, address), (status, problem, octets) and milliseconds.

    It is joined here and handed over ready made; `log.info` would look for its caller first, which takes as long again.
    """
    method, route, address = asked
    status, problem, octets = answered
    text = (
        f'{{"request":"{errand.id}","method":{_quoted(method)},"route":{_quoted(route)},"status":{status},'
        f'"problem":{_or_null(problem)},"ms":{ms:.1f},"bytes":{"null" if octets is None else octets},'
        f'"address":{_quoted(address)},"account":{_or_null(errand.account)},"cn":{_or_null(errand.cn)}}}'
    )
    access.handle(logging.LogRecord(access.name, logging.INFO, __file__, 0, text, None, None))


def _or_null(text: str | None) -> str:
    return "null" if text is None else _quoted(text)


class JsonLines(logging.Formatter):
    """Writes each record as one JSON object in ASCII; a trace is a member of it."""

    def __init__(self) -> None:
        super().__init__()
        self._second = -1
        self._written = ""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        if record.name == access.name:
            return f'{{"time":"{self._time(record.created)}",{record.msg[1:]}'
        if record.name == security.name:
            return f'{{"time":"{self._time(record.created)}","level":"{record.levelname}",{record.getMessage()[1:]}'
        said = {
            "time": self._time(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        errand = _errand.get()
        if errand is not None:
            said["request"] = errand.id
        if record.exc_info:
            said["trace"] = self.formatException(record.exc_info)
        return json.dumps(said)

    def _time(self, created: float) -> str:
        """Return RFC 3339 in UTC with milliseconds; a second is written once."""
        second = int(created)
        if second != self._second:
            self._second, self._written = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._written}.{int(1000 * (created - second)):03d}Z"


class Words(logging.Formatter):
    """Writes each record in words, a message in one line; only a trace takes more."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """Return the line."""
        errand = _errand.get()
        about = "" if errand is None or record.name == access.name else f" request={errand.id}"
        record.message = record.message.translate(_UNPRINTABLE) + about
        return super().formatMessage(record)


class Alarms(logging.Handler):
    """Counts the lines that need a person, so that a metric tells of each."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Count an alarm."""
        if str(record.msg).startswith("ALARM:"):
            self.count += 1


def counted_alarms() -> Alarms:
    """Count the alarms of this process from now on."""
    alarms = Alarms()
    logging.getLogger().addHandler(alarms)
    return alarms


def write_lines(form: str) -> None:
    """Write what this process logs to stderr in one of FORMATS from now on."""
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(JsonLines() if form == "json" else Words())
    logging.basicConfig(level=logging.WARNING, handlers=[lines], force=True)
    access.setLevel(logging.INFO)
    logging.getLogger("ca_server").setLevel(logging.INFO)
    logging.logThreads = logging.logProcesses = False  # no line says them

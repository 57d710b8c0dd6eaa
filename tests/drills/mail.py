"""Mail: the SMTP server is away in every way that servers know, then good again, while applications are approved.

The server is a real one (aiosmtpd) on loopback that takes mails over STARTTLS, the service a real `serve`. Whatever the
mood was, thirty seconds after it is over no mail waits any more; none was lost, a second copy is the first to the byte,
and only what was addressed to one who is unknown there is given up, with an alarm.
"""

import asyncio
import collections
import contextlib
import dataclasses
import email
import email.policy
import ssl
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.drills import ground, planted
from tests.drills.figures import Figure, counted, none_of
from tests.end_to_end.agency import FORM, INSTITUTION, OFFICERS, Agency, free_ports

GOOD, DOWN = "good", "down"
SILENT, SILENT_AFTER_DATA, DROPPING = "silent from the start", "silent after DATA", "dropping after DATA"
WITHOUT_TLS = "without STARTTLS"
GREETINGS = {"421 in the greeting": "421 4.3.2 busy", "550 in the greeting": "550 5.7.1 not today"}
ANSWERS = {"451 to each addressee": "451 4.3.0 later", "421 to each addressee": "421 4.3.2 closing"}
MOODS = (DOWN, WITHOUT_TLS, *GREETINGS, *ANSWERS, DROPPING, SILENT, SILENT_AFTER_DATA)
UNKNOWN = "nobody@refused.example"
_STRANGERS = "F654321"
_SECONDS_TO_DRAIN = 30
_PATIENCE = 90
_AT_ONCE = 16


def drill(
    folder: Path,
    outages: Sequence[Sequence[str]] = tuple((mood,) for mood in MOODS),
    seconds: float = 60,
    certificates: int = 60,
    defect: str | None = None,
    *,
    hurry: bool = False,
) -> list[Figure]:
    """Have outages of `seconds` each, in one mood or through several, with `certificates` approved in each."""
    port = free_ports(1)[0]
    with _standing(folder, port, defect, hurry=hurry) as agency:
        server = MailServer(port, _tls(agency))
        story = asyncio.run(_story(agency, server, outages, seconds, certificates))
        return timed(story) + _arrived(agency, server) + _given_up(agency, len(outages))


class MailServer:
    """A mail server with moods; what it has taken in it keeps, even when it never said so."""

    def __init__(self, port: int, tls: ssl.SSLContext) -> None:
        self.port = port
        self.mood = GOOD
        self._tls = tls
        self.received: list[bytes] = []
        self.callers: collections.Counter[str] = collections.Counter()
        self._listener: asyncio.Server | None = None

    async def become(self, mood: str) -> None:
        """Change the mood; who hangs already is left to hang."""
        self.mood = mood
        if mood == DOWN and self._listener is not None:
            self._listener.close()
            self._listener = None
        if mood != DOWN and self._listener is None:
            self._listener = await asyncio.get_running_loop().create_server(self._receive, "127.0.0.1", self.port)

    def _receive(self) -> asyncio.BaseProtocol:
        self.callers[self.mood] += 1
        if self.mood == SILENT:
            return asyncio.Protocol()
        if self.mood in GREETINGS:
            return Refusal(GREETINGS[self.mood])
        tls = None if self.mood == WITHOUT_TLS else self._tls
        return SMTP(
            self, hostname="mail.example", enable_SMTPUTF8=False, tls_context=tls, require_starttls=tls is not None
        )

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's names
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address == UNKNOWN:
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(address)
        return ANSWERS.get(self.mood, "250 ok")

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.received.append(envelope.content)
        if self.mood == DROPPING:
            cast(asyncio.Transport, server.transport).abort()
        if self.mood in (DROPPING, SILENT_AFTER_DATA):
            await asyncio.Event().wait()
        return "250 ok"


class Refusal(asyncio.Protocol):
    """Greets with a no and hangs up."""

    def __init__(self, answer: str) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say it."""
        assert isinstance(transport, asyncio.Transport)
        transport.write(f"{self._answer}\r\n".encode())
        transport.close()


@dataclasses.dataclass(frozen=True)
class Outage:
    """How one outage went: its moods, how often the server was called, and how long the mails took afterwards."""

    moods: Sequence[str]
    lasted: float
    calls: int
    unmet: list[str]
    drained_in: float


@contextlib.contextmanager
def _standing(folder: Path, port: int, defect: str | None, *, hurry: bool) -> Iterator[Agency]:
    agency = Agency(folder)
    smtp = f'transport = "smtp"\nsmtp_host = "localhost"\nsmtp_port = {port}\nsmtp_ca_file = "{agency.root}"'
    agency.configure('transport = "maildir"', smtp)
    agency.serve_prefix = [sys.executable, planted.__file__]
    agency.serve_prefix += ["--defect", defect] if defect else []
    agency.serve_prefix += ["--hurry"] if hurry else []
    agency.serve()
    try:
        yield agency
    finally:
        agency.stop()


def _tls(agency: Agency) -> ssl.SSLContext:
    """Return the context of a server with the agency's own TLS certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    passphrase = (agency.folder / "secrets" / "server.passphrase").read_text("ascii").strip()
    context.load_cert_chain(*(agency.folder / "tls" / name for name in ("server.pem", "server.key.pem")), passphrase)
    return context


async def _story(
    agency: Agency, server: MailServer, outages: Sequence[Sequence[str]], seconds: float, certificates: int
) -> list[Outage]:
    story = []
    for moods in outages:
        await server.become(GOOD)
        numbers = await _filed(agency, certificates)
        before, started = server.callers.total(), time.monotonic()
        await server.become(moods[0])
        await _approved(agency, numbers, 2 * certificates + 2)
        for mood in moods:
            await server.become(mood)
            await _last(server, mood, seconds / len(moods))
        lasted, calls = time.monotonic() - started, server.callers.total() - before
        unmet = [mood for mood in moods if mood != DOWN and not server.callers[mood]]
        await server.become(GOOD)
        drained_in = await _until(lambda: _count(agency, "status = 'pending'") == 0)
        story.append(Outage(moods, lasted, calls, unmet, drained_in))
    await server.become(DOWN)
    return story


async def _last(server: MailServer, mood: str, seconds: float) -> None:
    """Let a mood last, and then until somebody met it."""
    await asyncio.sleep(seconds)
    await _until(lambda: mood == DOWN or server.callers[mood] > 0)


async def _filed(agency: Agency, certificates: int) -> list[int]:
    """Have two applications filed and wait until their receipts have gone, for those say more once CNs are assigned.

    One is of an administrator whose address nobody knows.
    """
    first, second = await asyncio.gather(
        asyncio.to_thread(_file, agency, INSTITUTION, certificates),
        asyncio.to_thread(_file, agency, _STRANGERS, 1, "--email", UNKNOWN),
    )
    await _until(lambda: _count(agency, "status = 'pending'") == 0)
    return [first, second]


def _file(agency: Agency, institution: str, count: int, *options: str) -> int:
    issue = ("application", "issue", institution, *FORM, *options, "--count", str(count))
    return int(agency.ca(*issue, "--officer", OFFICERS[0])["number"])


async def _approved(agency: Agency, numbers: list[int], mails: int) -> None:
    """Have applications approved and wait until their mails wait or were refused."""
    before = _count(agency, "kind LIKE 'enrolment-%'")
    await asyncio.gather(*(asyncio.to_thread(agency.decide, number) for number in numbers))
    await _until(lambda: _count(agency, "kind LIKE 'enrolment-%'") >= before + mails)


async def _until(done: Callable[[], bool]) -> float:
    """Return the seconds until something is done, or until patience ends."""
    started = time.monotonic()
    while not done() and time.monotonic() - started < _PATIENCE:  # noqa: ASYNC110 - another process does it
        await asyncio.sleep(0.05)
    return time.monotonic() - started


def _count(agency: Agency, condition: str) -> int:
    with ground.records(agency) as connection:
        return int(connection.execute(f"SELECT count(*) FROM outbox WHERE {condition}").fetchone()[0])


def timed(story: Sequence[Outage]) -> list[Figure]:
    """Return the figures of how each outage went."""
    figures = []
    for outage in story:
        name = outage.moods[0] if len(outage.moods) == 1 else "all moods"
        most = _AT_ONCE + outage.lasted + 1  # a batch, and then at most one a second, both ends counted
        figures += [
            Figure(
                f"mail, {name}: drained",
                f"≤ {_SECONDS_TO_DRAIN} s",
                f"{outage.drained_in:.1f} s after {outage.lasted:.0f} s",
                outage.drained_in <= _SECONDS_TO_DRAIN,
            ),
            Figure(f"mail, {name}: tries", f"≤ {most:.0f}", str(outage.calls), outage.calls <= most),
        ]
    return [*figures, none_of("mail: moods that were not met", [mood for outage in story for mood in outage.unmet])]


def _arrived(agency: Agency, server: MailServer) -> list[Figure]:
    """Compare what the outbox held with what the server has, by kind and CN."""
    with ground.records(agency) as connection:
        rows = connection.execute("SELECT kind, cn FROM outbox WHERE recipient <> ?", (UNKNOWN,)).fetchall()
    return compared(rows, server.received)


def compared(rows: Sequence[tuple[str, str | None]], received: Sequence[bytes]) -> list[Figure]:
    """Return the figures of what should have arrived, kind and CN of each, and of what did."""
    copies: dict[str, set[bytes]] = collections.defaultdict(set)
    arrived: dict[str, tuple[str, str | None]] = {}
    for content in received:
        mail = email.message_from_bytes(content, policy=email.policy.default)
        copies[mail["Message-ID"]].add(content)
        arrived[mail["Message-ID"]] = (mail["X-Warifu-Notice"], mail["X-Warifu-CN"])
    wanted, found = collections.Counter(rows), collections.Counter(arrived.values())
    again = len(received) - len(copies)
    return [
        none_of(f"mail: lost of {len(rows)}", [f"{kind} of {cn}" for kind, cn in (wanted - found).elements()]),
        none_of("mail: twice, under two Message-IDs", [f"{kind} of {cn}" for kind, cn in (found - wanted).elements()]),
        none_of("mail: copies that differ", [name for name, contents in copies.items() if len(contents) > 1]),
        Figure("mail: twice, under one Message-ID", "any number", str(again), met=True),
    ]


def _given_up(agency: Agency, outages: int) -> list[Figure]:
    """Judge what became of the mails to the unknown addressee, and what the operator was told."""
    with ground.records(agency) as connection:
        refused = [row[0] for row in connection.execute("SELECT id FROM outbox WHERE recipient = ?", (UNKNOWN,))]
        dead = [row[0] for row in connection.execute("SELECT id FROM outbox WHERE status = 'dead'")]
        query = "SELECT detail FROM audit WHERE action = 'mail dead'"
        audited = " ".join(row[0] for row in connection.execute(query))
    books = agency.ca("reconcile", code=5 if dead else 0)["books"]
    findings = [finding for book in books for finding in book["findings"]]
    alarms = [line for line in agency.log.read_text("utf-8").splitlines() if "ALARM" in line]
    told = {mail: ("\n".join(alarms), audited, "\n".join(findings)) for mail in refused}
    untold = [mail for mail, places in told.items() if not all(mail in place for place in places)]
    gone, back = (sum(word in line for line in alarms) for word in ("mails do not leave", "mails leave again"))
    return [
        counted("mail: given up, all to the unknown one", len(refused), len(dead) if set(dead) == set(refused) else 0),
        none_of("mail: given up without an alarm", untold),
        counted("mail: alarms that the server is away", outages, gone),
        counted("mail: and that it is back", outages, back),
        counted("mail: alarms in all", 2 * outages + len(refused), len(alarms)),
        none_of("mail: other faults in the books", [each for each in findings if "is dead" not in each]),
    ]

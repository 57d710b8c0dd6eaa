"""What was found out about this PC and its servers: plain frozen values, which checks and charts judge."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from client.errors import ClientError
from client.ocsp import Standing

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far two clocks may part: OCSP answers and nonces bear as much."""

MAIL_LEAD = timedelta(days=30)
"""How long before the end the renewal mails go out (U1), and how late an agent should have renewed at the latest."""


class Stage(StrEnum):
    """The steps on the way to a server, in this order."""

    DNS = "dns"
    TCP = "tcp"
    TLS = "tls"
    HTTP = "http"


@dataclass(frozen=True, slots=True)
class Server:
    """One server: the first stage that failed (None for none) and why.

    `of_time` tells that it is the dates of the server's certificate that TLS refused. `ahead` is how far this PC's
    clock is before the server's, None when the server told no time. `website` is the page with forms and contact.
    """

    host: str
    failed: Stage | None = None
    reason: object = ""
    of_time: bool = False
    ahead: timedelta | None = None
    website: str | None = None

    @property
    def clock_is_wrong(self) -> bool:
        """Tell whether the clocks are further apart than two right ones can be."""
        return self.ahead is not None and abs(self.ahead) > CLOCK_TOLERANCE


class KeyState(StrEnum):
    """How a certificate's private key was found."""

    MATCHES = "matches"
    FOREIGN = "foreign"
    MISSING = "missing"
    AWAY = "away"
    UNASKED = "unasked"


@dataclass(frozen=True, slots=True)
class Key:
    """One private key: what was found, why it could not be used, whether it could be copied away."""

    state: KeyState
    trouble: ClientError | None = None
    copyable: bool | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate; `standing` is the authority's word, None with the reason in `unasked` when there is none."""

    not_after: datetime
    live: bool
    key: Key
    revoked_here: bool = False
    standing: Standing | None = None
    unasked: ClientError | None = None


class AccountState(StrEnum):
    """What the server says of the seat's account."""

    VALID = "valid"
    ENDED = "ended"
    UNASKED = "unasked"


@dataclass(frozen=True, slots=True)
class Renewal:
    """What the agent would do: `due_at` its moment, `final` the word of an answer that no waiting changes.

    `trouble` is why the server was not understood.
    """

    due_at: datetime | None = None
    under_way: bool = False
    final: str | None = None
    trouble: ClientError | None = None


@dataclass(frozen=True, slots=True)
class Seat:
    """One seat: `server` is the host of its server; `without_predecessor` that it renews what never was on this PC."""

    cn: str
    institution: str
    server: str
    store: str
    certificates: tuple[Certificate, ...]
    account: AccountState = AccountState.UNASKED
    renewal: Renewal = Renewal()
    without_predecessor: bool = False
    damage: ClientError | None = None

    @property
    def live(self) -> Certificate | None:
        """Return the certificate in use, None when it is gone."""
        return next((each for each in self.certificates if each.live), None)


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it. `wanted` is the CN that was asked about and is not here.

    `exposed` names the files that others may read, relative to the home, `exposed_pins` those with PINs, which lie
    anywhere; `barred` what this login may not use as it must, `full` that there is no room on the disk, `read_only`
    that nobody can write to it. `scheduled` is None on a platform without a schedule of ours, `runs_daily` tells what
    the log shows; `strangers` counts certificates of ours in the platform's store that are not of this home.
    """

    now: datetime
    seats: tuple[Seat, ...] = ()
    servers: tuple[Server, ...] = ()
    wanted: str | None = None
    pending: int = 0
    leftovers: int = 0
    strangers: int = 0
    exposed: tuple[str, ...] = ()
    exposed_pins: tuple[str, ...] = ()
    barred: tuple[str, ...] = ()
    full: bool = False
    read_only: bool = False
    hook_trouble: ClientError | None = None
    scheduled: bool | None = True
    runs_daily: bool = False
    log: str | None = None

    def server_of(self, seat: Seat) -> Server | None:
        """Return what is known of a seat's server."""
        return next((each for each in self.servers if each.host == seat.server), None)

    def true_now(self, seat: Seat) -> datetime:
        """Return the time by the seat's server where this PC's clock is wrong, so that ends are judged rightly."""
        server = self.server_of(seat)
        if server is None or server.ahead is None or not server.clock_is_wrong:
            return self.now
        return self.now - server.ahead

    def ends_soon(self, seat: Seat) -> bool:
        """Tell whether the certificate in use ends within the time of the renewal mails, or has ended."""
        return seat.live is not None and seat.live.not_after - MAIL_LEAD <= self.true_now(seat)

"""The sections of the configuration: frozen values, each field with its unit and why one would change it."""

import dataclasses
import datetime
import functools
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ca_server.domain.calendar import Calendar, MonthDay
from ca_server.language import sentence
from ca_server.whereabouts import Cluster, Whereabouts
from protocol.renewal_info import RenewalTimes

if TYPE_CHECKING:  # with it comes cryptography, which not every command waits for
    from ca_server.domain.help_desk import Times


def _whole(default: int, least: int, most: int) -> int:
    field: int = dataclasses.field(default=default, metadata={"least": least, "most": most})
    return field


@dataclasses.dataclass(frozen=True)
class Server:
    """Where the service is reached, and where it listens."""

    public_url: str
    """The https URL that mails, clients and every `url` of a request name; never taken from a request."""
    http_url: str
    """The plain http URL of OCSP, CRLs and CA certificates: it is written into every certificate."""
    public_listen: str
    """host:port of the ACME and enrolment listener."""
    http_listen: str
    """host:port of the OCSP and CRL listener."""
    tls_certificate: Path
    """PEM chain for the public listener; production names one that the institutions' browsers trust."""
    tls_key: Path
    """Its key, PEM, 0600."""
    secret_files: tuple[Path, ...]
    """Server secrets, the newest first: seals kids and passwords. An older one still opens, so it can be rolled."""
    tls_passphrase_file: Path | None = None
    """Passphrase of the TLS key, when it is encrypted."""
    database: Whereabouts = Path("warifu.db")
    """The SQLite file, or a database of PostgreSQL as postgresql://user@host:port/name, for several servers."""
    database_password_file: Path | None = None
    """The password for PostgreSQL, 0600; none where the server knows its clients otherwise (peer, certificates)."""
    public_folder: Path = Path("public")
    """Where CRLs and CA certificates are published."""
    documents_folder: Path = Path("documents")
    """CP/CPS and privacy policy in Markdown, which the operator completes."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses whose X-Forwarded-For is believed."""
    officers_listen: str | None = None
    """host:port on the loopback for those who watch: metrics, health, readiness; without one nobody can."""

    def __post_init__(self) -> None:
        """Tell the database where its password is, for whoever opens it. Raises ValueError for a file's."""
        if isinstance(self.database, Cluster):
            known = dataclasses.replace(self.database, password_file=self.database_password_file)
            object.__setattr__(self, "database", known)
        elif self.database_password_file is not None:
            raise ValueError(sentence("database_password_file is for a database of PostgreSQL"))


@dataclasses.dataclass(frozen=True)
class IssuingAuthority:
    """An issuing CA and its OCSP signer: what `[authority]`, `[next]` and each `[[former]]` say of theirs."""

    issuer: str
    """Its name: its files and URLs are called by it, and the records know it by it."""
    issuing_certificate: Path
    issuing_key: Path
    issuing_passphrase_file: Path
    ocsp_certificate: Path
    ocsp_key: Path
    ocsp_passphrase_file: Path


@dataclasses.dataclass(frozen=True)
class Authority(IssuingAuthority):
    """The issuing CA in use. The root's key is never opened by `serve`."""

    organization: str
    """O of every name."""
    root_certificate: Path
    ocsp_signer_days: int = _whole(30, 2, 90)
    """Days that an OCSP signer's certificate lives; it is rotated at a third of that before its end."""
    ocsp_answer_minutes: int = _whole(60, 5, 1440)
    """Minutes that an OCSP answer may be believed."""
    crl_hours: int = _whole(24, 2, 168)
    """Hours that a CRL is valid; a new one is made each hour and at each revocation."""


@dataclasses.dataclass(frozen=True)
class Profile:
    """What stands in a client certificate."""

    policy_oid: str
    """The certificate policy."""
    cps_url: str
    """Where the CP/CPS is read."""
    validity_days: int = _whole(395, 1, 1200)
    """Days from notBefore to the second after notAfter."""
    alias_suffix: str | None = None
    """A DNS suffix that the operator owns: orders may then name f123456-001.<suffix>, which becomes a SAN."""
    crl_partitions: int = _whole(0, 0, 1000)
    """Partitions that new certificates are spread over, each with a CRL of its own, which their certificates name: for
    so many revocations that one list is too large to fetch. 0 for one list of all, which is there in any case."""


@dataclasses.dataclass(frozen=True)
class Applications:
    """How applications are decided."""

    two_officers: bool = True
    """Examination and approval by two different officers."""
    most_certificates: int = _whole(100, 1, 999)
    """Certificates that one application may ask for."""
    closing_days: tuple[str, ...] = ()
    """Days (2027-05-01) on which the agency is closed besides weekends, national holidays and the year end."""
    year_end: tuple[str, ...] = ("12-29", "01-03")
    """First and last day (month-day) of the closure at the turn of the year."""
    hold_business_days: int = _whole(3, 1, 30)
    """Business days for which a CN is held on an urgent form that had to be returned."""
    reminder_business_days: int = _whole(3, 1, 30)
    """Business days between reminders of a form that is owed after a telephone call."""
    change_business_days: int = _whole(1, 1, 30)
    """Business days from the approval of an administrator change until mail moves, unless there was a call-back."""
    retention_days: int = _whole(3653, 1, 36530)
    """Days for which the file of an application is kept, sealed."""
    approvals: str = "recorded"
    """`recorded`, or `signed`: nothing is issued, revoked or changed on a form without its officers' signatures."""
    officer_keys: Path = Path("officer-keys.toml")
    """The list of officers' public keys; with `signed`, nobody but the operator may write it."""

    @property
    def signed(self) -> bool:
        """Tell whether decisions must be signed by their officers."""
        return self.approvals == "signed"

    @functools.cached_property
    def calendar(self) -> Calendar:
        """Return the days on which the agency works. Raises ValueError for a text that is no day."""
        first, last = (_month_day(text) for text in self.year_end)
        return Calendar(frozenset(datetime.date.fromisoformat(day) for day in self.closing_days), (first, last))


def _month_day(text: str) -> MonthDay:
    day = datetime.date.fromisoformat(f"2024-{text}")
    return day.month, day.day


@dataclasses.dataclass(frozen=True)
class Credentials:
    """The mailed halves."""

    days: int = _whole(30, 1, 90)
    """Days until a URL expires."""
    wrong_passwords: int = _whole(10, 3, 100)
    """The wrong password that locks a URL."""
    fresh_pair_days: int = _whole(180, 1, 1000)
    """Days after a URL expired unused for which a fresh pair can be had."""


@dataclasses.dataclass(frozen=True)
class Mail:
    """How mails leave."""

    sender: str
    """The address that mails come from."""
    transport: str = "maildir"
    """maildir (a folder beside the database, for trials) or smtp."""
    maildir: Path = Path("mailbox")
    password_delay_seconds: int = _whole(120, 0, 86400)
    """Seconds by which the password mail leaves after the URL mail."""
    smtp_host: str = "localhost"
    smtp_port: int = _whole(587, 1, 65535)
    smtp_starttls: bool = True
    """Refuse to send in the clear."""
    smtp_user: str | None = None
    smtp_password_file: Path | None = None
    smtp_ca_file: Path | None = None
    """Trust for the mail server's certificate; the system's store when absent."""


@dataclasses.dataclass(frozen=True)
class Operator:
    """What mails and pages say of who runs this."""

    contact_name: str
    telephone: str
    mail: str
    hours: str
    sender_domains: tuple[str, ...]
    """Domains that a recipient's filter must let through."""
    hours_en: str | None = None
    """The hours in English, when they differ from `hours`."""
    filing: str | None = None
    """Where and how the application forms are filed (提出先、提出方法); when absent, people are told to ask."""
    filing_en: str | None = None
    """The same in English, when it differs."""
    addressees: tuple[str, ...] = ()
    """To whom the application forms are addressed, a line each; the organisation when there are none."""
    privacy_url: str | None = None
    """Where the privacy policy is read that the application forms refer to."""
    self_test_url: str | None = None
    """The page of a relying system that shows which certificate a browser sends; the last step of an enrolment."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """Rate limits; they count failures, and successes only far above honest use."""

    enabled: bool = True
    failures_a_minute: int = _whole(20, 1, 100_000)
    """Failed POSTs a minute from one address (IPv6: one /64); whoever only reads is neither counted nor refused."""
    accounts_an_hour: int = _whole(600, 1, 1_000_000)
    """newAccount requests an hour from one address."""
    orders_an_hour: int = _whole(10, 1, 100_000)
    """New orders an hour of one account."""
    changes_an_hour: int = _whole(10, 1, 100_000)
    """Changes of key and contacts an hour of one account; a key it gave up stays on record for ever."""


@dataclasses.dataclass(frozen=True)
class Responder:
    """How OCSP is answered: by workers of their own, from answers kept ready."""

    workers: int = _whole(0, 0, 64)
    """Processes that answer OCSP; 0: one a core. Fewer leave cores to enrolment."""
    ready_folder: Path = Path("ready")
    """Where signed answers are kept ready, on a disk of this machine; it is rebuilt when it is lost."""
    source: str | None = None
    """The https URL of the Warifu that a responder on another machine follows; without one it reads the records."""
    source_ca_file: Path | None = None
    """Trust for the source's certificate; the system's store when absent."""
    feed_token_file: Path | None = None
    """Secret that a following responder shows, the same file on both machines; without one nobody may follow."""


@dataclasses.dataclass(frozen=True)
class Audit:
    """How the audit log is proved, and how long it names people."""

    key: Path = Path("authority/checkpoint.key.pem")
    """Signs checkpoints, Ed25519; `warifu-ca audit new-key` makes one."""
    passphrase_file: Path = Path("secrets/checkpoint.passphrase")
    auditors: tuple[str, ...] = ()
    """Mail addresses that get the newest checkpoint each day, so that nobody can rewrite what they have seen."""
    language: str = "ja"
    """The language of these mails: ja or en."""
    retention_days: int = _whole(3653, 30, 36530)
    """Days after which names, addresses and host names are erased from entries; what was done stays provable."""


@dataclasses.dataclass(frozen=True)
class Log:
    """What a running service writes to stderr."""

    format: str = "json"
    """json (an object a line, for machines) or text (for whoever reads along)."""


@dataclasses.dataclass(frozen=True)
class Config:
    """The whole configuration."""

    path: Path
    server: Server
    authority: Authority
    profile: Profile
    mail: Mail
    operator: Operator
    applications: Applications = Applications()
    credentials: Credentials = Credentials()
    limits: Limits = Limits()
    responder: Responder = Responder()
    log: Log = Log()
    audit: Audit = dataclasses.field(default_factory=Audit)
    renewal: RenewalTimes = dataclasses.field(default_factory=RenewalTimes)
    next: IssuingAuthority | None = None
    """The issuing CA that will take over: relying systems get its certificate and CRL before it issues anything."""
    former: tuple[IssuingAuthority, ...] = ()
    """Issuing CAs that issue no more, and whose certificates stand."""

    @property
    def authorities(self) -> tuple[IssuingAuthority, ...]:
        """Return every issuing CA that publishes CRLs and answers OCSP, the one in use first."""
        return (self.authority, *(() if self.next is None else (self.next,)), *self.former)

    @property
    def audit_origin(self) -> str:
        """Return the name of this installation's audit log, which checkpoints bear and their key."""
        return f"{urlsplit(self.server.public_url).netloc}/audit"

    @property
    def times(self) -> "Times":
        """Return until when certificates can be renewed, and pairs replaced by fresh ones."""
        from ca_server.domain.help_desk import Times

        return Times(self.renewal, self.credentials.fresh_pair_days)

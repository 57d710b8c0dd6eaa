"""The configuration: one TOML file, read once into frozen values, every fault of it named before anything starts.

Each field states its unit and why one would change it; `conf/warifu.toml` shows them all. Relative paths start at the
folder of the file.
"""

import dataclasses
import datetime
import functools
import ipaddress
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ca_server.domain.calendar import Calendar, MonthDay
from ca_server.language import sentence
from protocol.renewal_info import RenewalTimes

if TYPE_CHECKING:  # with it comes cryptography, which not every command waits for
    from ca_server.domain.help_desk import Times

_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*)){2,}")
_LINK = re.compile(
    r"(https://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])|http://(localhost|127(\.[0-9]{1,3}){3}|\[::1\]))"
    r"(:[0-9]{1,5})?([/?#][!-~]*)?"
)
_ADDRESS = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")


class BadConfiguration(Exception):
    """The file cannot be used; `faults` names every field that is wrong and what it should be."""

    def __init__(self, path: Path, faults: list[str]) -> None:
        self.summary = sentence("{path} cannot be used:", path=path)
        self.faults = faults
        super().__init__("\n".join([self.summary, *(f"  {fault}" for fault in faults)]))


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
    database: Path = Path("warifu.db")
    """The SQLite file."""
    public_folder: Path = Path("public")
    """Where CRLs and CA certificates are published."""
    documents_folder: Path = Path("documents")
    """CP/CPS and privacy policy in Markdown, which the operator completes."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses whose X-Forwarded-For is believed."""


@dataclasses.dataclass(frozen=True)
class Authority:
    """The issuing CA and its OCSP signer. The root's key is never opened by `serve`."""

    organization: str
    """O of every name."""
    issuer: str
    """Name of the issuing CA in use: its files and URLs are called by it."""
    root_certificate: Path
    issuing_certificate: Path
    issuing_key: Path
    issuing_passphrase_file: Path
    ocsp_certificate: Path
    ocsp_key: Path
    ocsp_passphrase_file: Path
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
    renewal: RenewalTimes = dataclasses.field(default_factory=RenewalTimes)

    @property
    def times(self) -> "Times":
        """Return until when certificates can be renewed, and pairs replaced by fresh ones."""
        from ca_server.domain.help_desk import Times

        return Times(self.renewal, self.credentials.fresh_pair_days)


def load(path: Path) -> Config:
    """Read the file. Raises BadConfiguration naming every fault at once."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise BadConfiguration(path, [sentence("there is no such file; `warifu-ca init` makes one")]) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadConfiguration(path, [sentence("it is not readable TOML: {error}", error=error)]) from error
    faults: list[str] = []
    sections = {field.name: field for field in dataclasses.fields(Config) if field.name != "path"}
    faults += [_at(f"[{name}]", sentence("there is no such section")) for name in document if name not in sections]
    values: dict[str, object] = {}
    for name, field in sections.items():
        table = document.get(name, {})
        if not isinstance(table, dict):
            faults.append(_at(f"[{name}]", sentence("must be a section")))
            continue
        values[name] = _section(typing.cast(type, field.type), name, table, path.parent, faults)
    if not faults:
        config = Config(path=path, **values)  # type: ignore[arg-type]
        faults += _contradictions(config)
        if not faults:
            return config
    raise BadConfiguration(path, faults)


def _section(kind: type, name: str, table: Mapping[str, object], folder: Path, faults: list[str]) -> object:
    fields = {field.name: field for field in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind)
    before = len(faults)
    faults += [_at(f"{name}.{key}", sentence("there is no such setting")) for key in table if key not in fields]
    values: dict[str, object] = {}
    for key, field in fields.items():
        if key in table:
            value = _value(hints[key], table[key], folder)
            fault = _fault(hints[key], value, field.metadata)
            if fault:
                faults.append(_at(f"{name}.{key}", fault))
            values[key] = value
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            faults.append(_at(f"{name}.{key}", sentence("is missing")))
        elif isinstance(field.default, Path):
            values[key] = folder / field.default
    if len(faults) > before:
        return None
    try:
        return kind(**values)
    except ValueError as error:
        faults.append(_at(f"[{name}]", str(error)))
        return None


def _value(hint: object, value: object, folder: Path) -> object:
    """Turn a TOML value into what the field holds; what does not fit comes back as it was, for `_fault`."""
    hint = _required(hint)
    if hint is Path and isinstance(value, str):
        return folder / value
    if typing.get_origin(hint) is tuple and isinstance(value, list):
        inner = typing.get_args(hint)[0]
        if all(type(each) is (int if inner is int else str) for each in value):
            return tuple(folder / each if inner is Path else each for each in value)
    return value


def _required(hint: object) -> object:
    if isinstance(hint, types.UnionType):
        return next(each for each in typing.get_args(hint) if each is not type(None))
    return hint


def _fault(hint: object, value: object, metadata: Mapping[str, int]) -> str | None:
    hint = _required(hint)
    if typing.get_origin(hint) is tuple:
        if isinstance(value, tuple):
            return None
        numbers = typing.get_args(hint)[0] is int
        return sentence("must be a list of whole numbers") if numbers else sentence("must be a list of texts")
    if hint is int:
        if not isinstance(value, int) or isinstance(value, bool):
            return sentence("must be a whole number")
        least, most = metadata.get("least", value), metadata.get("most", value)
        return None if least <= value <= most else sentence("must be from {least} to {most}", least=least, most=most)
    if hint is bool:
        return None if isinstance(value, bool) else sentence("must be true or false")
    if hint is Path:
        return None if isinstance(value, Path) else sentence("must be a path")
    return None if isinstance(value, str) and value.strip() else sentence("must be a text")


def _contradictions(config: Config) -> list[str]:
    faults = _bad_links(config)
    for name, url, scheme in (
        ("server.public_url", config.server.public_url, "https"),
        ("server.http_url", config.server.http_url, "http"),
    ):
        parts = urlsplit(url)
        if parts.scheme != scheme or not parts.hostname or parts.path or parts.query or not url.isascii():
            faults.append(
                _at(name, sentence("must be {scheme}://host or {scheme}://host:port, without a path", scheme=scheme))
            )
    for name, listen in (
        ("server.public_listen", config.server.public_listen),
        ("server.http_listen", config.server.http_listen),
    ):
        if address_of(listen) is None:
            faults.append(_at(name, sentence("must be host:port, such as 127.0.0.1:8443")))
    if config.mail.transport not in ("maildir", "smtp"):
        faults.append(_at("mail.transport", sentence("must be maildir or smtp")))
    if config.mail.smtp_user and not config.mail.smtp_starttls:
        faults.append(_at("mail.smtp_user", sentence("needs smtp_starttls, for a password never leaves in the clear")))
    if not _ADDRESS.fullmatch(config.mail.sender):
        faults.append(_at("mail.sender", sentence("must be one plain mail address")))
    if not _OID.fullmatch(config.profile.policy_oid):
        faults.append(_at("profile.policy_oid", sentence("must be an object identifier, such as 1.2.392.1")))
    try:
        config.applications.calendar  # noqa: B018 - it is made to be looked at
    except ValueError:
        faults.append(
            _at("applications", sentence("closing_days are days such as 2027-05-01, year_end two such as 12-29"))
        )
    if not config.server.secret_files:
        faults.append(_at("server.secret_files", sentence("must name at least one file")))
    for proxy in config.server.trusted_proxies:
        try:
            ipaddress.ip_address(proxy)
        except ValueError:
            faults.append(_at("server.trusted_proxies", sentence("{proxy!r} is no address", proxy=proxy)))
    return faults


def _bad_links(config: Config) -> list[str]:
    """Return the faults of what pages lead to: https, for what is told there matters; plain http on this machine."""
    return [
        _at(name, sentence("must be an https URL, such as https://www.example.jp/page"))
        for name, url in (
            ("profile.cps_url", config.profile.cps_url),
            ("operator.privacy_url", config.operator.privacy_url),
            ("operator.self_test_url", config.operator.self_test_url),
        )
        if url is not None and not _LINK.fullmatch(url)
    ]


def _at(place: str, fault: str) -> str:
    return sentence("{place}: {fault}", place=place, fault=fault)


def address_of(listen: str) -> tuple[str, int] | None:
    """Return (host, port) of a listen setting, or None when it is not one."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or not 0 <= int(port) <= 65535:
        return None
    return host.strip("[]"), int(port)

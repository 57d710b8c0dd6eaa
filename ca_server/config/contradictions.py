"""Judges what the kind of a field cannot: URLs, addresses, and settings that exclude each other."""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from ca_server import logs
from ca_server.config.faults import at
from ca_server.config.sections import Config
from ca_server.language import CODES, Sentence, sentence

_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*)){2,}")
_LINK = re.compile(
    r"(https://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])|http://(localhost|127(\.[0-9]{1,3}){3}|\[::1\]))"
    r"(:[0-9]{1,5})?([/?#][!-~]*)?"
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,15}")
_ADDRESS = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")


def contradictions(config: Config) -> list[str]:
    """Return the faults of values that have the right kind: texts that are no URL, settings that exclude each other."""
    faults = [*_bad_links(config), *_bad_origins(config), *_bad_names(config), *_bad_words(config)]
    faults += [*_bad_auditing(config), *_bad_watching(config)]
    for name, listen in (
        ("server.public_listen", config.server.public_listen),
        ("server.http_listen", config.server.http_listen),
    ):
        if address_of(listen) is None:
            faults.append(at(name, sentence("must be host:port, such as 127.0.0.1:8443")))
    if config.mail.smtp_user and not config.mail.smtp_starttls:
        faults.append(at("mail.smtp_user", sentence("needs smtp_starttls, for a password never leaves in the clear")))
    if config.mail.smtp_user and config.mail.smtp_password_file is None:
        faults.append(at("mail.smtp_user", sentence("needs smtp_password_file")))
    if not _ADDRESS.fullmatch(config.mail.sender):
        faults.append(at("mail.sender", sentence("must be one plain mail address")))
    if not _OID.fullmatch(config.profile.policy_oid):
        faults.append(at("profile.policy_oid", sentence("must be an object identifier, such as 1.2.392.1")))
    try:
        config.applications.calendar  # noqa: B018 - it is made to be looked at
    except ValueError:
        faults.append(
            at("applications", sentence("closing_days are days such as 2027-05-01, year_end two such as 12-29"))
        )
    if config.responder.source and not config.responder.feed_token_file:
        faults.append(at("responder.source", sentence("needs feed_token_file, which the source asks for")))
    if not config.server.secret_files:
        faults.append(at("server.secret_files", sentence("must name at least one file")))
    for proxy in config.server.trusted_proxies:
        try:
            ipaddress.ip_address(proxy)
        except ValueError:
            faults.append(at("server.trusted_proxies", sentence("{proxy!r} is no address", proxy=proxy)))
    return faults


def _bad_origins(config: Config) -> list[str]:
    return [
        at(name, sentence("must be {scheme}://host or {scheme}://host:port, without a path", scheme=scheme))
        for name, url, scheme in (
            ("server.public_url", config.server.public_url, "https"),
            ("server.http_url", config.server.http_url, "http"),
            ("responder.source", config.responder.source, "https"),
        )
        if url is not None and not _is_origin(url, scheme)
    ]


def _bad_words(config: Config) -> Iterator[str]:
    for name, word, known in (
        ("mail.transport", config.mail.transport, ("maildir", "smtp")),
        ("applications.approvals", config.applications.approvals, ("recorded", "signed")),
        ("audit.language", config.audit.language, CODES),
        ("log.format", config.log.format, logs.FORMATS),
    ):
        if word not in known:
            yield at(name, sentence("must be {one} or {other}", one=known[0], other=known[1]))


def _bad_auditing(config: Config) -> Iterator[str]:
    for address in config.audit.auditors:
        if not _ADDRESS.fullmatch(address):
            yield at("audit.auditors", sentence("{address!r} is no plain mail address", address=address))


def _bad_watching(config: Config) -> Iterator[str]:
    listen = config.server.officers_listen
    place = None if listen is None else address_of(listen)
    if listen is not None and (place is None or not _is_loopback(place[0])):
        fault = sentence("must be host:port of the loopback, such as 127.0.0.1:9443, for nothing there is encrypted")
        yield at("server.officers_listen", fault)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bad_names(config: Config) -> list[str]:
    names = [authority.issuer for authority in config.authorities]
    found = (fault_of_issuer(name, names[:place]) for place, name in enumerate(names))
    return [at("issuer", fault) for fault in found if fault]


def fault_of_issuer(name: str, others: Sequence[str]) -> Sentence | None:
    """Return what is wrong with the name of an issuing CA beside others, which stands in file names and URLs."""
    if not _NAME.fullmatch(name):  # the records have room for 16 characters
        return sentence(
            "{name!r} must be 1 to 16 of a-z, A-Z, 0-9, - and ., beginning with a letter or digit", name=name
        )
    if name in ("root", *others):
        return sentence("{name!r} is the name of another CA here; choose a new one", name=name)
    for one, other in ((one, other) for each in others for one, other in ((name, each), (each, name))):
        if re.fullmatch(re.escape(other) + "-[0-9]+", one):
            return sentence(
                "{one!r} is what a partition's CRL of {other!r} is called; choose a new name", one=one, other=other
            )
    return None


def _is_origin(url: str, scheme: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:  # a bracket that opens no IPv6 address
        return False
    return parts.scheme == scheme and bool(parts.hostname and url.isascii()) and not (parts.path or parts.query)


def _bad_links(config: Config) -> list[str]:
    """Return the faults of what pages lead to: https, for what is told there matters; plain http on this machine."""
    return [
        at(name, sentence("must be an https URL, such as https://www.example.jp/page"))
        for name, url in (
            ("profile.cps_url", config.profile.cps_url),
            ("operator.privacy_url", config.operator.privacy_url),
            ("operator.self_test_url", config.operator.self_test_url),
        )
        if url is not None and not _LINK.fullmatch(url)
    ]


def address_of(listen: str) -> tuple[str, int] | None:
    """Return (host, port) of a listen setting, or None when it is not one."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or not 0 <= int(port) <= 65535:
        return None
    return host.strip("[]"), int(port)

"""The configuration that `init` writes: `conf/warifu.toml` is the annotated whole, this is what a new CA needs."""

import json
from typing import Protocol
from urllib.parse import urlsplit


class Asked(Protocol):
    """What `init` was asked for."""

    @property
    def public_url(self) -> str: ...
    @property
    def http_url(self) -> str: ...
    @property
    def organization(self) -> str: ...
    @property
    def officers_listen(self) -> str: ...
    @property
    def passphrase_file(self) -> object: ...


_TEXT = """\
# Every setting, with its unit and its reason, stands in conf/warifu.toml of the source.

[server]
public_url = {public_url}
http_url = {http_url}
public_listen = {public_listen}
http_listen = {http_listen}
officers_listen = {officers_listen}
tls_certificate = "tls/server.pem"
tls_key = "tls/server.key.pem"
tls_passphrase_file = {server}
secret_files = ["secrets/server.secret"]
database = "warifu.db"
public_folder = "public"

[authority]
organization = {organization}
issuer = "issuing-1"
root_certificate = "public/root.pem"
issuing_certificate = "authority/issuing-1.pem"
issuing_key = "authority/issuing-1.key.pem"
issuing_passphrase_file = {issuing-1}
ocsp_certificate = "authority/ocsp.pem"
ocsp_key = "authority/ocsp.key.pem"
ocsp_passphrase_file = {ocsp}

[profile]
policy_oid = "1.3.6.1.4.1.99999.1.1"  # yours comes here before anything is issued in earnest
cps_url = {cps_url}
validity_days = 395

[credentials]
days = 30
wrong_passwords = 10

[mail]
sender = "no-reply@{mail_domain}"
transport = "maildir"  # for trials; "smtp" lets mails leave
password_delay_seconds = 120

[audit]
key = "authority/checkpoint.key.pem"
passphrase_file = {checkpoint}
auditors = []  # mail addresses that get the newest checkpoint each day

[operator]
contact_name = "Help desk"
telephone = "000-0000-0000"
mail = "helpdesk@{mail_domain}"
hours = "9:30-18:15"
sender_domains = ["{mail_domain}"]
privacy_url = {privacy_url}
"""


def render_configuration(asked: Asked) -> str:
    """Return the text of warifu.toml."""
    host = urlsplit(asked.public_url).hostname or "localhost"
    values = {
        "public_url": asked.public_url,
        "http_url": asked.http_url,
        "public_listen": _listen(asked.public_url, 443),
        "http_listen": _listen(asked.http_url, 80),
        "officers_listen": asked.officers_listen,
        "organization": asked.organization,
        "cps_url": f"{asked.public_url}/cps",
        "privacy_url": f"{asked.public_url}/privacy",
    }
    for name in ("server", "issuing-1", "ocsp", "checkpoint"):
        values[name] = str(asked.passphrase_file or f"secrets/{name}.passphrase")
    quoted = {name: json.dumps(value, ensure_ascii=False) for name, value in values.items()}
    domain = host if "." in host and not host.replace(".", "").isdigit() else "warifu.example"
    return _TEXT.format(**quoted, mail_domain=domain)


def _listen(url: str, default: int) -> str:
    """Return where to listen: on loopback for a trial there, otherwise on every address."""
    parts = urlsplit(url)
    host = parts.hostname or "localhost"
    local = host == "localhost" or host.startswith("127.")
    return f"{'127.0.0.1' if local else '0.0.0.0'}:{parts.port or default}"  # noqa: S104 - the service is public

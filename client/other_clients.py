"""The same URL and password for other ACME clients: the kid and the HMAC key, and command lines that take them.

An EAB key is a secret as good as the password: these lines are for a terminal whose owner asked for them.
"""

from dataclasses import dataclass
from shlex import quote

from protocol import base64url
from protocol.credential import mac_key

_NAME = "CN-OF-THE-MAIL"


@dataclass(frozen=True, slots=True)
class Binding:
    """What an ACME client must be told; `common_name` is None where only the reader knows it."""

    directory: str
    kid: str
    password: str
    ca_file: str | None
    common_name: str | None

    @property
    def hmac_key(self) -> str:
        """Return the MAC key as clients take it, in base64url."""
        return base64url.encode(mac_key(self.kid, self.password))

    def commands(self) -> dict[str, list[str]]:
        """Return, for each client, the lines to run; each keeps this account in a folder of its own.

        The way of answering challenges must be named but is never gone: the authorizations are valid already.
        """
        name = self.common_name or _NAME
        return {
            "certbot": self._certbot(name),
            "lego": self._lego(name),
            "dehydrated": self._dehydrated(name),
        }

    def _certbot(self, name: str) -> list[str]:
        trust = "" if self.ca_file is None else f"REQUESTS_CA_BUNDLE={quote(self.ca_file)} "
        folder = f"certbot-{name}"
        return [
            f"{trust}certbot certonly --non-interactive --agree-tos --register-unsafely-without-email --standalone "
            f"--server {quote(self.directory)} --eab-kid {self.kid} --eab-hmac-key={self.hmac_key} "
            f"--config-dir {folder} --work-dir {folder} --logs-dir {folder} --domain {name.lower()}"
        ]

    def _lego(self, name: str) -> list[str]:
        trust = "" if self.ca_file is None else f"LEGO_CA_CERTIFICATES={quote(self.ca_file)} "
        return [
            f"{trust}lego --accept-tos --email nobody@example.invalid --server {quote(self.directory)} "
            f"--eab --kid {self.kid} --hmac={self.hmac_key} --path lego-{name} --http --domains {name.lower()} run"
        ]

    def _dehydrated(self, name: str) -> list[str]:
        settings = [
            f"CA={quote(self.directory)}",
            f"EAB_KID={self.kid}",
            f"EAB_HMAC_KEY={self.hmac_key}",
            f'BASEDIR="$PWD/dehydrated-{name}"',
            'WELLKNOWN="$BASEDIR"',
        ]
        if self.ca_file is not None:
            settings.append(f'CURL_OPTS="--cacert {quote(self.ca_file)}"')
        return [
            f"mkdir -p dehydrated-{name}",
            f"cat > dehydrated-{name}/config <<'END'",
            *settings,
            "END",
            f"dehydrated --config dehydrated-{name}/config --register --accept-terms",
            f"dehydrated --config dehydrated-{name}/config --cron --domain {name.lower()}",
        ]

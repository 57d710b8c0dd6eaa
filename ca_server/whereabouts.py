"""Where the records are: a file of SQLite, or a database of PostgreSQL on one host or several.

Both are written in one setting: a path, or a URL as libpq knows it. The URL holds no password, for it stands in
messages, logs and other people's copies of the configuration; that is a file's, or the server knows its clients in
ways of its own (peer, .pgpass, certificates).
"""

import dataclasses
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from ca_server.language import sentence

SCHEMES: Final = ("postgresql", "postgres")
_PARAMETERS: Final = frozenset(
    {"host", "port", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "ssl_min_protocol_version", "passfile"}
)
"""What may follow the question mark: how to get there, for how the connection behaves is ours to say."""


@dataclasses.dataclass(frozen=True)
class Cluster:
    """A database of PostgreSQL: `postgresql://user@host:port/name`, several hosts with commas between them."""

    url: str
    password_file: Path | None = None

    def __str__(self) -> str:
        """Return the URL, which holds no secret."""
        return self.url


Whereabouts = Path | Cluster


def whereabouts(text: str, folder: Path) -> Whereabouts:
    """Return where a setting says that the records are; a path starts at `folder`. Raises ValueError saying why not."""
    scheme, separator, _ = text.partition("://")
    if not separator:
        return folder / text
    if scheme not in SCHEMES:
        raise ValueError(sentence("must be a path, or postgresql://user@host:port/name"))
    parts = urlsplit(text)
    asked = parse_qsl(parts.query, keep_blank_values=True)
    if ":" in parts.netloc.rpartition("@")[0] or any(name == "password" for name, _ in asked):
        raise ValueError(sentence("holds a password; put it into a file that database_password_file names"))
    if not parts.path.strip("/"):
        raise ValueError(sentence("must name a database behind the host, as in postgresql://user@host:port/name"))
    strange = sorted({name for name, _ in asked} - _PARAMETERS)
    if strange:
        raise ValueError(sentence("has no parameter {names} here", names=", ".join(strange)))
    return Cluster(text)

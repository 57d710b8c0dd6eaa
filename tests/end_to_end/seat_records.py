"""What the agency's records say of one seat, read beside the running service; and the clock, moved for one URL."""

import contextlib
import hashlib
import re
import sqlite3
import time
from collections.abc import Iterator

from ca_server.app import pair_terms
from ca_server.config import load
from ca_server.domain.credentials import CredentialKind
from ca_server.keyring import load_sealer
from ca_server.operations import invitation as pairs
from ca_server.store import SynchronousDatabase
from protocol.names import CommonName
from tests.end_to_end.agency import Agency, Invitation


@contextlib.contextmanager
def _records(agency: Agency) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(agency.folder / "warifu.db", timeout=10)
    try:
        with connection:
            yield connection
    finally:
        connection.close()


def failures(agency: Agency, invitation: Invitation) -> int:
    """Return how many wrong passwords were counted for a URL."""
    with _records(agency) as connection:
        found = connection.execute("SELECT failures FROM credential WHERE kid_sha256 = ?", [_name(invitation)])
        return int(found.fetchone()[0])


def certificates(agency: Agency, invitation: Invitation) -> int:
    """Return how many certificates the seat has, planned ones counted."""
    with _records(agency) as connection:
        found = connection.execute("SELECT count(*) FROM certificate WHERE cn = ?", [invitation.cn])
        return int(found.fetchone()[0])


def standing(agency: Agency, invitation: Invitation) -> tuple[object, ...]:
    """Return all that a request could change: the credential, and the numbers of accounts and audit entries."""
    with _records(agency) as connection:
        credential = connection.execute("SELECT * FROM credential WHERE kid_sha256 = ?", [_name(invitation)]).fetchone()
        accounts = connection.execute("SELECT count(*) FROM account WHERE cn = ?", [invitation.cn]).fetchone()
        entries = connection.execute("SELECT count(*) FROM audit WHERE subject = ?", [invitation.cn]).fetchone()
        return (*credential, *accounts, *entries)


def expire(agency: Agency, invitation: Invitation) -> None:
    """Let the time of a URL be over."""
    with _records(agency) as connection:
        over = int(time.time()) - 60
        connection.execute("UPDATE credential SET expires_at = ? WHERE kid_sha256 = ?", [over, _name(invitation)])


def _name(invitation: Invitation) -> str:
    return hashlib.sha256(invitation.kid.encode()).hexdigest()


def offer_renewal(agency: Agency, cn: str) -> Invitation:
    """Have a renewal URL and its password mailed, as the schedule does on the day, and return what came."""
    config = load(agency.config)
    records = SynchronousDatabase(config.server.database)
    terms = pair_terms(config, load_sealer(config))
    now = int(time.time())
    records.write(pairs.invite, CommonName.parse(cn), CredentialKind.RENEW, terms, now, "schedule")
    records.close()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = {mail["kind"]: mail["text"] for mail in agency.mails() if mail["cn"] == cn}
        if {"renewal-url", "renewal-password"} <= found.keys():
            url = re.findall(r"^https://\S+/e/\S+$", found["renewal-url"], re.MULTILINE)[0]
            password = re.findall(r"^(?:[0-9A-Z]{5}-){4}[0-9A-Z]{5}$", found["renewal-password"], re.MULTILINE)[0]
            return Invitation(cn, url, password)
        time.sleep(0.2)
    raise AssertionError(f"the renewal mails of {cn} did not come")

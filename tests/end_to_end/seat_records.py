"""What the agency's records say of one seat, read beside the running service; and the clock, moved for one URL."""

import contextlib
import hashlib
import sqlite3
import time
from collections.abc import Iterator

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

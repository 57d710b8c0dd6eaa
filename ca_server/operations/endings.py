"""Alarms before a certificate ends that a running service lives by: in time for a person to bring another one."""

from collections.abc import Mapping
from typing import Final

from cryptography import x509

from ca_server.clock import DAY, rfc3339

_LONGEST_NOTICE: Final = 21 * DAY
_NOTICE_OF_A_LIFE: Final = 5


def end_soon(certificates: Mapping[str, x509.Certificate], now: int) -> tuple[str, ...]:
    """Return an alarm for each, by what it is called, in the last fifth of its life and at most three weeks before."""
    alarms = []
    for name, each in certificates.items():
        begins, ends = (int(at.timestamp()) for at in (each.not_valid_before_utc, each.not_valid_after_utc))
        if ends - now < min((ends - begins) // _NOTICE_OF_A_LIFE, _LONGEST_NOTICE):
            tense = "ends" if now < ends else "ended"
            alarms.append(f"The certificate of {name} {tense} at {rfc3339(ends)}; it must be renewed.")
    return tuple(alarms)

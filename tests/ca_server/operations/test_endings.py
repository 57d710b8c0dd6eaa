"""Alarms before a certificate ends: in the last fifth of its life, three weeks before at the earliest."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from ca_server.clock import DAY, moment
from ca_server.operations.endings import end_soon
from keys.generate import generate

BEGIN = 1_800_000_000


def certificate(days: float) -> x509.Certificate:
    key = generate("P-256")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "it")])
    begins = moment(BEGIN)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, begins, begins + datetime.timedelta(days=days))
    return made.sign(key, hashes.SHA256())


@pytest.mark.parametrize(("life", "notice"), [(30, 6), (90, 18), (397, 21), (7300, 21)])
def test_an_alarm_comes_in_time_and_not_before(life: int, notice: int) -> None:
    mine = {"TLS": certificate(life)}
    first = BEGIN + (life - notice) * DAY
    assert end_soon(mine, first) == ()
    (alarm,) = end_soon(mine, first + 1)
    assert alarm.startswith("The certificate of TLS ends at ")
    (alarm,) = end_soon(mine, BEGIN + life * DAY)
    assert alarm.startswith("The certificate of TLS ended at ")

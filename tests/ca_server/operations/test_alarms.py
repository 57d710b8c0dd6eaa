"""What a running server says before it is too late."""

from ca_server.authority.hierarchy import HierarchyProfile, make_issuing, make_root
from ca_server.clock import DAY
from ca_server.operations.reconcile import issuer_ends_soon
from keys.generate import generate

NOW = 1_795_435_200
PROFILE = HierarchyProfile("例", "1.3.6.1.4.1.99999.1", "http://ca.example/r.crl", "http://ca.example/r.cer")


def test_an_issuing_ca_is_an_alarm_180_days_before_it_is_too_short_lived_to_issue() -> None:
    root = make_root(PROFILE, generate("P-384"), NOW)
    issuing = make_issuing(PROFILE, root, generate("P-256"), NOW).certificate
    last = int(issuing.not_valid_after_utc.timestamp()) - 395 * DAY
    assert issuer_ends_soon(issuing, 395, last - 180 * DAY - 1) == ()
    assert len(issuer_ends_soon(issuing, 395, last - 180 * DAY)) == 1

"""When the certificates end that a service lives by, the root's CRL, and the time in which the issuing CA can issue."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cryptography import x509

from ca_server.clock import rfc3339
from ca_server.observing.text import Metric, gauge

Named = Callable[[], Mapping[str, x509.Certificate]]
"""Returns the certificates in use now, by what they are called."""


class Endings:
    """The certificates in use: CAs, OCSP signers, TLS.

    `needed` are those without which the service can do nothing, the issuing CA first; what it issues lives
    `validity_seconds`, and nothing outlives its issuer.
    """

    def __init__(self, certificates: Named, needed: Sequence[str], validity_seconds: int, root_crl: Path) -> None:
        self._certificates = certificates
        self._needed = needed
        self._validity_seconds = validity_seconds
        self._root_crl = root_crl

    async def metrics(self, now: int) -> list[Metric]:
        """Return when each ends."""
        ends = {name: _end(each) for name, each in self._certificates().items()}
        last = ends[self._needed[0]] - self._validity_seconds
        root_crl = x509.load_der_x509_crl(await asyncio.to_thread(self._root_crl.read_bytes)).next_update_utc
        return [
            gauge(
                "warifu_certificate_not_after_timestamp_seconds",
                "When a certificate ends that the service lives by.",
                ends,
                "certificate",
            ),
            gauge(
                "warifu_issuing_until_timestamp_seconds",
                "From when on the issuing CA is too short-lived to issue.",
                last,
            ),
            gauge(
                "warifu_root_crl_next_update_timestamp_seconds",
                "When the root's CRL ends.",
                root_crl.timestamp() if root_crl else 0,
            ),
        ]

    async def troubles(self, now: int) -> list[str]:
        """Return which are over without which the service can do nothing."""
        found = self._certificates()
        return [
            f"The certificate {name} ended at {rfc3339(_end(found[name]))}."
            for name in self._needed
            if _end(found[name]) <= now
        ]


def _end(certificate: x509.Certificate) -> int:
    return int(certificate.not_valid_after_utc.timestamp())

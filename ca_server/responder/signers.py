"""The OCSP signer as it lies on disk: whoever rotates it writes two files, and who answers looks for them.

Between the two files a look finds a key and a certificate that do not belong together; then the one in use goes on.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from ca_server.authority.signer import Signer
from keys.errors import KeysError

log = logging.getLogger(__name__)


class SignerOnDisk:
    """One issuing CA's OCSP signer."""

    def __init__(self, certificate: Path, load: Callable[[], Signer]) -> None:
        self._certificate = certificate
        self._load = load
        self._stamp = self._look()
        self._signer = load()

    @property
    def place(self) -> Path:
        """Return where its certificate lies."""
        return self._certificate

    def is_ending(self, now: int) -> bool:
        """Tell whether the last fifth of its life has come: a fresh one is made long before."""
        certificate = self._signer.certificate
        begins, ends = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
        return ends - now < (ends - begins) / 5

    def current(self) -> Signer:
        """Return the signer in use."""
        return self._signer

    def look(self) -> None:
        """Use the files' signer when they have changed."""
        stamp = self._look()
        if stamp == self._stamp:
            return
        try:
            self._signer = self._load()
        except KeysError:
            return  # the other file is on its way
        self._stamp = stamp
        log.info("The OCSP signer in %s is used from now on", self._certificate)

    def _look(self) -> tuple[int, int]:
        try:
            found = self._certificate.stat()
        except OSError:
            return 0, 0
        return found.st_ino, found.st_mtime_ns

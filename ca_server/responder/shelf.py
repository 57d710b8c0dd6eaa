"""What is kept ready for one issuing CA, as an auditor reads it: the answers themselves, and no responder is asked."""

from ca_server.authority import der
from ca_server.responder.answers import Issuing, status_of
from ca_server.responder.ready import ReadyStore


class Shelf:
    """The ready answers about the certificates of one issuing CA."""

    def __init__(self, ready: ReadyStore, issuing: Issuing) -> None:
        self._ready = ready
        self._issuing = issuing

    def place(self) -> int:
        """Return up to which place the responder has followed the records."""
        return self._ready.place()

    def answer(self, serial: str) -> bytes | None:
        """Return the answer to a SHA-1 CertID that is kept for a serial (hex), or None when there is none."""
        number = int(serial, 16)
        entry = self._ready.get(self._issuing.key + number.to_bytes((number.bit_length() + 7) // 8))
        form = None if entry is None else self._issuing.form_of(entry.signer, 0)
        if entry is None or form is None:
            return None
        data = form.to_be_signed(der.integer(number), status_of(entry), entry.this_update, entry.next_update)
        return form.answer(data, entry.signatures[0])

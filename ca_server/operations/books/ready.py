"""The OCSP answers that are kept ready: whole, of a delegated signer, and in agreement with the records."""

from collections.abc import Iterator

from cryptography import x509
from cryptography.x509 import ocsp

from ca_server.authority import der
from ca_server.authority.signer import issuer_public_key
from ca_server.operations.books.book import Book, book
from ca_server.operations.books.ocsp import WORDS, Desk, Kept
from ca_server.store.ledger import CertificateRow, Ledger
from keys.algorithms import verify
from keys.errors import KeysError


def ready_answers(ledger: Ledger, desk: Desk, began: int) -> Book:
    """Balance the ready answers with the records, as far as the responder has followed them before `began`.

    - the certificate asked about, its word and moment, as the record of it has them
    - signed by the signer that it carries, which the issuing CA delegated
    """
    if desk.kept is None:
        return Book("OCSP ready", 0, ())
    place = desk.kept.place()
    followed = [row for row in ledger.certificates if row.issuer == desk.issuer and 0 < (row.place or 0) <= place]
    return book("OCSP ready", len(followed), _findings(followed, desk.kept, desk.issuing, began))


def _findings(rows: list[CertificateRow], kept: Kept, issuing: x509.Certificate, began: int) -> Iterator[str]:
    for row in rows:
        name = f"The answer kept ready for {row.serial} of {row.cn}"
        try:
            encoded = kept.answer(row.serial)
            if encoded is None:
                continue
            response = ocsp.load_der_ocsp_response(encoded)
            signer = response.certificates[0]
            verify(issuer_public_key(issuing), signer.signature, signer.tbs_certificate_bytes)
            verify(issuer_public_key(signer), response.signature, response.tbs_response_bytes)
        except (ValueError, IndexError, KeysError) as error:
            yield f"{name} is not signed as it should be: {error!r}"
            continue
        if der.seconds(response.this_update_utc) >= began:
            continue  # perhaps for a change after these records were read
        said, wanted = response.certificate_status, WORDS.get(row.status, ocsp.OCSPCertStatus.REVOKED)
        if response.serial_number != int(row.serial, 16) or said is not wanted:
            yield f"{name} says {said.name.lower()}, but it is {row.status}."
        elif response.revocation_time_utc is not None and der.seconds(response.revocation_time_utc) != row.revoked_at:
            yield f"{name} gives another moment of revocation than the records."

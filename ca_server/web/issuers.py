"""The issuing CAs whose certificates stand, as clients name them and are sent them: the one in use and former ones."""

import dataclasses
from binascii import b2a_base64
from collections.abc import Iterable, Mapping
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca_server.authority import der
from ca_server.authority.extensions import subject_key_identifier
from ca_server.authority.signer import issuer_public_key
from ca_server.errors import NotFound
from ca_server.language import sentence

_ISSUER = 3  # its place among the fields of a TBSCertificate that has a version (RFC 5280 §4.1)


@dataclasses.dataclass(frozen=True)
class Issuers:
    """What tells that a certificate is ours, and which chain belongs to it after a roll-over."""

    chains: Mapping[bytes, bytes]
    """The PEM that follows a certificate (RFC 8555 §9.1), by the issuer's name in DER."""
    key_ids: frozenset[bytes]
    """The key identifiers that stand in CertIDs (RFC 9773 §4.1)."""

    @classmethod
    def of(cls, certificates: Iterable[x509.Certificate]) -> Self:
        """Return the issuing CAs with these certificates."""
        found = list(certificates)
        chains = {each.subject.public_bytes(): each.public_bytes(Encoding.PEM) for each in found}
        return cls(chains, frozenset(subject_key_identifier(issuer_public_key(each)).digest for each in found))

    def chain(self, certificate: bytes) -> bytes:
        """Return a certificate of ours in PEM with what follows it (RFC 8555 §9.1); it was linted before.

        Raises NotFound when its issuer was put away.
        """
        to_be_signed = der.split(der.contents(certificate, der.SEQUENCE))[0]
        issuer = der.split(der.contents(to_be_signed, der.SEQUENCE))[_ISSUER]
        chain = self.chains.get(issuer)
        if chain is None:
            raise NotFound(sentence("This certificate has ended, and so has the CA that issued it."))
        return _pem(certificate) + chain


def _pem(certificate: bytes) -> bytes:
    """Return the textual encoding of RFC 7468 §5.1: lines of 64."""
    text = b2a_base64(certificate, newline=False)
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return b"\n".join([b"-----BEGIN CERTIFICATE-----", *lines, b"-----END CERTIFICATE-----", b""])

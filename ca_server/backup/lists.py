"""What outlived the records: CRLs, believed when their issuing CA signed them, the newest of each; and an audit log."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca_server.authority import der
from ca_server.authority.signer import issuer_public_key
from ca_server.domain.audit_entry import Entry, Placed
from ca_server.errors import Invalid
from ca_server.language import cause, sentence
from ca_server.operations import audit_export
from ca_server.operations.audit_verification import Altered, Examination, Item
from ca_server.operations.restoration import Chronicle, KeyChange, Listed, Planned, PublishedList, Revoked
from keys.algorithms import verify
from keys.errors import KeysError
from keys.signed_note import NoteKey
from protocol.names import CommonName
from protocol.vocabulary import RevocationReason

_OFFICER = "officer:"
_PEM = b"-----BEGIN"


def newest(
    issuers: Mapping[str, x509.Certificate], own: Iterable[Path], given: Iterable[Path]
) -> dict[str, tuple[PublishedList, bytes]]:
    """Return the newest list of each issuing CA, and its DER, of the backup's own and of those that were given.

    Raises Invalid for a given file that is no list of all certificates of one of the issuers, or one of a number below
    the backup's own: nobody who brings an old list shall believe that it was the newest.
    """
    found: dict[str, tuple[PublishedList, bytes]] = {}
    for path in own:
        if path.exists():
            read = _read(path, issuers)
            found[read[0].issuer] = read
    for path in given:
        read = _read(path, issuers)
        before = found.get(read[0].issuer)
        if before is not None and read[0].number < before[0].number:
            raise _unfit(
                path,
                sentence(
                    "its number is {number}; the backup holds {newer}", number=read[0].number, newer=before[0].number
                ),
            )
        found[read[0].issuer] = read
    return found


def chronicle(export: Path, keys: Sequence[NoteKey]) -> Chronicle:
    """Return what an exported audit log tells of certificates, seats and officers.

    Raises Invalid when it cannot be read, or is not what one of the keys signed: it ends seats and takes rights.
    """
    told = _Told()
    try:
        with export.open(encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
            verified = Examination(keys).take(told.noting(audit_export.read(audit_export.lines_of(lines))))
    except Altered as error:
        raise _no_export(export, error.args[0]) from error
    except OSError as error:
        raise _no_export(export, cause(error)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise _no_export(export, sentence("This file is no export of an audit log.")) from error
    until = 0 if verified.newest is None else verified.newest.at
    return Chronicle(told.planned, told.revoked, told.disabled, told.keys, until)


class _Told:
    """What was told up to an entry."""

    def __init__(self) -> None:
        self.planned: list[Planned] = []
        self.revoked: list[Revoked] = []
        self.disabled: list[str] = []
        self.keys: list[KeyChange] = []
        self._ended: set[str] = set()

    def noting(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items, and note each once whoever takes them found its hash right: before it may hold anything."""
        for item in items:
            yield item
            if isinstance(item, Placed):
                self._note(item.entry)

    def _note(self, entry: Entry) -> None:
        detail, subject = json.loads(entry.detail), entry.subject
        officer = subject.removeprefix(_OFFICER)
        match entry.action:
            case "certificate planned":
                self.planned.append(Planned(str(detail["serial"]), CommonName.parse(subject)))
            case "seat revoked":
                self._ended.add(subject)
            case "certificates revoked" if subject in self._ended:  # which follows, and says why
                reason = RevocationReason[detail["reason"]]
                self.revoked.append(Revoked(CommonName.parse(subject), reason, entry.at))
            case "officer key registered":
                self.keys.append(KeyChange(officer, str(detail["key"]), entry.at))
            case "officer key withdrawn":
                self.keys.append(KeyChange(officer, None, entry.at))
            case "officer disabled":
                self.disabled.append(officer)
                self.keys.append(KeyChange(officer, None, entry.at))


def _read(path: Path, issuers: Mapping[str, x509.Certificate]) -> tuple[PublishedList, bytes]:
    try:
        content = path.read_bytes()
        load = x509.load_pem_x509_crl if content.startswith(_PEM) else x509.load_der_x509_crl
        crl = load(content)
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        scoped = any(each.value.__class__ is x509.IssuingDistributionPoint for each in crl.extensions)
        issuer = _issuer(crl, issuers)
        next_update = crl.next_update_utc or crl.last_update_utc
        entries = tuple(_listed(each) for each in crl)
    except OSError as error:
        raise _unfit(path, sentence("it cannot be read: {error}", error=cause(error))) from error
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension) as error:
        raise _unfit(path, sentence("it is no CRL of ours")) from error
    if issuer is None:
        raise _unfit(path, sentence("no issuing CA of the backup signed it"))
    if scoped:
        raise _unfit(path, sentence("it is a partition's; give the list of all, such as issuing-1.crl"))
    times = der.seconds(crl.last_update_utc), der.seconds(next_update)
    return PublishedList(issuer, number, *times, entries), crl.public_bytes(Encoding.DER)


def _issuer(crl: x509.CertificateRevocationList, issuers: Mapping[str, x509.Certificate]) -> str | None:
    for name, certificate in issuers.items():
        if crl.issuer != certificate.subject:
            continue
        try:
            verify(issuer_public_key(certificate), crl.signature, crl.tbs_certlist_bytes)
        except KeysError:
            continue
        return name
    return None


def _listed(entry: x509.RevokedCertificate) -> Listed:
    try:
        word = str(entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value)
    except x509.ExtensionNotFound:  # RFC 5280 §5.3.1: left out when unspecified
        word = RevocationReason.unspecified.name
    return Listed(f"{entry.serial_number:x}", der.seconds(entry.revocation_date_utc), RevocationReason[word])


def _no_export(path: Path, why: object) -> Invalid:
    return Invalid({"audit-export": sentence("{path} cannot be used: {why}", path=path, why=why)})


def _unfit(path: Path, why: str) -> Invalid:
    return Invalid({"newest-crl": sentence("{path} cannot be used: {why}.", path=path, why=why)})

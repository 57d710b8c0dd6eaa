"""What lies beside the records is balanced too: signatures, files, the OCSP signer, mails, the clock."""

import datetime
import email.message
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from ca_server import keyring
from ca_server.app import crl_entry
from ca_server.authority import crl, ocsp
from ca_server.authority.signer import Signer
from ca_server.clock import DAY, HOUR, SystemClock
from ca_server.operations.books import ocsp as ocsp_book
from ca_server.operations.publication import published_number
from ca_server.store.credentials import Halves
from keys.policy import spki_sha256
from protocol import base64url
from protocol.credential import grouped, mac_key
from protocol.vocabulary import RevocationReason
from tests.ca_server.databases import raw
from tests.ca_server.operations.conftest import Records, plan

Change = Callable[[x509.CertificateBuilder, x509.Certificate], x509.CertificateBuilder]


def issuing(records: Records) -> Signer:
    authority = records.config.authority
    return keyring.load_signer(authority.issuing_certificate, authority.issuing_key, authority.issuing_passphrase_file)


def halves(records: Records) -> tuple[str, str]:
    """Return kid and password of the live credential."""
    kid, password = records.fetch("SELECT kid_sealed, password_sealed FROM credential WHERE id = :live")
    assert isinstance(kid, bytes)
    assert isinstance(password, bytes)
    return Halves(kid, password).opened(keyring.load_sealer(records.config), records.names["live"])


# Certificates


def stored(records: Records) -> x509.Certificate:
    """Return F123456-003's certificate."""
    (der,) = records.fetch("SELECT der FROM certificate WHERE serial = :third")
    assert isinstance(der, bytes)
    return x509.load_der_x509_certificate(der)


def reissue(records: Records, change: Change) -> None:
    """Put another certificate, signed by the real key, in the place of F123456-003's, its hashes fitting."""
    before = stored(records)
    builder = x509.CertificateBuilder(
        issuer_name=before.issuer,
        subject_name=before.subject,
        public_key=before.public_key(),  # type: ignore[arg-type]
        serial_number=before.serial_number,
        not_valid_before=before.not_valid_before_utc,
        not_valid_after=before.not_valid_after_utc,
    )
    signer = issuing(records)
    after = change(builder, before).sign(signer.private_key, signer.hash)  # type: ignore[arg-type]
    tbs_sha256 = hashlib.sha256(after.tbs_certificate_bytes).hexdigest()
    spki = spki_sha256(after.public_key())  # type: ignore[arg-type]
    records.plant(
        "UPDATE certificate SET der = :der, tbs_sha256 = :tbs, spki_sha256 = :spki WHERE serial = :third",
        der=after.public_bytes(Encoding.DER),
        tbs=tbs_sha256,
        spki=spki,
    )


def extended(replaced: x509.ExtensionType | None, added: x509.ExtensionType | None = None) -> Change:
    """Return the change that puts an extension in the place of its kind, or adds one, and keeps the others."""

    def change(builder: x509.CertificateBuilder, before: x509.Certificate) -> x509.CertificateBuilder:
        for extension in before.extensions:
            same = replaced is not None and extension.oid == replaced.oid
            value = replaced if same and replaced is not None else extension.value
            builder = builder.add_extension(value, extension.critical)
        return builder if added is None else builder.add_extension(added, critical=True)

    return change


def rekeyed(builder: x509.CertificateBuilder, before: x509.Certificate) -> x509.CertificateBuilder:
    """Certify a key of a curve that the policy does not take."""
    builder._public_key = ec.generate_private_key(ec.SECP521R1()).public_key()
    return extended(None)(builder, before)


def test_a_certificate_put_together_anew_as_it_was_is_known_by_its_hash_in_the_log_alone(records: Records) -> None:
    reissue(records, extended(None))
    assert [book.name for book in records.balance().books if book.findings] == ["audit"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (extended(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])), "extendedKeyUsage"),
        (extended(None, x509.BasicConstraints(ca=True, path_length=None)), "is not in the profile"),
        (extended(x509.SubjectKeyIdentifier(b"\x00" * 20)), "subjectKeyIdentifier"),
        (lambda builder, _: builder, "There are 7 fields"),
        (rekeyed, "cannot be read"),
    ],
    ids=["serverAuth", "CA", "strange key identifier", "no extensions", "P-521"],
)
def test_a_certificate_off_the_profile_is_found(records: Records, change: Change, words: str) -> None:
    reissue(records, change)
    assert words in records.findings("profile")
    assert f"{records.names['third']} of F123456-003" in records.findings("profile")


def test_a_certificate_that_another_key_signed_is_found(records: Records) -> None:
    der = bytearray(stored(records).public_bytes(Encoding.DER))
    der[-1] ^= 1
    records.plant("UPDATE certificate SET der = :der WHERE serial = :third", der=bytes(der))
    assert "F123456-003: Its signature is not the issuing CA's" in records.findings("certificates")


# Plans


async def test_a_fresh_plan_balances_and_one_older_than_its_lease_does_not(records: Records) -> None:
    serial = await plan(records.config, records.names["account"], SystemClock().now())
    assert records.balance().balanced
    assert f"{serial} of F123456-003 is still planned" in records.findings("plans", later=60)


# CRLs


def test_a_missing_crl_is_found(records: Records) -> None:
    records.crl_file.unlink()
    assert "There is no CRL file" in records.findings("CRL")


def test_an_older_crl_in_the_place_of_the_newest_is_found(records: Records) -> None:
    records.crl_file.write_bytes((records.folder / "older.crl").read_bytes())
    assert "was published" in records.findings("CRL")
    assert f"{records.names['aborted']} of F123456-003 is aborted, but the CRL does not" in records.findings(
        "CRL", later=90
    )


def test_an_altered_crl_is_found(records: Records) -> None:
    content = bytearray(records.crl_file.read_bytes())
    content[-1] ^= 1
    records.crl_file.write_bytes(bytes(content))
    assert "cannot be believed" in records.findings("CRL")


def test_a_crl_that_lacks_a_revoked_certificate_is_found_though_our_key_signed_it(records: Records) -> None:
    now = SystemClock().now()
    number = published_number(records.crl_file)
    content = crl.build(issuing(records), [], number, now, now + DAY)
    records.crl_file.write_bytes(content)
    records.plant("UPDATE crl SET sha256 = :digest WHERE number = :number", digest=_sha256(content), number=number)
    records.plant("UPDATE certificate SET revoked_at = revoked_at - 90")
    assert f"{records.names['revoked']} of F123456-002 is revoked, but the CRL does not" in records.findings("CRL")


def test_a_crl_whose_record_was_cut_off_by_a_crash_balances(records: Records) -> None:
    now = SystemClock().now()
    number = published_number(records.crl_file) + 1
    rows = _all(records, "SELECT crl_entry FROM certificate WHERE crl_entry IS NOT NULL")
    entries = [bytes(entry) for (entry,) in rows]
    records.crl_file.write_bytes(crl.build(issuing(records), entries, number, now, now + DAY))
    assert "which the records have not taken" in records.findings("CRL")
    records.plant(
        "INSERT INTO crl SELECT issuer, :number, :now, :later, entries, '', NULL, 0 FROM crl LIMIT 1",
        number=number,
        now=now,
        later=now + DAY,
    )
    assert records.findings("CRL") == ""


def test_a_revocation_has_a_minute_until_the_crl_shows_it(records: Records) -> None:
    now = SystemClock().now()
    records.plant(
        "UPDATE certificate SET status = 'revoked', revoked_at = :now, reason = 4, crl_entry = :entry"
        " WHERE serial = :third",
        now=now,
        entry=crl_entry(records.names["third"], now, RevocationReason.superseded),
    )
    assert records.findings("CRL") == ""
    assert f"{records.names['third']} of F123456-003 is revoked, but the CRL does" in records.findings("CRL", later=90)


def test_a_crl_that_ended_is_found(records: Records) -> None:
    assert "and not now" in records.findings("CRL", later=25 * HOUR)


def test_a_root_crl_that_is_missing_altered_or_over_is_found(records: Records) -> None:
    path = records.folder / "public" / "root.crl"
    content = path.read_bytes()
    assert "ended at" in records.findings("root CRL", later=400 * DAY)
    path.write_bytes(records.crl_file.read_bytes())
    assert "cannot be believed" in records.findings("root CRL")
    path.write_bytes(content[:-1])
    assert "cannot be believed" in records.findings("root CRL")
    path.unlink()
    assert "There is no CRL of the root" in records.findings("root CRL")


def test_a_root_crl_in_its_last_sixty_days_is_a_warning_and_no_finding(records: Records) -> None:
    assert records.balance().warnings == ()
    late = records.balance(later=310 * DAY)
    assert "The root's CRL ends at" in " ".join(late.warnings)
    assert next(book.findings for book in late.books if book.name == "root CRL") == ()


# OCSP


def test_an_ocsp_signer_that_the_issuing_ca_did_not_delegate_is_found(records: Records) -> None:
    authority = records.config.authority
    signer = keyring.load_signer(authority.ocsp_certificate, authority.ocsp_key, authority.ocsp_passphrase_file)
    now = datetime.datetime.now(datetime.UTC)
    own = x509.CertificateBuilder(
        issuer_name=signer.certificate.subject,
        subject_name=signer.certificate.subject,
        public_key=signer.public_key,
        serial_number=1,
        not_valid_before=now,
        not_valid_after=now + datetime.timedelta(days=1),
    ).sign(signer.private_key, SHA256())  # type: ignore[arg-type]
    authority.ocsp_certificate.write_bytes(own.public_bytes(Encoding.PEM))
    assert "did not delegate" in records.findings("OCSP")


def test_an_ocsp_key_that_does_not_belong_to_its_certificate_is_found(records: Records) -> None:
    authority = records.config.authority
    authority.ocsp_certificate.write_bytes(authority.issuing_certificate.read_bytes())
    assert "The OCSP signer cannot be used" in records.findings("OCSP")


def test_an_ocsp_signer_that_ended_is_found(records: Records) -> None:
    assert "The OCSP signer's certificate ended" in records.findings("OCSP", later=31 * DAY)


def test_answers_that_are_good_for_everything_are_found(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocsp_book, "told", lambda *_: ocsp.GOOD)
    found = records.findings("OCSP")
    assert f"{records.names['revoked']} of F123456-002 is revoked, but OCSP says good" in found
    assert f"{records.names['aborted']} of F123456-003 is aborted, but OCSP says good" in found
    assert found.count("a random number that nobody planned") == ocsp_book.UNKNOWN_SERIALS


def test_an_answer_with_another_moment_or_reason_is_found(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocsp_book, "told", lambda *_: ocsp.revoked(1, RevocationReason.superseded))
    assert f"{records.names['revoked']} of F123456-002 was revoked at" in records.findings("OCSP")
    assert f"{records.names['third']} of F123456-003 is issued, but OCSP says revoked" in records.findings("OCSP")


# Secrets


@pytest.mark.parametrize("column", ["account.contact", "audit.detail", "crl.sha256", "certificate.tbs"])
def test_a_kid_in_any_column_is_found_however_it_is_written(records: Records, column: str) -> None:
    kid, _ = halves(records)
    table, _, name = column.partition(".")
    text = f"see https://localhost/e/{kid.lower()}."
    records.plant(f"UPDATE {table} SET {name} = :text", text=text.encode() if name == "tbs" else text)
    assert f"The kid of the credential {records.names['live']} stands in clear in {column}" in records.findings(
        "secrets"
    )


def test_a_password_and_a_mac_key_in_the_records_are_found(records: Records) -> None:
    kid, password = halves(records)
    mac = base64url.encode(mac_key(kid, password))
    records.plant("UPDATE outbox SET failure = :text", text=f"550 {grouped(password)} refused")
    records.plant("UPDATE account SET device = :text", text=mac)
    found = records.findings("secrets")
    assert f"The password of the credential {records.names['live']} stands in clear in outbox.failure" in found
    assert f"The MAC key of the credential {records.names['live']} stands in clear in account.device" in found


def test_a_half_that_was_never_sealed_is_found(records: Records) -> None:
    _, password = halves(records)
    records.plant("UPDATE credential SET password_sealed = :text WHERE id = :live", text=password.encode())
    assert f"{records.names['live']} of F123456-004 has a half that does not open" in records.findings("credentials")


def test_a_half_in_a_file_beside_the_database_is_found(records: Records) -> None:
    kid, _ = halves(records)
    (records.folder / "public" / "trace.txt").write_text(f"GET /e/{kid}\n")
    assert "stands in clear in the file" in records.findings("secrets")


def mails(records: Records, kind: str) -> list[Path]:
    """Return the files of the mails of one kind."""
    files = sorted((records.folder / "mailbox" / "new").iterdir())
    return [path for path in files if email.message_from_bytes(path.read_bytes())["X-Warifu-Notice"] == kind]


@pytest.mark.parametrize(("kind", "half"), [("enrolment-url", 1), ("enrolment-password", 0), ("fetched", 0)])
def test_a_half_in_a_mail_of_the_wrong_kind_is_found(records: Records, kind: str, half: int) -> None:
    path = mails(records, kind)[0]
    mail = email.message_from_bytes(path.read_bytes())
    del mail["Content-Transfer-Encoding"]
    mail.set_payload(f"{halves(records)[half]}\n", charset="utf-8")
    path.write_bytes(mail.as_bytes())
    assert f"stands in the {kind} mail {path.name}" in records.findings("secrets")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _all(records: Records, query: str) -> list[tuple[bytes]]:
    connection = raw(records.config.server.database)
    rows = connection.execute(query).fetchall()
    connection.close()
    return rows

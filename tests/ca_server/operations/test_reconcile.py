"""The books of a real CA balance; whatever is planted in its records by hand is found and named."""

from collections.abc import Callable

import pytest

from tests.ca_server.operations.conftest import Records

BOOKS = (
    "applications",
    "files",
    "seats",
    "credentials",
    "plans",
    "claims",
    "certificates",
    "profile",
    "revocations",
    "CRL",
    "root CRL",
    "OCSP",
    "OCSP ready",
    "mails",
    "audit",
    "audit tree",
    "secrets",
)


@pytest.fixture(scope="session")
def whole(real_records: Records) -> dict[str, tuple[int, tuple[str, ...]]]:
    """Each book of the real CA by its name: how much was checked, and the findings."""
    return {book.name: (book.checked, book.findings) for book in real_records.balance().books}


@pytest.mark.parametrize("book", BOOKS)
def test_each_book_of_a_ca_that_lived_a_little_balances(
    whole: dict[str, tuple[int, tuple[str, ...]]], book: str
) -> None:
    checked, findings = whole[book]
    assert checked > 0
    assert findings == ()


def test_every_book_is_tested(whole: dict[str, tuple[int, tuple[str, ...]]]) -> None:
    assert tuple(whole) == BOOKS
    assert PLANTED.keys() | {"root CRL", "OCSP"} == set(BOOKS)


def _set(table: str, where: str) -> Callable[[str], str]:
    """Return what writes an assignment into the rows of `table` that are `where`."""
    return lambda assignment: f"UPDATE {table} SET {assignment} WHERE {where}"


def no_entry(action: str) -> str:
    return f"DELETE FROM audit WHERE action = '{action}'"


application = _set("application", "number = 1")
seat = _set("seat", "cn = 'F123456-004'")
live = _set("credential", "id = :live")
used = _set("credential", "id = :used")
renewed = _set("certificate", "serial = :renewed")
third = _set("certificate", "serial = :third")
revoked = _set("certificate", "serial = :revoked")
decision = _set("revocation", "id = :decision")
newest_crl = _set("crl", "number = (SELECT max(number) FROM crl)")
mail = _set("outbox", "serial = :renewed")
item = _set("application_item", "position = 1 AND application = 1")
kept = _set("application_file", "application = 3")
call = _set("call", "id = :call")

_COPIED_ENTRY = (
    "INSERT INTO audit (id, place, at, actor, action, subject, detail)"
    " SELECT 'zz', 1000000, at, actor, action, subject, detail FROM audit WHERE place = 0"
)
PLANTED: dict[str, list[tuple[str, str]]] = {
    "applications": [
        ("Application 1 was approved by the officer who", application("examined_by = :approver")),
        ("Application 1 was approved by the officer who", application("filed_by = :approver")),
        ("examined by nobody, who is no registered", application("examined_by = 'nobody'")),
        ("whose role is helpdesk", "UPDATE officer SET role = 'helpdesk' WHERE id = :approver"),
        ("outside that officer's time", "UPDATE officer SET disabled_at = added_at - 1"),
        ("outside that officer's time", "UPDATE officer SET added_at = added_at + 900"),
        ("nobody examined", application("examined_by = NULL, examined_at = NULL")),
        ("one of both is missing", application("approved_at = NULL")),
        ("before the step that comes first", application("approved_at = filed_at - 1")),
        ("Application 1 no longer says", application("email = 'mallory@evil.example'")),
        ("its halves say done", application("status = 'waiting'")),
        ("which there is none of", application("status = 'lost'")),
        ("cannot be read", application("institution = 'Bank'")),
        ("only received", application("status = 'received'")),
        (
            "The change of application 3 is done, and its moment is None",
            "INSERT INTO administrator_change (application, reason, furigana, family_name, given_name, email, half)"
            " VALUES (3, 'other', 'a', 'b', 'c', 'd@example.jp', 'done')",
        ),
        (
            "The change of application 3 names a call-back by nobody",
            "INSERT INTO administrator_change"
            " (application, reason, furigana, family_name, given_name, email, half, called_by)"
            " VALUES (3, 'other', 'a', 'b', 'c', 'd@example.jp', 'waiting', 'nobody')",
        ),
    ],
    "files": [
        ("The file of application 3 does not open", kept("sealed = x'00'")),
        ("The file of application 3 does not open", kept("sha256 = 'abc'")),
        ("The file of application 3 should have been erased", kept("keep_until = 0")),
        ("The file of application 99 belongs to no application", kept("application = 99")),
    ],
    "seats": [
        ("F123456-005 has a number that F123456 has not", "UPDATE institution SET last_number = 4"),
        ("F123456-004 names application 1, which did not", "DELETE FROM application_item WHERE new_cn = 'F123456-004'"),
        ("recorded as number 900", seat("number = 900")),
        ("F123456-004 is active, but no certificate", seat("status = 'active'")),
        ("F123456-004 is lapsed, but no certificate", seat("status = 'lapsed'")),
        ("F123456-004 lapsed and still has a live", seat("status = 'lapsed'")),
        ("F123456-003 is only approved, but", "UPDATE seat SET status = 'approved' WHERE cn = 'F123456-003'"),
        (
            "still has the account {account}",
            "UPDATE account SET status = 'valid', cn = 'F123456-002' WHERE id = :account",
        ),
        ("still has the certificate {third}", "UPDATE seat SET status = 'revoked' WHERE cn = 'F123456-003'"),
        ("F123456-004 is revoked, but nobody decided", seat("status = 'revoked'")),
        ("F123456-004 has 2 live credentials", "UPDATE credential SET cn = 'F123456-004' WHERE id = :other"),
        ("'lost', which there is none of", seat("status = 'lost'")),
        ("F123456-004 is not revoked", item("revocation = 'done', cn = 'F123456-004'")),
        ("has an issuance that is due and the CN", item("issuance = 'due'")),
        ("assigned F123456-004, which is no seat", "DELETE FROM seat WHERE cn = 'F123456-004'"),
        ("F123456-005 is suspended, but no call says so", "UPDATE seat SET status = 'suspended' WHERE cn LIKE '%5'"),
        ("F123456-004 is not suspended, but a call says so", call("released_at = NULL")),
        (
            "{third} of F123456-003 is issued, unlike its seat",
            "UPDATE seat SET status = 'suspended' WHERE cn LIKE '%3'",
        ),
        ("{third} of F123456-003 is suspended, unlike its seat", third("status = 'suspended'")),
    ],
    "credentials": [
        ("{used} of F123456-001 is replaced, but the certificate {renewed}", used("status = 'replaced'")),
        ("{live} of F123456-004 is used, but no", live("status = 'used'")),
        ("{used} of F123456-001 was used for F123456-003", renewed("cn = 'F123456-003'")),
        ("{used} of F123456-001 is used and still holds", used("password_sealed = x'00'")),
        ("its end is recorded as None", used("ended_at = NULL")),
        ("{live} of F123456-004 is open and lacks a half", live("password_sealed = NULL")),
        (
            "{live} of F123456-004 has a half that does not",
            live("password_sealed = (SELECT password_sealed FROM credential WHERE id = :other)"),
        ),
        ("looked up by another kid", live("kid_sha256 = 'abc'")),
        ("claimed by {third}, which is no certificate of it", live("claimed_by = :third")),
        ("names the account {account}, which it did not", live("account_id = :account")),
        ("'lost', which there is none of", live("status = 'lost'")),
        ("used {used}, which is not there", "DELETE FROM credential WHERE id = :used"),
    ],
    "plans": [
        ("{third} of F123456-003 is issued, but it is not stored", third("der = NULL")),
        ("{third} of F123456-003 is planned, but a signed one", third("status = 'planned'")),
        ("{third} of F123456-003 is still planned", third("status = 'planned', lease_until = 0")),
        ("{third} of F123456-003 is planned without the bytes", third("status = 'planned', tbs = NULL")),
        ("is stored without the moment", third("issued_at = NULL")),
        ("'lost', which there is none of", third("status = 'lost'")),
        ("either its credential or its predecessor", third("credential_id = NULL")),
        (
            "{third} of F123456-003 is not the one that its order",
            "UPDATE acme_order SET serial = :renewal WHERE serial = :third",
        ),
        ("names the certificate {third}, which was never", "DELETE FROM certificate WHERE serial = :third"),
    ],
    "claims": [
        ("{renewal} of F123456-001 follows {renewed}", renewed("successor = NULL")),
        (
            "{renewed} of F123456-001 was renewed by {renewal}",
            "UPDATE certificate SET predecessor = NULL WHERE serial = :renewal",
        ),
        ("{third} of F123456-003 was renewed by {aborted}", third("successor = :aborted")),
    ],
    "certificates": [
        ("{third} of F123456-003: It is not what was planned", third("tbs_sha256 = 'abc'")),
        (
            "{third} of F123456-003: Its serial number is {renewed}",
            third("der = (SELECT der FROM certificate WHERE serial = :renewed)"),
        ),
        ("{third} of F123456-004: Its CN is ['F123456-003']", third("cn = 'F123456-004'")),
        ("{third} of F654321-003: Its OU is ['F123456']", third("cn = 'F654321-003'")),
        ("{third} of F123456-003: Its notBefore", third("not_before = 0")),
        ("{third} of F123456-003: Its notAfter", third("not_after = not_after + 86400")),
        ("{third} of F123456-003: Its public key", third("spki_sha256 = 'abc'")),
        ("{third} of F123456-003 cannot be read", third("der = x'3000'")),
        ("Its issuer issuing-0 is none of those configured", third("issuer = 'issuing-0'")),
    ],
    "profile": [
        ("no whole days", third("not_after = not_after + 1")),
    ],
    "revocations": [
        ("{revoked} of F123456-002 is revoked by no decisions", "DELETE FROM revocation WHERE id = :decision"),
        ("{aborted} of F123456-003 is aborted by no decisions", "DELETE FROM revocation WHERE id != :decision"),
        ("{decision} of F123456-002 has another moment or reason", decision("reason = 4")),
        ("{decision} of F123456-002 has another moment or reason", revoked("revoked_at = 1")),
        ("names the certificate {third}, which is not", decision("serials = :third")),
        ("{revoked} of F123456-002 was compromised, but its key", "DELETE FROM blocked_key"),
        ("waiting for its CRL", decision("published_at = NULL, decided_at = decided_at - 61")),
        ("published on CRL 999", decision("crl_number = 999")),
    ],
    "CRL": [
        ("its SHA-256 is another", newest_crl("sha256 = 'abc'")),
        ("numbers must rise with time", "UPDATE crl SET this_update = this_update + 900 WHERE number = 1"),
        ("has a hash without being published", newest_crl("published_at = NULL")),
        ("which the records have not taken", "DELETE FROM crl WHERE number = (SELECT max(number) FROM crl)"),
        ("but CRL 999 was published", newest_crl("number = 999, published_at = published_at - 60")),
        ("{revoked} of F123456-002 is revoked without", revoked("crl_entry = NULL")),
        ("{revoked} of F123456-002 has an entry for the CRL that", revoked("reason = 4")),
        ("{third} of F123456-003 is issued, but has an entry", third("crl_entry = x'00'")),
        ("The CRL shows {revoked}, which the records", revoked("status = 'issued', crl_entry = NULL")),
    ],
    "mails": [
        ("{live} of F123456-004 has no enrolment-url mail", "DELETE FROM outbox WHERE kind = 'enrolment-url'"),
        (
            "{live} of F123456-004 has no enrolment-password mail",
            "DELETE FROM outbox WHERE kind = 'enrolment-password'",
        ),
        ("{third} of F123456-003 has no fetched mail", "DELETE FROM outbox WHERE serial = :third"),
        ("{decision} of F123456-002 has no revoked mail", "DELETE FROM outbox WHERE kind = 'revoked'"),
        ("application 2 has no returned mail", "DELETE FROM outbox WHERE kind = 'returned'"),
        ("{third} of F123456-003 has 2 fetched mails", mail("serial = :third")),
        ("of F123456-001 is dead: 550", mail("status = 'dead', failure = '550'")),
        ("but its credential lives", "UPDATE outbox SET status = 'void' WHERE credential_id = :live"),
        ("The call {call} about F123456-004 lacks its mail", "DELETE FROM outbox WHERE kind = 'suspended'"),
        ("The call {call} about F123456-004 lacks its mail", "DELETE FROM outbox WHERE kind = 'released'"),
        (
            "The withdrawn application 2 has no withdrawn mail",
            "UPDATE application SET status = 'withdrawn' WHERE number = 2",
        ),
        ("has no expired-unused mail", live("status = 'expired'")),
        (
            "The administrator change of application 3 was not told",
            "INSERT INTO administrator_change"
            " (application, reason, furigana, family_name, given_name, email, half, changed_at)"
            " VALUES (3, 'other', 'a', 'b', 'c', 'd@example.jp', 'done', 1)",
        ),
        ("{third} of F123456-003 was asked for, but no pair was made", third("last_notice = 30")),
        ("is about a renewal that was not asked for", mail("kind = 'renewal-reminder'")),
        (
            "{third} was reminded of 2 times on",
            "UPDATE outbox SET kind = 'renewal-reminder', serial = :third WHERE kind IN ('revoked', 'suspended')",
        ),
        ("is about abc, which is not there", mail("serial = 'abc'")),
        ("'lost', which there is none of", mail("status = 'lost'")),
    ],
    "OCSP ready": [
        (
            "{third} of F123456-003 says good, but it is revoked",
            third("status = 'revoked', revoked_at = issued_at, reason = 0"),
        ),
        ("{revoked} of F123456-002 says revoked, but it is issued", revoked("status = 'issued'")),
        ("{revoked} of F123456-002 gives another moment", revoked("revoked_at = revoked_at - 1")),
    ],
    "audit": [
        ("'certificate planned' about {third}", no_entry("certificate planned")),
        ("'certificate issued' about {third}", no_entry("certificate issued")),
        ("'certificates revoked' about {revoked}", no_entry("certificates revoked")),
        ("'certificate aborted' about {aborted}", no_entry("certificate aborted")),
        ("'seat approved' about F123456-001", no_entry("seat approved")),
        ("'seat revoked' about F123456-002", no_entry("seat revoked")),
        ("'seat lapsed' about F123456-004", seat("status = 'lapsed'")),
        ("'credential made' about {live}", no_entry("credential made")),
        ("'account bound' about account:{account}", no_entry("account bound")),
        ("'institution registered' about F123456", no_entry("institution registered")),
        ("'officer added' about officer:{examiner}", no_entry("officer added")),
        ("'officer disabled' about officer:{examiner}", "UPDATE officer SET disabled_at = added_at + 9"),
        ("{examiner} was given the role ra, says an entry", "UPDATE officer SET role = 'auditor' WHERE id = :examiner"),
        ("{examiner} was given another login", "UPDATE officer SET os_user = 'mallory' WHERE id = :examiner"),
        ("'CRL published' about issuing-1", no_entry("CRL published")),
        ("'mail sent' about", no_entry("mail sent")),
        ("'application received' about application:1", no_entry("application received")),
        ("'application approved' about application:1 by officer:{examiner}", application("approved_by = :examiner")),
        ("'application done' about application:1", no_entry("application done")),
        ("Application 2 was returned, says an entry", "UPDATE application SET status = 'approved' WHERE number = 2"),
        ("{third} was planned, says an entry", "DELETE FROM certificate WHERE serial = :third"),
        ("{third} was issued, says an entry", third("der = NULL")),
        ("cannot be read", "UPDATE audit SET detail = '[]' WHERE action = 'certificate planned'"),
    ],
    "audit tree": [
        ("Entry 2 was changed", "UPDATE audit SET subject = 'another' WHERE place = 2"),
        ("Entry 3 does not stand where it belongs", "DELETE FROM audit WHERE place = 2"),
        ("Entry 0 was changed", "UPDATE audit_tile SET hashes = zeroblob(length(hashes)) WHERE level = 0"),
        ("are on record with a place", _COPIED_ENTRY),
        ("The log of F123456 is not that of its certificates", "UPDATE institution_log SET size = size + 1"),
        ("The log of an institution is missing", "DELETE FROM institution_log"),
        ("A checkpoint cannot be believed", "UPDATE checkpoint SET note = replace(note, 'time 2', 'time 3')"),
        ("stands behind", "UPDATE checkpoint SET size = size + 1 WHERE size = (SELECT min(size) FROM checkpoint)"),
    ],
    "secrets": [
        ("binding of the account {account} of F123456-003", "UPDATE account SET binding_sealed = x'7b7d'"),
        ("A private key stands in institution.name", "UPDATE institution SET name = '-----BEGIN EC PRIVATE KEY-----'"),
    ],
}
"""By book: the words that must be found, and the statement that plants the defect."""


@pytest.mark.parametrize(
    ("book", "words", "statement"), [(book, *planted) for book, defects in PLANTED.items() for planted in defects]
)
def test_a_planted_defect_is_found_and_named(records: Records, book: str, words: str, statement: str) -> None:
    records.plant(statement)
    assert words.format(**records.names) in records.findings(book)


def test_two_certificates_of_one_credential_are_found(records: Records) -> None:
    records.plant(
        "DROP INDEX certificate_once_a_credential",
        "UPDATE certificate SET credential_id = :used, predecessor = NULL WHERE serial = :third",
    )
    assert f"The credential {records.names['used']} was used for 2" in records.findings("claims")


def test_two_certificates_of_one_predecessor_are_found(records: Records) -> None:
    records.plant(
        "DROP INDEX certificate_once_a_predecessor",
        "UPDATE certificate SET predecessor = :renewed WHERE serial = :third",
    )
    assert f"The certificate {records.names['renewed']} was used for 2" in records.findings("claims")

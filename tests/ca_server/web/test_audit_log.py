"""The audit log over the web: what is published of it, and what stops when it cannot be written."""

import contextlib
import hashlib
import json
import logging
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from ca_server import audit_keeping
from ca_server.authority.signer import Signer
from ca_server.checkpoint_key import published_keys
from ca_server.domain.applications import Filed, Receipt, Status
from ca_server.domain.officers import Acting
from ca_server.operations import applications
from ca_server.operations.audit_verification import opened
from ca_server.store import Unavailable, officers
from tests.ca_server.databases import raw
from tests.ca_server.paper import an_issuance
from tests.ca_server.web.caller import Caller
from tests.ca_server.web.office import INSTITUTION_NAME, Office
from tests.ca_server.web.visitor import fetch

_FULL = (
    "CREATE FUNCTION full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the log is full'; END $$",
    "CREATE TRIGGER full BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION full()",
)


@contextlib.contextmanager
def full(office: Office) -> Iterator[None]:
    """Let the audit log take nothing until the end of the block."""
    connection = raw(office.config.server.database)
    if hasattr(connection, "set_authorizer"):
        connection.execute("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END")
    else:
        for statement in _FULL:
            connection.execute(statement.replace("full", '"full"'))
    connection.commit()
    yield
    connection.close()


@pytest.fixture
def signed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Everything that a CA's key signs from now on."""
    seen: list[bytes] = []
    sign = Signer.sign

    def noted(self: Signer, to_be_signed: bytes) -> bytes:
        seen.append(to_be_signed)
        return sign(self, to_be_signed)

    monkeypatch.setattr(Signer, "sign", noted)
    return seen


async def test_the_checkpoint_that_is_published_verifies_with_the_keys_that_are(office: Office) -> None:
    answer, _ = await fetch(office, "/audit/checkpoint")
    assert answer.status == 404
    for task in audit_keeping.tasks(office.config, office.database, "office", office.clock):
        await task.run(office.clock.now())
    answer, note = await fetch(office, "/audit/checkpoint")
    assert (answer.status, answer.content_type) == (200, "text/plain")
    keys = published_keys(office.config)
    assert opened(note.decode(), keys).size > 0
    _, content = await fetch(office, "/audit/keys")
    assert content.decode() == "".join(f"{key}\n" for key in keys)
    assert (office.config.server.public_folder / "audit" / "checkpoint").read_bytes() == note


async def test_nothing_is_signed_while_the_log_cannot_be_written_and_ocsp_and_crl_go_on(
    office: Office, owner: Caller, signed: list[bytes]
) -> None:
    second = office.caller()
    (await second.bind(office.invitation(2))).must(201)
    order = (await second.order()).must(201).document
    await office.publish()
    signed.clear()
    with full(office):
        assert (await second.finalize(order)).status == 503
        assert (await office.caller().bind(office.invitation(3))).status == 503
        assert signed == []
        await _goes_on(office)


async def _goes_on(office: Office) -> None:
    """Have the plain address answer as ever."""
    assert (await office.plain.get("/crl/issuing-1.crl")).status == 200
    stored = "SELECT serial FROM certificate WHERE der IS NOT NULL"
    (serial,) = raw(office.config.server.database).execute(stored).fetchone()
    issuing = office.folder.issuing.certificate
    key = x509.SubjectKeyIdentifier.from_public_key(issuing.public_key()).digest  # type: ignore[arg-type]
    question = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        hashlib.sha1(issuing.subject.public_bytes()).digest(),
        key,
        int(serial, 16),
        hashes.SHA1(),
    )
    encoded = question.build().public_bytes(Encoding.DER)
    headers = {"Content-Type": "application/ocsp-request"}
    async with office.plain.post("/ocsp", data=encoded, headers=headers) as answer:
        told = ocsp.load_der_ocsp_response(await answer.read())
    assert told.certificate_status is ocsp.OCSPCertStatus.GOOD


async def test_nothing_is_approved_while_the_log_cannot_be_written(office: Office) -> None:
    one, other = (Acting(each.id, "test") for each in office.look(officers.all_officers)[:2])
    now = office.clock.now()
    form = an_issuance(1, now=now, institution_name=INSTITUTION_NAME)
    filed = await office.write(applications.file, form, Receipt(one, "mail"), now)
    assert isinstance(filed, Filed)
    await office.write(applications.examine, filed.number, one, now)
    with full(office), pytest.raises(Unavailable):
        await office.write(applications.approve, filed.number, other, now, four_eyes=True)
    assert office.look(applications.show, filed.number).status is Status.EXAMINED


async def test_who_is_refused_what_and_why_is_one_line_of_the_security_log_without_a_secret(
    office: Office, holder: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "warifu.security")
    other = office.invitation(2)
    wrong = type(other)(other.cn, other.kid, "7K2QMV9D4TXHB06ENRWS3CJGA", other.credential_id)
    (await office.caller().bind(wrong)).must(403)
    (await holder.post("/acme/order/no-such-order")).must(404)
    lines = [record.getMessage() for record in caplog.records if record.name == "warifu.security"]
    assert [json.loads(line)["refused"] for line in lines] == ["/acme/new-account", "/acme/order/{order}"]
    assert json.loads(lines[0])["cause"] == "CredentialRefused"
    assert json.loads(lines[1])["account"] == holder.account.rpartition("/")[2] if holder.account else None
    assert all(secret not in line for line in lines for secret in (other.kid, wrong.password, other.password))

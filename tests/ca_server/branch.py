"""A branch of an institution for tests: PCs that bind, fetch and renew on the records, by the operations, unsigned."""

import dataclasses
import json

from ca_server.clock import DAY
from ca_server.domain.credentials import Credential
from ca_server.errors import CredentialRefused
from ca_server.ids import new_id
from ca_server.operations import accounts, enrolment, issuance
from ca_server.operations.accounts import Binding, Bound
from ca_server.store import credentials
from ca_server.store.certificates import NewPlan
from keys.sealing import Sealer
from protocol.names import CommonName
from protocol.renewal_info import RenewalTimes
from tests.ca_server.paper import SEALER, Desk

TIMES = RenewalTimes()
VALIDITY_DAYS = 395
WRONG_PASSWORDS = 10


@dataclasses.dataclass
class Branch:
    """The PCs of an institution, at the moment of the desk that serves it."""

    desk: Desk
    sealer: Sealer = SEALER

    def pair(self, cn: CommonName) -> Credential:
        """Return the live pair of a seat."""
        (credential,) = self.desk.records.read(credentials.live_of_seat, cn)
        return credential

    def halves(self, cn: CommonName) -> tuple[str, str]:
        """Return the two halves in clear, as the mails bring them."""
        credential = self.pair(cn)
        found = self.desk.records.read(credentials.by_id, credential.id)
        assert found is not None
        return found[1].opened(self.sealer, credential.id)

    def bind(self, cn: CommonName, host_name: str = "PC-01", *, right: bool = True) -> Bound | CredentialRefused:
        """Bind a fresh key with both halves, the password right or wrong."""
        key, (kid, _) = new_id(), self.halves(cn)
        binding = Binding(
            account_id=new_id(),
            thumbprint=key,
            jwk="{}",
            spki_sha256=key,
            kid=kid,
            mac_is_right=lambda *_: right,
            names_key=True,
            contact="[]",
            binding=b"{}",
            device=_device(host_name),
            address="192.0.2.7",
        )
        return self.desk.records.write(accounts.bind, binding, self.sealer, WRONG_PASSWORDS, self.desk.now)

    def lock(self, cn: CommonName) -> None:
        """Try wrong passwords until the URL is locked."""
        for _ in range(WRONG_PASSWORDS):
            assert isinstance(self.bind(cn, right=False), CredentialRefused)

    def fetch(self, cn: CommonName, host_name: str = "PC-01") -> str:
        """Bind a PC and fetch the first certificate; return the account."""
        bound = self.bind(cn, host_name)
        assert isinstance(bound, Bound)
        self.renew(cn, bound.account.id)
        return bound.account.id

    def renew(self, cn: CommonName, account_id: str, host_name: str | None = None) -> str:
        """Have a PC that is bound fetch the next certificate, and return its serial number."""
        serial = self.plan(cn, account_id, host_name)
        self.desk.records.write(issuance.record, serial, b"certificate", self.desk.now)
        return serial

    def plan(self, cn: CommonName, account_id: str, host_name: str | None = None) -> str:
        """Begin to make the next certificate of a PC that is bound, and return its serial number."""
        records, now, rules = self.desk.records, self.desk.now, enrolment.Rules(None, TIMES)
        device = None if host_name is None else _device(host_name)
        request = enrolment.Request(new_id(), (("permanent-identifier", str(cn)),), device=device)
        order = records.write(enrolment.order, account_id, request, rules, now).order
        requested = issuance.Requested(account_id, order.id, None, new_id(), "192.0.2.8", "warifu/0.1")
        planned = NewPlan(
            serial=new_id().lower(),
            issuer="issuing-1",
            cn=str(cn),
            order_id=order.id,
            account_id=account_id,
            predecessor=order.predecessor,
            spki_sha256=new_id(),
            not_before=now,
            not_after=now + VALIDITY_DAYS * DAY - 1,
            tbs=b"certificate",
            tbs_sha256=new_id(),
            address="192.0.2.8",
            agent="warifu/0.1",
            server="s",
            lease_until=now + 60,
            partition=0,
        )
        assert not isinstance(records.write(issuance.plan, requested, planned, TIMES, now), issuance.Lost)
        return planned.serial


def _device(host_name: str) -> str:
    return json.dumps({"hostName": host_name, "os": "Windows 11", "store": "files", "agent": "warifu/0.1"})

"""A desk with a CA behind it: real keys, CRLs in a folder, PCs that fetch; all of it made at the moment of `paper.NOW`.

So the days on which tests happen are the same on whatever day they run. The records are made once a process and then
copied: Midori Bank has F123456-001 and -002 with certificates and -003 with its pair mailed, Aoba Shinkin F654321-001
with a certificate and -002 with its pair. A third institution has not registered.
"""

import asyncio
import atexit
import dataclasses
import functools
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography import x509

from ca_server.authority import hierarchy
from ca_server.authority.crl import entry_of_records
from ca_server.authority.issuer import Issuer, PlannedCertificate
from ca_server.authority.ocsp import OcspStatus
from ca_server.authority.profile import CertificateProfile
from ca_server.authority.signer import Signer
from ca_server.clock import DAY, MINUTE
from ca_server.domain.administrators import Administrator
from ca_server.domain.applications import Filed, Kind, Receipt
from ca_server.domain.forms import Faulty
from ca_server.domain.officers import Acting, Officer, Role
from ca_server.errors import CredentialRefused, Invalid
from ca_server.ids import new_id
from ca_server.operations import accounts, applications, authorization, enrolment, issuance, publication
from ca_server.operations.books import ocsp
from ca_server.operations.books.clear_text import Places
from ca_server.operations.reconcile import Balance, Premises, balance
from ca_server.store import Connection, SynchronousDatabase, credentials, officers
from ca_server.whereabouts import Whereabouts
from keys.csr import build_signing_request, parse_signing_request
from keys.generate import generate
from keys.policy import spki_sha256
from protocol import jwk
from protocol.names import CommonName
from protocol.renewal_info import RenewalTimes
from protocol.vocabulary import IdentifierType
from tests.ca_server.databases import copied, is_postgresql, located
from tests.ca_server.paper import INSTITUTION, NOW, SEALER, Desk, an_issuance, read

ISSUER = "issuing-1"
OTHER = "F654321"
OTHER_NAME = "あおば信用金庫"
TANAKA = Administrator("田中", "一郎", "たなか いちろう", "tanaka@aoba.example")
CAROL, DAVE = Acting("carol", "carol-login"), Acting("dave", "dave-login")
HELP_DESK = DAVE
WRONG_PASSWORDS = 10
_CRL_SECONDS = DAY
_RULES = enrolment.Rules(None, RenewalTimes())
_HTTP = "http://ca.example:8080"


@dataclasses.dataclass(frozen=True)
class House:
    """The CA's keys, in memory, and the profile of what it issues."""

    profile: hierarchy.HierarchyProfile
    root: Signer
    issuing: Signer
    leaves: CertificateProfile

    def ocsp(self, now: int) -> Signer:
        """Return a fresh OCSP signer, as the running server has one every twenty days."""
        return hierarchy.make_ocsp_signer(self.profile, self.issuing, generate("P-256"), now)


@functools.cache
def house() -> House:
    """Make the CA, once a process."""
    profile = hierarchy.HierarchyProfile(
        "割符試験機構", "1.3.6.1.4.1.32473.1.1", f"{_HTTP}/crl/root.crl", f"{_HTTP}/ca/root.cer"
    )
    root = hierarchy.make_root(profile, generate("P-384"), NOW)
    issuing = hierarchy.make_issuing(profile, root, generate("P-256"), NOW)
    leaves = CertificateProfile(
        organization=profile.organization,
        policy_oid=profile.policy_oid,
        cps_url="https://ca.example:8443/cps",
        crl_url=f"{_HTTP}/crl/{ISSUER}.crl",
        ocsp_url=f"{_HTTP}/ocsp",
        ca_issuers_url=f"{_HTTP}/ca/{ISSUER}.cer",
    )
    return House(profile, root, issuing, leaves)


@dataclasses.dataclass(frozen=True)
class At:
    """A clock that stands."""

    moment: int

    def now(self) -> int:
        return self.moment


@dataclasses.dataclass(frozen=True)
class Pair:
    """The two halves as the mails bring them."""

    kid: str
    password: str


class _Awaited:
    """The records as the procedures of a running server ask for them."""

    def __init__(self, records: SynchronousDatabase) -> None:
        self._records = records

    async def write(self, operation: Any, *arguments: Any, **named: Any) -> Any:
        return self._records.write(operation, *arguments, **named)

    async def lookup(self, operation: Any, *arguments: Any, **named: Any) -> Any:
        return self._records.read(operation, *arguments, **named)

    read = lookup


@dataclasses.dataclass(kw_only=True)
class Bureau(Desk):
    """The desk, and behind it the CA."""

    folder: Path
    partitions: int = 0
    """What new certificates are spread over."""

    @classmethod
    def open(cls, folder: Path) -> "Bureau":
        """Open a copy of the prepared records, a minute after they were made."""
        copied(_prepared(is_postgresql()), folder)
        return cls._behind(folder, NOW + MINUTE)

    @classmethod
    def _behind(cls, folder: Path, now: int) -> "Bureau":
        (folder / "public").mkdir()
        root_crl = hierarchy.make_root_crl(house().profile, house().root, (), 1, NOW)
        (folder / "public" / "root.crl").write_bytes(root_crl)
        return cls(SynchronousDatabase(located(folder)), now, entry=entry_of_records, folder=folder)

    @property
    def crl_file(self) -> Path:
        return self.folder / "public" / f"{ISSUER}.crl"

    def submit(self, kind: Kind, sheets: Sequence[Mapping[str, str]], officer: str) -> Filed | Invalid:
        """Have an officer file a form as texts, the way the command line does. Raises NotEntitled, NotFound."""
        self.records.read(registration_officer, officer)
        try:
            form = read(kind, *sheets, now=self.now)
        except Faulty as faulty:
            self.records.write(self._refuse, kind, faulty, officer)
            return faulty

        def operation(connection: Connection) -> Filed | Invalid:
            return applications.file(connection, form, _receipt(connection, officer), self.now)

        return self.records.write(operation)

    def _refuse(self, connection: Connection, kind: Kind, faulty: Faulty, officer: str) -> None:
        applications.refuse(connection, _receipt(connection, officer), kind, sorted(faulty.fields), self.now)
        applications.warn_owners(connection, faulty.foreign, self.now)
        if faulty.legible is not None and "administrator" in applications.judge(connection, faulty.legible):
            applications.warn_registered(connection, faulty.legible, self.now)

    def pair(self, cn: str) -> Pair:
        """Return the live pair of a seat, as its two mails bring it."""
        (credential,) = self.records.read(credentials.live_of_seat, CommonName.parse(cn))
        found = self.records.read(credentials.by_id, credential.id)
        assert found is not None
        return Pair(*found[1].opened(SEALER, credential.id))

    def bind(self, pair: Pair) -> str:
        """Have a PC bind a fresh key with a pair, and return its account. Raises what the PC is told."""
        key = generate("P-256").public_key()
        request = accounts.Binding(
            account_id=new_id(),
            thumbprint=jwk.thumbprint(key),
            jwk=json.dumps(jwk.jwk(key)),
            spki_sha256=spki_sha256(key),
            kid=pair.kid,
            mac_is_right=lambda kid, password: (kid, password) == (pair.kid, pair.password),
            names_key=True,
            contact="[]",
            binding=b"{}",
            device="{}",
            address="192.0.2.7",
        )
        outcome = self.records.write(accounts.bind, request, SEALER, WRONG_PASSWORDS, self.now)
        if isinstance(outcome, CredentialRefused):
            raise outcome
        return outcome.account.id

    def enrol(self, account: str) -> str:
        """Have the PC of an account order and finalize, and return the serial of its certificate."""
        return self.enrol_in(self._room(), account)

    def enrol_in(self, room: issuance.Room, account: str) -> str:
        """Have the PC of an account served in a room of its own, and return the serial of its certificate."""
        cn = self.records.read(accounts.show, account).cn
        request = enrolment.Request(new_id(), ((IdentifierType.PERMANENT_IDENTIFIER, cn),))
        order = self.records.write(enrolment.order, account, request, _RULES, self.now).order
        csr = parse_signing_request(build_signing_request(generate("P-256"), None))
        requested = issuance.Requested(account, order.id, csr, new_id(), "192.0.2.7", "a test")
        facts = asyncio.run(issuance.finalize(_Awaited(self.records), room, requested, self.now))
        assert facts.serial is not None
        return facts.serial

    def fetch(self, cn: str) -> str:
        """Have a PC fetch the certificate of a seat with its live pair, and return the serial."""
        return self.enrol(self.bind(self.pair(cn)))

    @property
    def press(self) -> publication.Press:
        """Return what the CRLs are made with."""
        return publication.Press(
            ISSUER, house().issuing, self.crl_file, house().leaves.crl_url, _CRL_SECONDS, self.partitions
        )

    def publish(self) -> int:
        """Publish the CRL, as the schedule does, and return its number."""
        number = asyncio.run(publication.publish(_Awaited(self.records), [self.press], "bureau", At(self.now)))
        assert number is not None
        return number

    def publish_if_due(self) -> None:
        """Publish the CRL if the schedule would."""
        if self.records.read(publication.is_due, [self.press], self.now):
            self.publish()

    def told(self, serial: str) -> OcspStatus:
        """Return what OCSP tells of a certificate."""
        return self.records.read(publication.told, ISSUER, serial)

    def shown(self) -> dict[str, str]:
        """Return the reason of every serial on the published CRL, the empty text where it says none."""
        found = {}
        for entry in x509.load_der_x509_crl(self.crl_file.read_bytes()):
            reasons = [each.value.reason.value for each in entry.extensions if isinstance(each.value, x509.CRLReason)]
            found[f"{entry.serial_number:x}"] = "".join(reasons)
        return found

    def balance(self) -> Balance:
        """Balance the books."""
        premises = Premises(
            desks=(ocsp.Desk(ISSUER, house().issuing.certificate, lambda: house().ocsp(self.now), 60 * MINUTE),),
            root=house().root.certificate,
            sealer=SEALER,
            public_folder=self.folder / "public",
            places=Places(self.folder, self.folder / "warifu.db", None),
            four_eyes=True,
            trust=self.terms.trust,
        )
        return self.records.read(balance, premises, At(self.now))

    def findings(self) -> list[str]:
        """Return a sentence for everything that is wrong in the books."""
        return [f"{book.name}: {finding}" for book in self.balance().books for finding in book.findings]

    def _room(self) -> issuance.Room:
        profile = dataclasses.replace(house().leaves, crl_partitions=self.partitions)
        return issuance.Room(profile, self.issuer(), _RULES, "bureau", self.terms.trust)

    def issuer(self) -> Issuer:
        """Return the issuer, which demands signatures where the terms do."""
        trust = self.terms.trust

        async def look_up(serial: str) -> PlannedCertificate | None:
            look = issuance.planned_certificate if trust is None else issuance.entitled_certificate
            return self.records.read(look, serial)

        return Issuer(ISSUER, house().issuing, look_up, trust=trust)


def registration_officer(connection: Connection, name: str) -> Acting:
    """Return the officer who may decide, looked up in the transaction that does. Raises NotEntitled, NotFound."""
    return authorization.officer(connection, authorization.Asked("application submit", "bureau", name))


def _receipt(connection: Connection, officer: str) -> Receipt:
    return Receipt(registration_officer(connection, officer), "test")


@functools.cache
def _prepared(_: bool) -> Whereabouts:
    """Make records that every bureau begins with a copy of, once a process and kind of database."""
    place = Path(tempfile.mkdtemp(prefix="warifu-bureau-"))
    atexit.register(shutil.rmtree, place)
    Desk.open(place).records.close()
    bureau = Bureau._behind(place, NOW)
    for acting, role in ((CAROL, Role.REGISTRATION), (HELP_DESK, Role.HELP_DESK)):
        bureau.records.write(officers.add, Officer(acting.id, acting.id, role, None, None), NOW, "login:test")
    bureau.done(an_issuance(3))
    bureau.done(an_issuance(2, administrator=TANAKA, institution=OTHER, institution_name=OTHER_NAME))
    for cn in (f"{INSTITUTION}-001", f"{INSTITUTION}-002", f"{OTHER}-001"):
        bureau.fetch(cn)
    bureau.records.close()
    return located(place)

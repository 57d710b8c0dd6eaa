"""The issuer: signs what was planned, and nothing else (protocol.md, Issuing, step 3).

It is told a serial number and reads the plan itself, by a look-up that the composition root hands it; so it can move
into a process of its own, and whoever takes over the front still cannot have a certificate that no transaction
planned. The plan was linted before it was recorded; here it is checked to be that plan, unaltered, of this issuer.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import NameOID

from ca_server import tracing
from ca_server.authority import der
from ca_server.authority.lint import BadTbs, ExpectedLeaf, lint, taken_apart
from ca_server.authority.profile import CertificateProfile
from ca_server.authority.signer import Signer
from ca_server.domain.approvals import Mandate, Trust
from ca_server.errors import NotEntitled
from protocol.names import CommonName


class WillNotSign(Exception):
    """The serial number has no plan, or the plan's bytes are not what its record says."""


@dataclass(frozen=True)
class PlannedCertificate:
    """A Plan as the records hold it: the exact bytes about to be signed, and the facts they must agree with."""

    serial: str
    """Lower-case hex without leading zeros."""
    issuer: str
    common_name: CommonName
    tbs: bytes
    tbs_sha256: str
    """Lower-case hex."""
    predecessor: bytes | None = None
    """The certificate that it renews, DER; empty where the records lack it. For an issuer that trusts signatures."""
    mandate: Mandate | None = None
    """What a first certificate stands on; for an issuer that trusts signatures."""


LookUp = Callable[[str], Awaitable[PlannedCertificate | None]]
"""Returns the committed plan of a serial while it stands, None otherwise."""


class Issuer:
    """The issuing CA in use by its name in the records.

    It signs what is planned by `former` ones as well: plans that a server left behind just before a roll-over. With
    `trust`, a first certificate needs officers' signatures under the application of its seat, and a renewal the
    certificate that it renews: a line of the records alone is no reason to sign. With `profile` the bytes are linted
    here again, for whoever can write a plan could write another certificate into it.
    """

    def __init__(
        self,
        name: str,
        signer: Signer,
        look_up: LookUp,
        former: Mapping[str, Signer] = MappingProxyType({}),
        trust: Trust | None = None,
        profile: CertificateProfile | None = None,
    ) -> None:
        self.name = name
        self.certificate = signer.certificate
        self._signers = {**former, name: signer}
        self._look_up = look_up
        self._trust = trust
        self._profile = profile

    async def sign(self, serial: str) -> bytes:
        """Return the DER of the certificate that was planned under `serial`.

        Raises WillNotSign when there is no such plan or it was altered, BadSignature when the computation failed.
        """
        plan = await self._look_up(serial)
        if plan is None:
            raise WillNotSign(f"No certificate with the serial number {serial} is planned.")
        signer = self._signers.get(plan.issuer)
        if signer is None or plan.serial != serial:
            raise WillNotSign(f"The plan {plan.serial} of {plan.issuer} is not {serial} of {self.name}.")
        self._require_whole(plan, signer)
        self.require_entitled(plan)
        self._require_in_profile(plan, signer)
        with tracing.span("sign"):
            return signer.sign(plan.tbs)

    def require_entitled(self, plan: PlannedCertificate) -> None:
        """Do nothing where the officers signed for the seat, or a certificate of ours for it is renewed.

        Without `trust` the plan is enough. Raises WillNotSign.
        """
        if self._trust is None:
            return
        if plan.predecessor is None:
            try:
                self._trust.require_mandate(plan.mandate, plan.common_name)
            except NotEntitled as refused:
                raise WillNotSign(f"The plan {plan.serial} is not entitled: {refused}") from refused
        elif not self._is_ours(plan.predecessor, plan.common_name):
            raise WillNotSign(f"The plan {plan.serial} renews no certificate of ours for {plan.common_name}.")

    def _is_ours(self, der: bytes, cn: CommonName) -> bool:
        try:
            certificate = x509.load_der_x509_certificate(der)
            names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        except ValueError:
            return False
        return [name.value for name in names] == [str(cn)] and any(
            _signed_by(signer, certificate) for signer in self._signers.values()
        )

    def _require_in_profile(self, plan: PlannedCertificate, signer: Signer) -> None:
        """Raise WillNotSign where a profile is kept to and the plan's bytes are not of it."""
        if self._profile is None:
            return
        try:
            facts = taken_apart(plan.tbs, plan.common_name)
        except BadTbs as error:
            raise WillNotSign(f"The planned bytes of {plan.serial} are no certificate's: {error}") from error
        if findings := lint(plan.tbs, ExpectedLeaf(self._profile, signer.certificate, facts)):
            raise WillNotSign(f"The planned bytes of {plan.serial} are not of the profile: {'; '.join(findings)}")

    @staticmethod
    def _require_whole(plan: PlannedCertificate, signer: Signer) -> None:
        """Raise WillNotSign unless the plan's bytes are those that were linted, for this signer."""
        serial = plan.serial
        if hashlib.sha256(plan.tbs).hexdigest() != plan.tbs_sha256:
            raise WillNotSign(f"The planned bytes of {serial} were altered after they were recorded.")
        fields = der.split(der.contents(plan.tbs, der.SEQUENCE))
        if fields[1:4] != [der.integer(int(serial, 16)), signer.algorithm, signer.subject]:
            raise WillNotSign(f"The planned bytes of {serial} name another serial number, algorithm or issuer.")
        if not fields[5].endswith(der.element(der.UTF8_STRING, str(plan.common_name).encode())):
            raise WillNotSign(f"The planned bytes of {serial} are not for {plan.common_name}.")


def _signed_by(signer: Signer, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(signer.certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True

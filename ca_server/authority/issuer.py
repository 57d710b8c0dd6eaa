"""The issuer: signs what was planned, and nothing else (protocol.md, Issuing, step 3).

It is told a serial number and reads the plan itself, by a look-up that the composition root hands it; so it can move
into a process of its own, and whoever takes over the front still cannot have a certificate that no transaction
planned. The plan was linted before it was recorded; here it is checked to be that plan, unaltered, of this issuer.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ca_server.authority import der
from ca_server.authority.signer import Signer
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


LookUp = Callable[[str], PlannedCertificate | None]
"""Returns the committed plan of a serial while it stands, None otherwise."""


class Issuer:
    """The issuing CA in use by its name in the records; `sign` may be called from any thread.

    It signs what is planned by `former` ones as well: plans that a server left behind just before a roll-over.
    """

    def __init__(
        self, name: str, signer: Signer, look_up: LookUp, former: Mapping[str, Signer] = MappingProxyType({})
    ) -> None:
        self.name = name
        self.certificate = signer.certificate
        self._signers = {**former, name: signer}
        self._look_up = look_up

    def sign(self, serial: str) -> bytes:
        """Return the DER of the certificate that was planned under `serial`.

        Raises WillNotSign when there is no such plan or it was altered, BadSignature when the computation failed.
        """
        plan = self._look_up(serial)
        if plan is None:
            raise WillNotSign(f"No certificate with the serial number {serial} is planned.")
        signer = self._signers.get(plan.issuer)
        if signer is None or plan.serial != serial:
            raise WillNotSign(f"The plan {plan.serial} of {plan.issuer} is not {serial} of {self.name}.")
        self._require_whole(plan, signer)
        return signer.sign(plan.tbs)

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

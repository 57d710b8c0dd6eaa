"""The holder `tpm`: keys made in the PC's TPM 2.0, which wraps them for itself alone; the wrapped key is the reference.

Nothing stays in the TPM: each use loads the wrapped key under the primary key of the owner's hierarchy, which the TPM
derives anew each time, signs, and takes both out again, for a TPM has room for three. The form is that of the TSS
(`TSS2 PRIVATE KEY`, TPMKey of the TCG's OID 2.23.133.10.1.3), which OpenSSL's provider `tpm2` reads from a file too;
`install` writes that file. On another PC it is worthless.
"""

import os
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from client.errors import ClientError
from client.language import sentence
from client.stores.apart import apart
from client.stores.holder import Holding, Installed, missing_package
from keys.algorithms import PrivateKey
from keys.keystore import write_private
from keys.token import TokenKey

os.environ.setdefault("TSS2_LOG", "all+none")  # the TSS would write on standard error what the exception says anyway

try:
    from tpm2_pytss import (
        ESAPI,
        TPM2_ALG,
        TPM2_RH,
        TPM2_ST,
        TPM2B_DIGEST,
        TPMS_SCHEME_HASH,
        TPMT_SIG_SCHEME,
        TPMT_TK_HASHCHECK,
        TPMU_SIG_SCHEME,
        TSS2_Exception,
    )
    from tpm2_pytss.tsskey import TSSPrivKey
except ImportError as error:
    raise missing_package("tpm", "tpm2-pytss") from error

KEY_FILE: Final = "key.tss2.pem"
_COORDINATE: Final = 32


class Tpm:
    """Holds keys in one TPM; `place` is its TCTI, the TSS's word for the way to it."""

    name: ClassVar[str] = "tpm"
    holds_account_keys: ClassVar[bool] = True

    def __init__(self, place: str, folder: Path) -> None:
        self._place: Final = place
        self._file: Final = folder / KEY_FILE

    @apart
    def create(self, label: str) -> str:
        """Make a key and return it wrapped; the TPM forgets it, so that nothing is left of an interrupted attempt."""
        with self._tpm() as tpm:
            return b64encode(TSSPrivKey.create_ecc(tpm).to_der()).decode("ascii")

    def key(self, reference: str) -> PrivateKey:
        """Return the key, which signs in the TPM."""
        public = load_pem_public_key(_wrapped(reference).public.to_pem())
        assert isinstance(public, ec.EllipticCurvePublicKey)  # noqa: S101  `create` makes no others
        return TokenKey(public, lambda digest: self._sign(reference, digest))

    def install(self, reference: str, chain: Sequence[x509.Certificate], name: str) -> None:
        """Write the file that OpenSSL's provider reads; the certificate stands beside it."""
        write_private(self._file, _wrapped(reference).to_pem(), replace=True)

    def delete(self, reference: str) -> None:
        """Delete the file; the wrapped key goes with the record that holds it."""
        self._file.unlink(missing_ok=True)

    def found(self) -> list[Installed]:
        """Return nothing: a TPM keeps no certificates."""
        return []

    def holding(self, reference: str) -> Holding:
        """Tell that the key is in the TPM."""
        what = sentence("in the TPM of this PC, which signs with it and never gives it out")
        return Holding(what, copyable=False, address=str(self._file) if self._file.exists() else None)

    @apart
    def _sign(self, reference: str, digest: bytes) -> bytes:
        scheme = TPMT_SIG_SCHEME(
            scheme=TPM2_ALG.ECDSA, details=TPMU_SIG_SCHEME(ecdsa=TPMS_SCHEME_HASH(hashAlg=TPM2_ALG.SHA256))
        )
        not_hashed_inside = TPMT_TK_HASHCHECK(tag=TPM2_ST.HASHCHECK, hierarchy=TPM2_RH.NULL)
        with self._tpm() as tpm, _wrapped(reference).load(tpm) as handle:
            # The parts live in the memory of the whole, which has to outlive them.
            whole = tpm.sign(handle, TPM2B_DIGEST(digest), scheme, not_hashed_inside)
            halves = [bytes(half) for half in (whole.signature.ecdsa.signatureR, whole.signature.ecdsa.signatureS)]
        return b"".join(half.rjust(_COORDINATE, b"\0") for half in halves)

    @contextmanager
    def _tpm(self) -> Iterator[Any]:
        """Open the way to the TPM for one step. Raises ClientError when it cannot be reached or refuses."""
        try:
            with ESAPI(self._place) as tpm:
                yield tpm
        except TSS2_Exception as error:
            raise ClientError(
                "tpmFailed",
                sentence("The TPM ({place}) cannot be used: {reason}."),
                sentence(
                    "See that it is on in the firmware, that this user may use it (group tss), and which PC this is."
                ),
                facts={"place": self._place, "reason": error},
            ) from error


def _wrapped(reference: str) -> Any:
    return TSSPrivKey.from_der(b64decode(reference))

"""Who holds the keys of a seat, and where: chosen at enrolment, remembered with the seat, the same at every renewal."""

import sys
from dataclasses import dataclass
from typing import Final

from client.config import Settings
from client.stores.token_uri import TokenUri

STORES: Final = ("files", "nss", "pkcs11", "tpm", "windows", "macos")
"""The words of --store, each a row of `holder.holder_of`."""

EXPORTABLE: Final = ("files", "nss")
"""The stores that give a key out again, as a PKCS#12 file needs."""

DEFAULT_TCTI: Final = "device:/dev/tpmrm0"
"""The kernel's own way to the TPM, which keeps the objects of several programs apart."""


@dataclass(frozen=True, slots=True)
class Custody:
    """A store and its place.

    `store` is the word of --store. `place` is what the holder needs to find its key store again, without any secret:
    a PKCS#11 URI of the token (RFC 7512), the TPM's TCTI, the folders of NSS databases a line each; empty where there
    is one only, or where those that are there are looked for.
    """

    store: str = "files"
    place: str = ""


FILES: Final = Custody()


def chosen_custody(settings: Settings) -> Custody:
    """Return the custody that options and configuration ask for; without a store, the platform's own.

    Raises Misuse when it is not said which token.
    """
    name = settings.store or {"win32": "windows", "darwin": "macos"}.get(sys.platform, "files")
    match name:
        case "pkcs11":
            return Custody(name, TokenUri.chosen(settings.pkcs11).render())
        case "nss":
            return Custody(name, "\n".join(str(each.absolute()) for each in settings.nss_databases))
        case "tpm":
            return Custody(name, settings.tcti or DEFAULT_TCTI)
        case "windows":
            from client.stores.windows import best_place

            return Custody(name, best_place())
        case _:
            return Custody(name)

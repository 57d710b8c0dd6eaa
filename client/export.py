"""Packs key, certificate and chain as one PKCS#12 file for programs that want it so (RFC 7292; AES-256, SHA-256)."""

from dataclasses import dataclass
from pathlib import Path

from client.errors import Misuse
from client.language import sentence
from client.stores.custody import EXPORTABLE, Custody
from client.stores.generation import Generation
from keys.keystore import export_pkcs12, write_private


@dataclass(frozen=True, slots=True)
class Export:
    """The file to write and the passphrase to close it with.

    Raises Misuse, before anything is asked of a server, when the file exists or its folder does not, or the passphrase
    is empty.
    """

    path: Path
    passphrase: str

    def __post_init__(self) -> None:
        if not self.passphrase:
            raise Misuse(
                "badPassphrase", sentence("The passphrase file is empty."), fields={"--p12-passphrase-file": "empty"}
            )
        if self.path.exists() or not self.path.absolute().parent.is_dir():
            raise Misuse(
                "badExport",
                sentence("{path} exists already, or its folder does not."),
                facts={"path": self.path},
                fields={"--p12": str(self.path)},
            )

    def require_exportable(self, custody: Custody) -> None:
        """Do nothing when the store gives keys out. Raises Misuse otherwise."""
        if custody.store not in EXPORTABLE:
            raise Misuse(
                "notExportable",
                sentence("A key of the store {store} cannot be written to a file: it does not leave its place."),
                sentence("Leave --p12 out, or choose --store files."),
                facts={"store": custody.store},
                fields={"--p12": custody.store},
            )

    def write(self, generation: Generation, name: str) -> None:
        """Write a generation's key, certificate and chain. Raises KeystoreError."""
        content = export_pkcs12(name, generation.key(), generation.certificate(), generation.chain(), self.passphrase)
        write_private(self.path, content)

"""`warifu-ca root`: what needs the root's key, which is taken out of its safe for it and which `serve` never opens."""

from pathlib import Path

import click
from cryptography.hazmat.primitives.serialization import Encoding

from ca_server import keyring
from ca_server.authority.hierarchy import make_root_crl
from ca_server.authority.signer import Signer
from ca_server.cli.front import Group
from ca_server.cli.options import common, now, settings
from ca_server.cli.output import answer, spoken
from ca_server.language import sentence
from ca_server.operations.publication import place, published_number
from keys.keystore import load_key


@click.group(cls=Group)
@common
def root() -> None:
    """Use the root's key."""


@root.command("crl")
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    help="The root's key (default: root/root.key.pem beside the configuration).",
)
@click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path),
    help="Its passphrase (default: secrets/root.passphrase there).",
)
@common
def sign_crl(key: Path | None, passphrase_file: Path | None) -> None:
    """Sign the root's CRL anew, valid for twelve months."""
    config = settings().config()
    folder = config.path.parent
    secret = _passphrase(passphrase_file, folder / "secrets" / "root.passphrase")
    root_key = load_key(key or folder / "root" / "root.key.pem", secret)
    signer = Signer(keyring.load_certificate(config.authority.root_certificate), root_key)
    path, at = config.server.public_folder / "root.crl", now()
    number = max(published_number(path) + 1, at)  # the moment, so that it rises even where the last file is lost
    place(path, make_root_crl(keyring.hierarchy_profile(config), signer, [], number, at))
    place(path.with_suffix(".cer"), signer.certificate.public_bytes(Encoding.DER))
    answer(
        {"number": number, "path": str(path)},
        [sentence("The root's CRL number {number} is in {path}, good for 12 months.", number=number, path=path)],
    )


def _passphrase(named: Path | None, usual: Path) -> str | None:
    """Return the root's passphrase from the file named, the usual one, or the person who typed it at `init`."""
    if named is None and not usual.exists():
        typed: str = click.prompt(spoken(sentence("Passphrase of the root's key")), hide_input=True, err=True)
        return typed
    return keyring.passphrase(named or usual)

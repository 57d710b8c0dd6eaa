"""`warifu-ca root`: what needs the root's key, which is taken out of its safe for it and which `serve` never opens."""

from pathlib import Path

import click
from cryptography.hazmat.primitives.serialization import Encoding

from ca_server import keyring
from ca_server.authority.hierarchy import make_root_crl
from ca_server.cli.front import Group
from ca_server.cli.options import common, now, settings
from ca_server.cli.output import answer
from ca_server.language import sentence
from ca_server.operations.publication import place, published_number


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
    secret = passphrase_file or folder / "secrets" / "root.passphrase"
    signer = keyring.load_signer(config.authority.root_certificate, key or folder / "root" / "root.key.pem", secret)
    path = config.server.public_folder / "root.crl"
    number = published_number(path) + 1
    place(path, make_root_crl(keyring.hierarchy_profile(config), signer, [], number, now()))
    place(path.with_suffix(".cer"), signer.certificate.public_bytes(Encoding.DER))
    answer(
        {"number": number, "path": str(path)},
        [sentence("The root's CRL number {number} is in {path}, good for 12 months.", number=number, path=path)],
    )

"""`warifu-ca root`: what needs the root's key, which is taken out of its safe for it and which `serve` never opens.

root crl             signs the root's CRL anew
root new-issuer      makes the issuing CA that will take over; `serve` publishes its CRL from its next start on
root use-issuer      lets it take over at the next start of `serve`; this alone needs no key
"""

from pathlib import Path

import click
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from ca_server import keyring
from ca_server.authority.hierarchy import ISSUING_KEYS, make_root_crl
from ca_server.authority.signer import Signer
from ca_server.cli import roll_over
from ca_server.cli.front import Group
from ca_server.cli.options import common, login, now, open_records, settings
from ca_server.cli.output import answer
from ca_server.cli.passphrases import typed
from ca_server.config import Config
from ca_server.config.contradictions import fault_of_issuer
from ca_server.config.rewriting import with_next, with_next_in_use
from ca_server.errors import Invalid, NotAllowed, NotFound
from ca_server.language import sentence
from ca_server.operations.publication import place, published_number
from ca_server.store import audit
from keys.keystore import load_key


@click.group(cls=Group)
@common
def root() -> None:
    """Use the root's key."""


_key_option = click.option(
    "--key",
    type=click.Path(path_type=Path),
    help="The root's key (default: root/root.key.pem beside the configuration).",
)
_passphrase_option = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path),
    help="Its passphrase (default: secrets/root.passphrase there).",
)


@root.command("crl")
@_key_option
@_passphrase_option
@common
def sign_crl(key: Path | None, passphrase_file: Path | None) -> None:
    """Sign the root's CRL anew, valid for twelve months."""
    config = settings().config()
    signer = _root(config, key, passphrase_file)
    path, at = config.server.public_folder / "root.crl", now()
    number = max(published_number(path) + 1, at)  # the moment, so that it rises even where the last file is lost
    _record(config, "root CRL signed", "root", number=str(number))
    place(path, make_root_crl(keyring.hierarchy_profile(config), signer, [], number, at))
    place(path.with_suffix(".cer"), signer.certificate.public_bytes(Encoding.DER))
    answer(
        {"number": number, "path": str(path)},
        [sentence("The root's CRL number {number} is in {path}, good for 12 months.", number=number, path=path)],
    )


@root.command("new-issuer")
@click.option("--name", required=True, metavar="NAME", help="Its name in files and URLs, such as issuing-2.")
@click.option("--issuing-key", type=click.Choice(ISSUING_KEYS), default="P-256", show_default=True)
@_key_option
@_passphrase_option
@common
def new_issuer(name: str, issuing_key: str, key: Path | None, passphrase_file: Path | None) -> None:
    """Make the issuing CA that will take over.

    Nothing is issued by it yet. Restart `serve`, which publishes its CRL,
    and give relying systems a new kit; then run `root use-issuer`.
    """
    config = settings().config()
    if config.next is None or config.next.issuer != name:
        _require_new(config, name)
        at = now()
        coming = roll_over.coming(config, name)
        certificate = roll_over.make(config, _root(config, key, passphrase_file), coming, issuing_key, at)
        roll_over.publish(config, [config.authority, coming, *config.former])
        text = with_next(config.path.read_text("utf-8"), roll_over.table(config, coming))
        _record(config, "issuing CA made", name, sha256=certificate.fingerprint(SHA256()).hex())
        roll_over.replace_configuration(config.path, text, at)
    coming = settings().config().next or config.authority
    certificate = keyring.load_certificate(coming.issuing_certificate)
    fingerprint = certificate.fingerprint(SHA256()).hex()
    answer(
        {"next": name, "sha256": fingerprint, "certificate": str(coming.issuing_certificate)},
        [
            sentence("{name} will take over: {subject}", name=name, subject=certificate.subject.rfc4514_string()),
            sentence("  SHA-256: {fingerprint}", fingerprint=fingerprint),
            sentence("  next: restart `warifu-ca serve`, which publishes its CRL,"),
            sentence("        give every relying system a new kit (warifu-ca relying-party), and then run"),
            sentence(
                "        warifu-ca --config {config} root use-issuer --name {name}", config=config.path, name=name
            ),
        ],
    )


@root.command("use-issuer")
@click.option("--name", required=True, metavar="NAME", help="The issuing CA that `root new-issuer` made.")
@common
def use_issuer(name: str) -> None:
    """Let the new issuing CA take over at the next start of `serve`.

    The one in use becomes a former one: its certificates stand, with CRL
    and OCSP, until they end. The root's key is not needed.
    """
    config = settings().config()
    former, coming = config.authority, config.next
    if former.issuer == name:
        answer({"issuer": name}, [sentence("{name} is in use already.", name=name)])
        return
    if coming is None or coming.issuer != name:
        raise NotFound(sentence("{name} was not made; `warifu-ca root new-issuer` makes it.", name=name))
    _require_published(config, name)
    text = with_next_in_use(config.path.read_text("utf-8"))
    roll_over.publish(config, [coming, former, *config.former])
    _record(config, "issuing CA takes over", name, former=former.issuer)
    kept = roll_over.replace_configuration(config.path, text, now())
    answer(
        {"issuer": name, "former": former.issuer, "kept": str(kept)},
        [
            sentence(
                "{name} takes over from {former} when `warifu-ca serve` starts again.", name=name, former=former.issuer
            ),
            sentence("  the configuration as it was: {kept}", kept=kept),
        ],
    )


def _require_published(config: Config, name: str) -> None:
    """Raise NotAllowed before the CRL is there: whoever checks CRLs would refuse every certificate that follows."""
    if not (config.server.public_folder / f"{name}.crl").exists():
        raise NotAllowed(
            sentence(
                "{name} has no CRL yet: restart `warifu-ca serve`, and give relying systems a new kit first.", name=name
            )
        )


def _require_new(config: Config, name: str) -> None:
    fault = fault_of_issuer(name, [each.issuer for each in config.authorities])
    if fault:
        raise Invalid({"name": fault})
    if config.next is not None:
        raise NotAllowed(
            sentence("{coming} is to take over already: `warifu-ca root use-issuer`.", coming=config.next.issuer)
        )


def _record(config: Config, action: str, subject: str, **detail: str) -> None:
    at, actor = now(), f"login:{login()}"
    open_records(config).write(lambda connection: audit.record(connection, at, actor, action, subject, **detail))


def _root(config: Config, key: Path | None, passphrase_file: Path | None) -> Signer:
    """Open the root's key, wherever it was brought from its safe. Raises Invalid when it is not there, KeysError."""
    folder = config.path.parent
    place_of_key = key or folder / "root" / "root.key.pem"
    if not place_of_key.exists():
        told = sentence(
            "There is no {path}; bring the root's key from its safe, or say where it is.", path=place_of_key
        )
        raise Invalid({"key": told})
    secret = _passphrase(passphrase_file, folder / "secrets" / "root.passphrase")
    return Signer(keyring.load_certificate(config.authority.root_certificate), load_key(place_of_key, secret))


def _passphrase(named: Path | None, usual: Path) -> str | None:
    """Return the root's passphrase from the file named, the usual one, or the person who typed it at `init`."""
    if named is None and not usual.exists():
        return typed(sentence("Passphrase of the root's key"), "passphrase-file")
    return keyring.passphrase(named or usual)

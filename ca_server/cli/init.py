"""`warifu-ca init`: a new certificate authority in a folder, ready to serve.

    D/warifu.toml    the configuration
    D/warifu.db      the records
    D/root/          the root's key and certificate: move it off this machine
    D/authority/     issuing CA and OCSP signer
    D/tls/           the small TLS CA, for trials, and the server's certificate
    D/secrets/       passphrases and the server's secret
    D/public/        what everybody may have
    D/documents/     CP/CPS and privacy policy, with blanks to complete

Keys are encrypted, 0600, and never overwritten.
"""

import dataclasses
import secrets
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import click
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from ca_server.authority.hierarchy import (
    ISSUING_KEYS,
    HierarchyProfile,
    make_issuing,
    make_ocsp_signer,
    make_root,
    make_root_crl,
    make_tls_authority,
    make_tls_server,
)
from ca_server.authority.signer import Signer
from ca_server.checkpoint_key import make_notary
from ca_server.cli.front import Command
from ca_server.cli.options import common, now
from ca_server.cli.output import answer, say
from ca_server.cli.passphrases import typed
from ca_server.cli.template import render_configuration
from ca_server.config import load
from ca_server.errors import Invalid, NotAllowed
from ca_server.keyring import passphrase
from ca_server.language import Sentence, sentence
from ca_server.operations.publication import place
from ca_server.pages import TEMPLATES
from ca_server.store import migrations
from keys.generate import generate
from keys.keystore import save_key, write_private

ISSUER = "issuing-1"
_ROOT = "root/root"
_FOLDERS = ("root", "authority", "tls", "secrets", "public", "mailbox")


@dataclasses.dataclass(frozen=True)
class Plan:
    """What was asked for."""

    folder: Path
    public_url: str
    http_url: str
    organization: str
    passphrase_file: Path | None
    passphrase: str | None
    issuing_key: str
    officers_listen: str


@click.command(cls=Command)
@click.option("--directory", type=click.Path(path_type=Path), required=True, help="An empty or new folder.")
@click.option("--public-url", required=True, help="https://HOST[:PORT] of ACME and enrolment.")
@click.option("--http-url", required=True, help="http://HOST[:PORT] of OCSP and CRLs.")
@click.option("--organization", default="Example Agency Client CA", show_default=True, help="O of every name.")
@click.option("--passphrase-file", type=click.Path(path_type=Path), help="One passphrase for all keys.")
@click.option("--issuing-key", type=click.Choice(ISSUING_KEYS), default="P-256", show_default=True)
@click.option("--officers-listen", default="127.0.0.1:9443", show_default=True, help="HOST:PORT of metrics and health.")
@click.option("--non-interactive", is_flag=True, help="Ask nothing; random passphrases unless a file is given.")
@common
def init(  # noqa: PLR0913 - the questions of a beginning
    directory: Path,
    public_url: str,
    http_url: str,
    organization: str,
    passphrase_file: Path | None,
    issuing_key: str,
    officers_listen: str,
    non_interactive: bool,
) -> None:
    """Make a new certificate authority in a folder."""
    _require_urls(public_url, http_url)
    _require_empty(directory)
    secret = passphrase(passphrase_file)
    if secret is None and not non_interactive:
        say(
            sentence("Your passphrase protects the root's key and is written nowhere. Leave it empty for a random one.")
        )
        secret = typed(sentence("Passphrase"), "passphrase-file", twice=True, may_be_empty=True)
    plan = Plan(
        directory.absolute(),
        public_url.rstrip("/"),
        http_url.rstrip("/"),
        organization.strip(),
        passphrase_file and passphrase_file.absolute(),
        secret or None,
        issuing_key,
        officers_listen,
    )
    root = _made_whole(plan)
    fingerprint = root.fingerprint(SHA256()).hex()
    config = plan.folder / "warifu.toml"
    whole = {"config": str(config), "root_sha256": fingerprint, "public_url": plan.public_url}
    answer(
        whole,
        [
            sentence("A new CA is in {folder}.", folder=plan.folder),
            sentence("  root, SHA-256: {fingerprint}", fingerprint=fingerprint),
            sentence("  next: warifu-ca --config {config} officer add NAME --role ra", config=config),
            sentence("        warifu-ca --config {config} serve", config=config),
            _to_the_safe(plan),
        ],
    )


def _to_the_safe(plan: Plan) -> Sentence:
    if plan.passphrase_file is not None:
        return sentence(
            "  move the folder root/ to a safe: serving does not need it. {file} opens its key and all others.",
            file=plan.passphrase_file,
        )
    if plan.passphrase is not None:
        return sentence("  move the folder root/ to a safe: serving does not need it; its passphrase is yours.")
    return sentence("  move the folder root/ and secrets/root.passphrase to a safe: serving does not need them.")


def _require_urls(public_url: str, http_url: str) -> None:
    fields = {}
    for name, url, scheme in (("public-url", public_url, "https"), ("http-url", http_url, "http")):
        parts = urlsplit(url)
        if parts.scheme != scheme or not parts.hostname or parts.path.strip("/"):
            fields[name] = sentence("Give {scheme}://HOST or {scheme}://HOST:PORT, without a path.", scheme=scheme)
    if fields:
        raise Invalid(fields)


def _require_empty(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise NotAllowed(
            sentence("{folder} is not empty; a CA is never overwritten. Choose another folder.", folder=folder)
        )


def _made_whole(plan: Plan) -> x509.Certificate:
    """Make the CA in a folder beside, and give it its name when it is whole: an interrupted `init` leaves no half."""
    plan.folder.parent.mkdir(parents=True, exist_ok=True)
    beside = plan.folder.with_name(f".{plan.folder.name}.{secrets.token_hex(4)}")
    try:
        root = _make(dataclasses.replace(plan, folder=beside))
        if plan.folder.exists():
            plan.folder.rmdir()
        beside.rename(plan.folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return root


def _make(plan: Plan) -> x509.Certificate:
    for name in _FOLDERS:
        (plan.folder / name).mkdir(parents=True, mode=0o755 if name == "public" else 0o700)
    plan.folder.chmod(0o755)
    write_private(plan.folder / "secrets" / "server.secret", secrets.token_hex(32).encode() + b"\n")
    write_private(plan.folder / "warifu.toml", render_configuration(plan).encode())
    host = urlsplit(plan.public_url).hostname or ""
    at = now()
    profile = HierarchyProfile(
        plan.organization, _policy(plan), f"{plan.http_url}/crl/root.crl", f"{plan.http_url}/ca/root.cer"
    )
    root = make_root(profile, generate("P-384"), at)
    issuing = make_issuing(profile, root, generate(plan.issuing_key), at)
    responder = make_ocsp_signer(profile, issuing, generate("P-256"), at)
    tls_ca = make_tls_authority(profile, generate("P-256"), [host], at)
    tls = make_tls_server(profile, tls_ca, generate("P-256"), [host], at)
    _keep(plan, root, _ROOT)
    _keep(plan, issuing, f"authority/{ISSUER}")
    _keep(plan, responder, "authority/ocsp")
    _keep(plan, tls_ca, "tls/ca")
    _keep(plan, tls, "tls/server")
    public = plan.folder / "public"
    place(public / "root.pem", _pem(root) + _pem(tls_ca))
    place(public / "chain.pem", _pem(issuing) + _pem(root))
    place(public / "root.cer", root.certificate.public_bytes(Encoding.DER))
    place(public / f"{ISSUER}.cer", issuing.certificate.public_bytes(Encoding.DER))
    place(public / "root.crl", make_root_crl(profile, root, [], 1, at))
    _checkpoint_key(plan)
    shutil.copytree(TEMPLATES, plan.folder / "documents")
    migrations.create(plan.folder / "warifu.db")
    return root.certificate


def _checkpoint_key(plan: Plan) -> None:
    """Make the key of the audit log's checkpoints, which needs the configuration that was just written."""
    make_notary(load(plan.folder / "warifu.toml"))


def _policy(plan: Plan) -> str:
    return load(plan.folder / "warifu.toml").profile.policy_oid


def _keep(plan: Plan, signer: Signer, name: str) -> None:
    """Write key and certificate, under the passphrase of the file, the root's as it was typed, or a random one."""
    given = plan.passphrase_file is not None or name == _ROOT
    secret = plan.passphrase if given else None
    if secret is None:
        file = plan.folder / "secrets" / f"{Path(name).name if name != 'tls/ca' else 'tls-ca'}.passphrase"
        secret = secrets.token_urlsafe(24)
        write_private(file, secret.encode() + b"\n")
    save_key(plan.folder / f"{name}.key.pem", signer.private_key, secret)
    write_private(plan.folder / f"{name}.pem", _pem(signer))


def _pem(signer: Signer) -> bytes:
    return signer.certificate.public_bytes(Encoding.PEM)

"""`warifu-ca officer key` and `new-key`: officers' own keys, whose signatures count under their decisions."""

from pathlib import Path

import click
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ca_server.cli.front import Command
from ca_server.cli.options import common, login, now, open_records, settings
from ca_server.cli.output import answer
from ca_server.cli.signing import new_key, secret_option
from ca_server.clock import rfc3339
from ca_server.domain.approvals import OfficerKey
from ca_server.domain.officers import Officer, Role
from ca_server.errors import Invalid
from ca_server.language import sentence
from ca_server.officer_keys import OfficerKeys, read_public
from ca_server.store import officers
from keys.policy import spki_sha256


@click.command("new-key", cls=Command)
@click.argument("place", metavar="KEY")
@click.option(
    "--public",
    type=click.Path(path_type=Path),
    required=True,
    help="Where to write the public half, which the operator registers.",
)
@secret_option
@common
def make_key(place: str, public: Path, passphrase_file: Path | None) -> None:
    """Make an officer's own key, on the officer's machine.

    KEY is a new file, or a key to be made in a token: pkcs11:token=…;object=…?module-path=….
    """
    if public.exists():
        raise Invalid({"public": sentence("{path} exists; it is never overwritten.", path=public)})
    key = new_key(place, passphrase_file)
    public.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    fingerprint = spki_sha256(key)
    answer(
        {"key": place, "public": str(public), "sha256": fingerprint},
        [
            sentence("Your key is in {place}; it stays with you alone.", place=place),
            sentence("  its public half is in {path}; SHA-256: {fingerprint}", path=public, fingerprint=fingerprint),
            sentence(
                "  next: the operator registers it (`warifu-ca officer key NAME --public FILE`); tell them the SHA-256"
            ),
        ],
    )


@click.command("key", cls=Command)
@click.argument("name")
@click.option("--public", type=click.Path(path_type=Path), help="The public key, PEM; it replaces a former one.")
@click.option("--withdraw", is_flag=True, help="Let the officer's key count no longer.")
@common
def register_key(name: str, public: Path | None, withdraw: bool) -> None:
    """Register an officer's public key, or withdraw it; what it signed before still counts."""
    if (public is not None) == withdraw:
        raise Invalid({"public": sentence("Give --public FILE or --withdraw.")})
    config = settings().config()
    records = open_records(config)
    one, at, keys = records.read(officers.by_name, name), now(), OfficerKeys(config.applications.officer_keys)
    by = f"login:{login()}"
    if public is None:
        ended = keys.require_in_use(one.id)
        keys.withdraw(one.id, at)  # whatever becomes of the records
        records.write(officers.withdraw_key, one, ended.sha256, at, by)
        answer(
            {"name": one.name, "withdrawn": rfc3339(at)},
            [sentence("What {name} signs counts no longer; what was signed before does.", name=one.name)],
        )
        return
    _require_deciding(one)
    fresh = OfficerKey(one.id, one.name, read_public(public), at)
    keys.require_free(fresh)
    records.write(officers.register_key, one, fresh.sha256, at, by)  # on record before it counts
    keys.register(fresh)
    answer(
        {"name": one.name, "sha256": fresh.sha256, "since": rfc3339(at)},
        [
            sentence("From now on the decisions of {name} are signed by this key.", name=one.name),
            sentence("  SHA-256: {fingerprint}", fingerprint=fresh.sha256),
        ],
    )


def _require_deciding(one: Officer) -> None:
    if one.disabled_at is not None or one.role is not Role.REGISTRATION:
        raise Invalid({"name": sentence("{name} decides nothing that could be signed.", name=one.name)})

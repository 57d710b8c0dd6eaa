"""An officer's own key on the command line: made, and used to sign a decision, in a file or in a PKCS#11 token.

Passphrase and PIN are asked for, or read from a file; they never stand in an argument.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click

from ca_server import keyring
from ca_server.cli.options import now
from ca_server.cli.passphrases import typed
from ca_server.domain.applications import Filed
from ca_server.domain.approvals import Act, Approval, Trust, to_be_signed
from ca_server.language import Sentence, sentence
from keys.algorithms import PrivateKey, sign
from keys.generate import generate
from keys.keystore import load_key, save_key
from keys.pkcs11 import SCHEME, TokenPlace, make, opened
from keys.policy import spki_sha256

F = TypeVar("F", bound=Callable[..., Any])


def secret_option(function: F) -> F:
    """Add --passphrase-file."""
    option = click.option(
        "--passphrase-file",
        type=click.Path(path_type=Path),
        help="The key's passphrase, or the token's PIN (else it is asked for).",
    )
    return option(function)


def key_options(function: F) -> F:
    """Add --key and --passphrase-file, by which the officer who decides signs that."""
    option = click.option(
        "--key",
        "key_place",
        metavar="KEY",
        help="Your own key, by which you sign: a file, or a pkcs11: URI.",
    )
    return option(secret_option(function))


def new_key(place: str, passphrase_file: Path | None) -> Any:
    """Make an officer's key in a new file or in a token, and return its public half. Raises KeysError."""
    if place.startswith(SCHEME):
        return make(TokenPlace.parse(place), _secret(passphrase_file, sentence("PIN of the token")))
    key = generate("P-256")
    secret = _secret(passphrase_file, sentence("New passphrase of your key"), twice=True)
    save_key(Path(place), key, secret)
    return key.public_key()


def signed(trust: Trust, filed: Filed, act: Act, officer: str, key: PrivateKey) -> Approval:
    """Return an officer's signature under a decision on an application as it was shown."""
    at = now()
    content = to_be_signed(trust.installation, filed, act, officer, at)
    return Approval(act, officer, at, spki_sha256(key.public_key()), sign(key, content))


@contextlib.contextmanager
def own_key(place: str, passphrase_file: Path | None) -> Iterator[PrivateKey]:
    """Give an officer's key out of its file or token. Raises KeysError, with the remedy."""
    if place.startswith(SCHEME):
        with opened(TokenPlace.parse(place), _secret(passphrase_file, sentence("PIN of the token"))) as key:
            yield key
    else:
        yield load_key(Path(place), _secret(passphrase_file, sentence("Passphrase of your key")))


def _secret(file: Path | None, question: Sentence, *, twice: bool = False) -> str:
    found = keyring.passphrase(file)
    if found is None:
        return typed(question, "passphrase-file", twice=twice)
    return found

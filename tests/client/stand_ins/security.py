"""Plays `security` of macOS on a keychain that is a folder: one file for each certificate, with its key if it has one.

The commands and their options are those of its manual page; `-i` splits lines as its source does.
"""

import json
import sys
from getopt import getopt
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, pkcs12

_MAX_ARGS, _MAX_LINE_LEN = 32, 4096
_PBES2 = bytes.fromhex("06092a864886f70d01050d")


class SecError(Exception):
    """A call of the Security framework failed."""


def main(state: Path, arguments: list[str]) -> int:
    """Run one command, or with -i those of standard input; the code is the last one's."""
    if arguments != ["-i"]:
        return _run(state, arguments)
    code = 0
    for line in sys.stdin.read().splitlines():
        assert len(line.encode()) < _MAX_LINE_LEN
        code = _run(state, split_line(line))
    return code


def split_line(line: str) -> list[str]:
    """Return the words of a line of `security -i`: quotes of two kinds, a backslash before any character."""
    words: list[str] = []
    word: str | None = None
    quote, escaped = "", False
    for each in line:
        if escaped:
            word, escaped = (word or "") + each, False
        elif each == "\\" and word is not None:
            escaped = True
        elif word is None:
            if each in "\"'":
                word, quote = "", each
            elif not each.isspace():
                word, quote, escaped = ("", "", True) if each == "\\" else (each, "", False)
        elif each == quote or (not quote and each.isspace()):
            words.append(word)
            word = None
        else:
            word += each
    words += [] if word is None else [word]
    assert len(words) < _MAX_ARGS
    return words


def entries(state: Path) -> dict[str, dict[str, Any]]:
    """Return the keychain: SHA-1 → certificate, key, whether it is extractable, label, programs that may use it."""
    return {path.stem: json.loads(path.read_text()) for path in sorted((state / "keychain").glob("*.json"))}


def _run(state: Path, words: list[str]) -> int:
    commands = {
        "import": _import,
        "export": _export,
        "find-identity": _find_identity,
        "find-certificate": _find_certificate,
        "delete-identity": _delete_identity,
        "add-certificates": _add_certificates,
    }
    try:
        commands[words[0]](state, words[1:])
    except SecError as error:
        print(f"security: {error}", file=sys.stderr)
        return 1
    return 0


def _import(state: Path, words: list[str]) -> None:
    path, options = Path(words[0]), getopt(words[1:], "k:t:f:P:wxa:hAT:")[0]
    given = dict(options)
    assert given["-f"] == "pkcs12"
    for option, value in options:
        if option == "-T" and not Path(value).exists():
            raise SecError(f"SecTrustedApplicationCreateFromPath {value}: No such file or directory")
    assert path.stat().st_mode & 0o077 == 0
    content = path.read_bytes()
    version = int((state / "version").read_text() if (state / "version").exists() else "15")
    if _PBES2 in content and version < 15:
        raise SecError("SecKeychainItemImport: MAC verification failed during PKCS12 import (wrong password?)")
    loaded = pkcs12.load_pkcs12(content, given["-P"].encode("ascii"))
    assert loaded.key is not None
    assert loaded.cert is not None
    octets = loaded.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    entry = {
        "key": octets.decode(),
        "extractable": "-x" not in given,
        "label": (loaded.cert.friendly_name or b"").decode(),
        "trusted": [value for option, value in options if option == "-T"],
    }
    _add(state, given["-k"], loaded.cert.certificate, entry)
    print("1 identity imported.")


def _export(state: Path, words: list[str]) -> None:
    if any(entry.get("key") and not entry["extractable"] for entry in entries(state).values()):
        raise SecError("SecKeychainItemExport: The contents of this item cannot be retrieved.")
    print([entry["key"] for entry in entries(state).values()], words)


def _find_identity(state: Path, words: list[str]) -> None:
    assert words[:2] == ["-p", "ssl-client"]
    held = [name for name, entry in entries(state).items() if entry.get("key")]
    print("\nPolicy: SSL (client)\n  Matching identities")
    for number, name in enumerate(held, 1):
        print(f'  {number}) {name} "F123456-001" (CSSMERR_TP_NOT_TRUSTED)')
    print(f"     {len(held)} identities found\n\n  Valid identities only\n     0 valid identities found")


def _find_certificate(state: Path, words: list[str]) -> None:
    assert words[:2] == ["-a", "-p"]
    print("".join(entry["certificate"] for entry in entries(state).values()), end="")


def _delete_identity(state: Path, words: list[str]) -> None:
    assert words[0] == "-Z"
    path = state / "keychain" / f"{words[1]}.json"
    if not path.exists() or not json.loads(path.read_text()).get("key"):
        raise SecError("Unable to delete certificate matching the hash")
    path.unlink()


def _add_certificates(state: Path, words: list[str]) -> None:
    assert words[0] == "-k"
    _add(state, words[1], x509.load_pem_x509_certificate(Path(words[2]).read_bytes()), {})


def _add(state: Path, keychain: str, certificate: x509.Certificate, entry: dict[str, Any]) -> None:
    assert keychain.endswith("/Library/Keychains/login.keychain-db")
    folder = state / "keychain"
    folder.mkdir(exist_ok=True)
    path = folder / f"{certificate.fingerprint(hashes.SHA1()).hex().upper()}.json"
    if path.exists():
        raise SecError("SecKeychainItemImport: The specified item already exists in the keychain.")
    point = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex()
    pem = certificate.public_bytes(Encoding.PEM).decode()
    path.write_text(json.dumps({"certificate": pem, "point": point, **entry}))

"""Ready answers before other readers: OpenSSL and GnuTLS believe them, and pkilint finds nothing."""

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from protocol.vocabulary import RevocationReason
from tests.ca_server.responder.stand import HASHES, Stand, question, the_house

_FIRST = 2**100
_ALL = (None, *RevocationReason)
_REVOKED_AT = 1_790_000_000


@pytest.fixture
def answers(stand: Stand) -> dict[tuple[int, str], bytes]:
    """A ready answer for every status and both hashes."""
    stand.clock.set(the_house().now)  # the readers go by the machine's clock
    for number, reason in enumerate(_ALL):
        stand.register.set(_FIRST + number, reason, at=_REVOKED_AT)
    stand.keeper.follow()
    found = {}
    for number in range(len(_ALL)):
        for algorithm in HASHES:
            answer = stand.answers.answer(question(_FIRST + number, algorithm))
            assert answer.next_update
            found[_FIRST + number, algorithm] = answer.der
    return found


def test_pkilint_finds_nothing(answers: dict[tuple[int, str], bytes], pkilint) -> None:
    found = {asked: pkilint.ocsp_response(encoded) for asked, encoded in answers.items()}
    assert not any(found.values()), found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The certificates that a reader needs."""
    for name in ("root", "issuing", "ocsp"):
        certificate = getattr(the_house(), name).certificate
        (tmp_path / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    return tmp_path


def _run(folder: Path, *command: str) -> str:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return result.stdout + result.stderr


def test_openssl_believes_them_and_reads_what_they_say(answers: dict[tuple[int, str], bytes], folder: Path) -> None:
    for (serial, algorithm), encoded in answers.items():
        (folder / "response.der").write_bytes(encoded)
        asked = ("-issuer", "issuing.pem", f"-{algorithm}", "-serial", str(serial), "-no_nonce")
        told = _run(folder, "openssl", "ocsp", *asked, "-respin", "response.der", "-CAfile", "root.pem")
        reason = _ALL[serial - _FIRST]
        assert "Response verify OK" in told, told
        assert f"{serial}: {'good' if reason is None else 'revoked'}" in told, told
        assert ("Reason: " in told) is (reason not in (None, RevocationReason.unspecified)), told


@pytest.mark.skipif(
    shutil.which("ocsptool") is None, reason="ocsptool is missing: install the Debian package gnutls-bin"
)
def test_gnutls_believes_them(answers: dict[tuple[int, str], bytes], folder: Path) -> None:
    for encoded in answers.values():
        (folder / "response.der").write_bytes(encoded)
        told = _run(folder, "ocsptool", "-e", "--load-signer", "ocsp.pem", "--load-response", "response.der")
        assert "Verifying OCSP Response: Success." in told, told

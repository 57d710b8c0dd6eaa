"""Keys in a TPM, of swtpm: wrapped for it alone, used inside, nothing left behind."""

import os
import subprocess
from base64 import b64decode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from client.errors import ClientError
from client.stores.custody import Custody
from client.stores.holder import Holder, holder_of
from keys.algorithms import sign, verify
from keys.csr import build_signing_request, parse_signing_request
from tests.tokens import SoftTpm, program, soft_tpm

LABEL = "warifu-0123456789abcdef0123456789abcdef"


@pytest.fixture
def holder(tpm: SoftTpm, tmp_path: Path) -> Holder:
    return holder_of(Custody("tpm", tpm.tcti), tmp_path)


def test_a_key_of_the_tpm_signs_requests(holder: Holder) -> None:
    key = holder.key(holder.create(LABEL))
    assert isinstance(key.public_key(), ec.EllipticCurvePublicKey)
    assert parse_signing_request(build_signing_request(key, None)).public_key == key.public_key()


def test_more_keys_than_the_tpm_has_room_for_sign_in_turn(holder: Holder) -> None:
    keys = [holder.key(holder.create(LABEL)) for _ in range(5)]
    for key in keys * 2:
        verify(key.public_key(), sign(key, b"data"), b"data")


def test_a_key_is_bound_to_its_tpm_and_was_made_there(holder: Holder) -> None:
    from tpm2_pytss import TPMA_OBJECT
    from tpm2_pytss.tsskey import TSSPrivKey

    wrapped = TSSPrivKey.from_der(b64decode(holder.create(LABEL)))
    attributes = wrapped.public.publicArea.objectAttributes
    for promise in (TPMA_OBJECT.FIXEDTPM, TPMA_OBJECT.FIXEDPARENT, TPMA_OBJECT.SENSITIVEDATAORIGIN):
        assert attributes & promise
    assert not attributes & TPMA_OBJECT.DECRYPT


def test_a_wrapped_key_is_worthless_in_another_tpm(holder: Holder, tmp_path: Path) -> None:
    reference = holder.create(LABEL)
    with soft_tpm(tmp_path / "other") as other:
        key = holder_of(Custody("tpm", other.tcti), tmp_path).key(reference)
        with pytest.raises(ClientError, match="integrity check failed"):
            sign(key, b"data")


def test_installing_writes_the_file_that_openssl_reads_and_deleting_takes_it_away(
    holder: Holder, tmp_path: Path
) -> None:
    reference = holder.create(LABEL)
    assert holder.holding(reference).address is None
    holder.install(reference, [], "F123456-001 (2027-12-25)")
    path = Path(holder.holding(reference).address or "")
    assert path.read_text("ascii").startswith("-----BEGIN TSS2 PRIVATE KEY-----\n")
    assert path.parent == tmp_path
    holder.delete(reference)
    holder.delete(reference)
    assert not path.exists()


def test_openssl_signs_with_the_file(holder: Holder, tpm: SoftTpm, tmp_path: Path) -> None:
    openssl = program("openssl", "openssl")
    if not list(Path("/usr/lib").glob("*/ossl-modules/tpm2.so")):
        pytest.skip("OpenSSL's provider tpm2 is missing: install the Debian package tpm2-openssl")
    reference = holder.create(LABEL)
    holder.install(reference, [], "F123456-001 (2027-12-25)")
    (tmp_path / "data").write_bytes(b"data")
    words = ["-sha256", "-sign", holder.holding(reference).address or "", str(tmp_path / "data")]
    providers = ["-provider", "tpm2", "-provider", "default", "-propquery", "?provider=tpm2,tpm2.digest!=yes"]
    done = subprocess.run(
        [openssl, "dgst", *providers, *words],
        env=os.environ | {"TPM2OPENSSL_TCTI": tpm.tcti},
        capture_output=True,
        timeout=30,
        check=True,
    )
    verify(holder.key(reference).public_key(), done.stdout, b"data")


def test_a_tpm_that_is_not_there_is_told_with_a_remedy(holder: Holder, tmp_path: Path) -> None:
    with pytest.raises(ClientError) as caught:
        holder_of(Custody("tpm", "swtpm:host=127.0.0.1,port=1"), tmp_path).create(LABEL)
    assert caught.value.type == "tpmFailed"
    assert "group tss" in caught.value.remedy

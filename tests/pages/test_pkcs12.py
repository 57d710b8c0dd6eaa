"""The page's PKCS#12 files are read by cryptography, OpenSSL, NSS, Java and GnuTLS, whatever the passphrase."""

import dataclasses
import hashlib
import random
import unicodedata
import warnings
from pathlib import Path

import pytest
from asn1crypto import core, pkcs12
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

from keys.algorithms import PublicKey
from tests.pages import authority, readers
from tests.pages.conftest import Made
from tests.pages.page import Refused, call

_JAVA_FILES = 3  # Java takes more than a second for each
FEW = {"encryption": 3, "mac": 2}
FRIENDLY_NAME, LOCAL_KEY_ID = "1.2.840.113549.1.9.20", "1.2.840.113549.1.9.21"
MICROSOFT_CSP_NAME = "1.3.6.1.4.1.311.17.1"
NAMES = ["F123456-001", "みどり銀行 F123456-001", "か\u3099 e\u0301"]
ASCII = ["correct horse battery staple", "x", "  blanks  ", "a\"b'c $HOME `id` \\", "~" * 31, "7" * 32]
JAPANESE = [
    "みどりの窓口",
    "か\u3099き\u3099",
    "鍵🔑と\U00020bb7野家",
    "ﾊﾝｶｸ ゼンカク",
    "長い合言葉" * 12,
    "e\u0301é\u200d",
]
# GnuTLS alone takes the wide blank U+3000 for a narrow one, so it stands among these only.
LETTERS = "azAZ09 -_'\"\\$あがパ鍵窓ｱ　é\u0301\u3099\U0001f511\U00020bb7"


@dataclasses.dataclass(frozen=True)
class File:
    """A file that the page made, and what must be found in it."""

    der: bytes
    public_key: PublicKey
    chain: list[bytes]
    name: str
    passphrase: str


@pytest.fixture(scope="module")
def files(made: list[Made]) -> list[File]:
    """Let the page make a file of few rounds of every key: the chosen passphrases, then random ones."""
    chance = random.Random(7292)
    chosen = ASCII + JAPANESE
    others = ["".join(chance.choices(LETTERS, k=chance.randrange(1, 90))) for _ in made[len(chosen) :]]
    return _files(made[::-1], chosen + others, FEW)


@pytest.fixture(scope="module")
def sample(made: list[Made]) -> list[File]:
    """Let the page make some files of as many rounds as people get, in turn of EC and RSA keys."""
    keys = [key for pair in zip(made, reversed(made), strict=True) for key in pair]
    passphrases = [passphrase for pair in zip(JAPANESE, ASCII, strict=True) for passphrase in pair]
    return _files(keys[: len(passphrases)], passphrases)


def test_cryptography_reads_every_file(files: list[File]) -> None:
    assert len(files) > 300
    for file in files:
        _assert_cryptography_reads(file)


def test_cryptography_reads_the_files_of_all_rounds(sample: list[File]) -> None:
    for file in sample:
        _assert_cryptography_reads(file)


@pytest.mark.parametrize("read", [readers.openssl, readers.nss, readers.gnutls])
def test_another_program_reads_a_sample(sample: list[File], read: readers.Reader, tmp_path: Path) -> None:
    for place, file in enumerate(sample):
        _assert_read(file, read, tmp_path / str(place))


def test_java_reads_a_sample_with_the_ascii_passphrases_that_it_allows(sample: list[File], tmp_path: Path) -> None:
    ascii_files = [file for file in sample if file.passphrase.isascii()]
    for place, file in enumerate(ascii_files[:_JAVA_FILES]):
        _assert_read(file, readers.java, tmp_path / str(place))


@pytest.mark.parametrize("read", [readers.openssl, readers.nss, readers.java, readers.gnutls])
def test_no_program_reads_a_file_with_a_wrong_passphrase(
    files: list[File], read: readers.Reader, tmp_path: Path
) -> None:
    file = dataclasses.replace(files[0], passphrase="correct horse battery stable")

    with pytest.raises(readers.Unreadable):
        _assert_read(file, read, tmp_path / "0")


def test_a_wrong_passphrase_is_refused(files: list[File]) -> None:
    for file in files:
        with pytest.raises(ValueError, match="Invalid password"):
            load_pkcs12(file.der, _typed(file.passphrase + "!"))


def test_a_flipped_bit_is_refused(files: list[File]) -> None:
    file = files[0]
    opened = {place - len(file.der) for place in range(len(file.der)) if _opens(_flipped(file.der, place), file)}

    # The version and the NULL after the name of the MAC's hash mean nothing, and no MAC covers them.
    assert opened <= {6 - len(file.der), -57}
    assert _opens(file.der, file)


def test_the_passphrase_may_be_typed_in_parts_or_whole(made: list[Made]) -> None:
    [file] = _files(made[:1], ["か\u3099き\u3099"], FEW)

    _assert_cryptography_reads(dataclasses.replace(file, passphrase="がぎ"))


def test_an_empty_passphrase_is_refused() -> None:
    contents = {"privateKey": b"", "chain": [b""], "name": "", "passphrase": ""}

    assert call("pkcs12", "pkcs12", [contents]) == [Refused("RangeError")]


def test_a_file_has_the_form_that_openssl_3_writes(sample: list[File]) -> None:
    for file in sample:
        pfx = pkcs12.Pfx.load(file.der, strict=True)
        encrypted, plain = pfx.authenticated_safe
        algorithms = [
            encrypted["content"]["encrypted_content_info"]["content_encryption_algorithm"],
            _key_bag(plain)["bag_value"]["encryption_algorithm"],
        ]
        assert [algorithm.kdf_iterations for algorithm in algorithms] == [200_000, 200_000]
        assert {algorithm.kdf_hmac for algorithm in algorithms} == {"sha256"}
        assert {algorithm.encryption_cipher for algorithm in algorithms} == {"aes"}
        assert {algorithm.key_length for algorithm in algorithms} == {32}
        mac = pfx["mac_data"].native
        assert (mac["mac"]["digest_algorithm"]["algorithm"], mac["iterations"]) == ("sha256", 10_000)
        salts = {*(algorithm.kdf_salt for algorithm in algorithms), mac["mac_salt"]}
        assert sorted(map(len, salts)) == [16, 16, 16]


def test_the_key_is_bound_to_its_certificate_and_goes_to_cng(sample: list[File]) -> None:
    for file in sample:
        _, plain = pkcs12.Pfx.load(file.der).authenticated_safe
        attributes = {each["type"].dotted: each["values"][0] for each in _key_bag(plain)["bag_attributes"]}
        provider = core.BMPString.load(attributes[MICROSOFT_CSP_NAME].dump()).native
        assert attributes.keys() == {LOCAL_KEY_ID, FRIENDLY_NAME, MICROSOFT_CSP_NAME}
        assert attributes[FRIENDLY_NAME].native == file.name
        assert attributes[LOCAL_KEY_ID].native == hashlib.sha256(file.chain[0]).digest()
        assert provider == "Microsoft Software Key Storage Provider"


def test_every_file_is_canonical_der(files: list[File]) -> None:
    for file in files:
        pfx = pkcs12.Pfx.load(file.der, strict=True)
        safe = pfx.authenticated_safe
        assert pfx.dump(force=True) == file.der
        assert safe.dump(force=True) == pfx["auth_safe"]["content"].native
        assert pkcs12.SafeContents.load(safe[1]["content"].native).dump(force=True) == safe[1]["content"].native


def _files(keys: list[Made], passphrases: list[str], *rounds: dict[str, int]) -> list[File]:
    """Let the page make a file of each key, under names of all sorts."""
    files = []
    for place, (key, passphrase) in enumerate(zip(keys, passphrases, strict=True)):
        public_key = load_der_private_key(key.private_key, None).public_key()
        assert isinstance(public_key, PublicKey)
        name = f"{NAMES[place % len(NAMES)]} {place}"
        files.append(File(key.private_key, public_key, authority.chain_of(public_key), name, passphrase))
    calls = [
        [{"privateKey": each.der, "chain": each.chain, "name": each.name, "passphrase": each.passphrase}, *rounds]
        for each in files
    ]
    made = call("pkcs12", "pkcs12", *calls)
    return [dataclasses.replace(each, der=der) for each, der in zip(files, made, strict=True)]


def _typed(passphrase: str) -> bytes:
    """Return what a keyboard gives the reader: the composed form."""
    return unicodedata.normalize("NFC", passphrase).encode()


def _flipped(der: bytes, place: int) -> bytes:
    return bytes([*der[:place], der[place] ^ 1 << place % 8, *der[place + 1 :]])


def _opens(der: bytes, file: File) -> bool:
    with warnings.catch_warnings(action="ignore"):  # cryptography warns that it tries BER
        try:
            load_pkcs12(der, _typed(file.passphrase))
        except ValueError:
            return False
    return True


def _assert_cryptography_reads(file: File) -> None:
    found = load_pkcs12(file.der, _typed(file.passphrase))
    assert found.key is not None
    assert found.cert is not None
    assert found.key.public_key() == file.public_key
    assert found.cert.friendly_name == file.name.encode()
    found_chain = [found.cert.certificate, *(each.certificate for each in found.additional_certs)]
    assert [each.public_bytes(Encoding.DER) for each in found_chain] == file.chain


def _assert_read(file: File, read: readers.Reader, folder: Path) -> None:
    folder.mkdir()
    written = folder / "certificate.p12"
    written.write_bytes(file.der)
    found, certificates = read(written, file.name, _typed(file.passphrase).decode(), folder)
    assert found == readers.fingerprint(file.public_key)
    assert certificates == set(file.chain)


def _key_bag(plain: pkcs12.ContentInfo) -> pkcs12.SafeBag:
    [bag] = pkcs12.SafeContents.load(plain["content"].native)
    return bag

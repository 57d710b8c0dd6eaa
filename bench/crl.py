"""CRLs of all sizes: ours from the stored entries, in a fresh process, beside `openssl ca -gencrl`.

A list counts when openssl verifies it and when exactly the revoked serials are on it.
"""

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from cryptography import x509

from bench import openssl_index
from bench.figures import Table, Wanted, left_out, tabulated
from bench.ground import populated
from bench.population import Population
from bench.processes import Run, pinned, program, run
from bench.records import NOTE
from bench.rounds import Asked, Step, interleaved
from ca_server import keyring
from ca_server.config import load
from keys.keystore import save_key
from tests.end_to_end.agency import Agency

_SIZES = (10_000, 100_000, 1_000_000)
_QUICK = (1_000,)
_CORE = 0
_NOTES = (
    NOTE,
    "warifu's s is the publication alone, as a running server does it: records, signature, file",
    "synced and in place, recorded; process s is a fresh process from start to end, for both",
    "openssl's index.txt is in the order of issuance, and serials are random; its list is PEM",
)
_SETTINGS = """\
[ca]
default_ca = crl
[crl]
database = {folder}/index.txt
crlnumber = {folder}/number
certificate = {certificate}
private_key = {folder}/key.pem
default_md = sha256
default_crl_days = 1
unique_subject = no
crl_extensions = extensions
[extensions]
authorityKeyIdentifier = keyid
"""


class WrongList(Exception):
    """A CRL does not verify or does not say what the records say."""


def steps(asked: Asked) -> Iterator[Step]:
    """Yield a step for each size."""
    for size in _QUICK if asked.quick else _SIZES:
        yield f"{size:,}", partial(_of_size, asked, size)


def _of_size(asked: Asked, size: int) -> Table:
    population = Population(size, int(time.time()), share_revoked=1)
    agency = populated(asked.folder / f"crl-{size}", population)
    work = _Work(agency, population)
    notes = list(_NOTES)
    measures = {"warifu": work.ours}
    with left_out(notes):
        work.prepare_openssl()
        measures["openssl"] = work.openssl
    for measure in measures.values():
        measure()
    work.judge()
    wanted = (
        Wanted(f"CRL of {size:,} against openssl ca -gencrl: time", "openssl", "warifu", "s", 20, 40),
        Wanted(f"CRL of {size:,} against openssl ca -gencrl: peak memory", "warifu", "openssl", "peak MiB", 0.8, 0.6),
    )
    claimed = wanted if size == _SIZES[-1] else ()
    return tabulated(
        f"CRL of {size:,}", interleaved(asked.rounds, measures), claimed, notes=notes, drawn=("s", "peak MiB")
    )


class _Work:
    """Two ways to make one CRL."""

    def __init__(self, agency: Agency, population: Population) -> None:
        self._agency = agency
        self._population = population
        self._config = load(agency.config)
        self._folder = agency.scratch / "openssl"
        self._made: list[tuple[Path, str]] = []

    def prepare_openssl(self) -> None:
        """Write what openssl makes its list from. Raises Missing."""
        program("openssl", "openssl")
        self._folder.mkdir(mode=0o700)
        authority = self._config.authority
        signer = keyring.load_signer(
            authority.issuing_certificate, authority.issuing_key, authority.issuing_passphrase_file
        )
        save_key(self._folder / "key.pem", signer.private_key, None)
        as_issued = self._population.drawn(self._population.count)
        openssl_index.write(self._folder / "index.txt", self._population, as_issued)
        (self._folder / "number").write_text("01\n", "ascii")
        settings = _SETTINGS.format(folder=self._folder, certificate=authority.issuing_certificate)
        (self._folder / "ca.cnf").write_text(settings, "utf-8")

    def ours(self) -> Mapping[str, float]:
        """Make ours."""
        made = run([*pinned(_CORE), sys.executable, "-m", "bench.press", str(self._agency.config)])
        return _figures(float(made.output.split()[-1]), made, self._config.server.public_folder / "issuing-1.crl")

    def openssl(self) -> Mapping[str, float]:
        """Make openssl's."""
        out = self._folder / "crl.pem"
        command = ["openssl", "ca", "-gencrl", "-config", str(self._folder / "ca.cnf"), "-out", str(out)]
        made = run([*pinned(_CORE), *command])
        return _figures(made.seconds, made, out)

    def judge(self) -> None:
        """Do nothing when every list that was made is right. Raises WrongList."""
        ours = self._config.server.public_folder / "issuing-1.crl"
        for path, form in ((ours, "DER"), (self._folder / "crl.pem", "PEM")):
            if path.exists():
                self._judge(path, form)

    def _judge(self, path: Path, form: str) -> None:
        issuer = str(self._config.authority.issuing_certificate)
        with contextlib.suppress(FileNotFoundError):  # where openssl is missing our own look has to do
            said = run(["openssl", "crl", "-inform", form, "-in", str(path), "-CAfile", issuer, "-noout", "-verify"])
            if "verify OK" not in said.output:
                raise WrongList(f"{path}: {said.output[-500:]}")
        read = x509.load_der_x509_crl if form == "DER" else x509.load_pem_x509_crl
        listed = {entry.serial_number for entry in read(path.read_bytes())}
        if listed != {self._population.serial(place) for place in range(self._population.count)}:
            raise WrongList(f"{path} has {len(listed)} serials, and not those that were revoked")


def _figures(seconds: float, made: Run, file: Path) -> dict[str, float]:
    return {
        "s": seconds,
        "CPU s": made.cpu,
        "peak MiB": made.peak,
        "process s": made.seconds,
        "file MiB": file.stat().st_size / (1 << 20),
    }

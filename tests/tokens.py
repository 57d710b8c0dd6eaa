"""A token and a TPM in software, for keys that nobody can read: SoftHSM2 and swtpm, each with a folder of its own."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.end_to_end.agency import free_ports

PIN = "482915"
_MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so")


def program(name: str, package: str) -> str:
    """Return the path of a program, or skip the test naming the Debian package that brings it."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        pytest.skip(f"{name} is missing: install the Debian package {package}")
    return path


@contextlib.contextmanager
def quick_folder() -> Iterator[Path]:
    """Make a folder in memory where there is such a place: SoftHSM2 syncs the disk some twenty times for each key."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None, prefix="warifu-test-") as folder:
        yield Path(folder)


@dataclass(frozen=True)
class SoftToken:
    """A token of SoftHSM2 and the file with its PIN."""

    module: Path
    label: str
    pin_file: Path
    configuration: Path

    @classmethod
    def make(cls, folder: Path, label: str = "warifu") -> "SoftToken":
        """Make a token; its configuration counts for this process and those that it starts."""
        initialise = program("softhsm2-util", "softhsm2")
        module = next((Path(each) for each in _MODULES if Path(each).exists()), None)
        if module is None:
            pytest.skip("libsofthsm2.so is missing: install the Debian package softhsm2")
        (folder / "tokens").mkdir(parents=True)
        token = cls(module, label, folder / "pin", folder / "softhsm2.conf")
        token.configuration.write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
        token.pin_file.write_text(f"{PIN}\n")
        os.environ["SOFTHSM2_CONF"] = str(token.configuration)
        words = [initialise, "--init-token", "--free", "--label", label, "--so-pin", PIN, "--pin", PIN]
        subprocess.run(words, check=True, capture_output=True, timeout=30)
        return token

    @property
    def options(self) -> list[str]:
        """Return the words that enrol into the token."""
        named = ["--pkcs11-module", str(self.module), "--pkcs11-token", self.label]
        return ["--store", "pkcs11", *named, "--pkcs11-pin-file", str(self.pin_file)]

    @property
    def place(self) -> str:
        """Return the token's URI."""
        return f"pkcs11:token={self.label}?module-path={self.module}&pin-source=file:{self.pin_file}"


@dataclass(frozen=True)
class SoftTpm:
    """A TPM 2.0 of swtpm on loopback, without a resource manager: it has room for three keys."""

    port: int

    @property
    def tcti(self) -> str:
        """Return the way to it."""
        return f"swtpm:host=127.0.0.1,port={self.port}"

    @property
    def options(self) -> list[str]:
        """Return the words that enrol into the TPM."""
        return ["--store", "tpm", "--tpm-tcti", self.tcti]


@contextlib.contextmanager
def soft_tpm(folder: Path) -> Iterator[SoftTpm]:
    """Run a TPM of its own."""
    setup, serve = program("swtpm_setup", "swtpm-tools"), program("swtpm", "swtpm")
    pytest.importorskip("tpm2_pytss", reason="tpm2-pytss is missing: pip install 'warifu[tpm]' with libtss2-dev")
    folder.mkdir(parents=True)
    state = f"dir={folder}"
    subprocess.run([setup, "--tpm2", "--tpmstate", str(folder)], check=True, capture_output=True, timeout=60)
    port = _free_pair()
    server = f"type=tcp,port={port},bindaddr=127.0.0.1"
    control = f"type=tcp,port={port + 1},bindaddr=127.0.0.1"
    words = [serve, "socket", "--tpm2", "--tpmstate", state, "--server", server, "--ctrl", control]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*words, "--flags", "not-need-init,startup-clear"], stdout=log, stderr=log)
    try:
        _wait_until_ready(process, port)
        yield SoftTpm(port)
    finally:
        process.terminate()
        process.wait(10)


def _free_pair() -> int:
    """Return a port that is free together with the next one, where the TSS looks for the control channel."""
    for _ in range(50):
        (port,) = free_ports(1)
        with contextlib.suppress(OSError):
            with socket.socket() as beside:
                beside.bind(("127.0.0.1", port + 1))
            return port
    raise AssertionError("no two free ports side by side")


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int) -> None:
    """Wait for the control channel; the other one takes a single client, and asking would be one."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "swtpm ended"
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port + 1), 1).close()
            return
        time.sleep(0.02)
    raise AssertionError("swtpm did not answer")

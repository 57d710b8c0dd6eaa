"""A person's browser: Debian's Chromium with a home of its own, trusting the agency's TLS address by its NSS database.

Certificates get into it as they do on Linux desktops: by `pk12util`, from the file that the page handed over.
"""

import contextlib
import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Playwright, sync_playwright

from tests.end_to_end.agency import environment
from tests.end_to_end.judges import program

WIDE, NARROW = (1280, 900), (375, 800)
PATIENCE = 15_000
"""How long to wait for what a page should do, in milliseconds."""
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


class Home:
    """A home folder with the certificates that its browser trusts and shows."""

    def __init__(self, folder: Path, trusted: Path) -> None:
        self.folder = folder
        self.database = folder / ".pki" / "nssdb"
        self.database.mkdir(parents=True)
        self._run("certutil", "-N", "--empty-password")
        self.trust(trusted)

    def trust(self, file: Path) -> None:
        """Trust the certificates in a PEM file as authorities of servers."""
        for pem in _certificates(file):
            name = hashlib.sha256(pem.encode()).hexdigest()
            single = self.folder / f"{name}.pem"
            single.write_text(pem, "ascii")
            self._run("certutil", "-A", "-n", name, "-t", "C,,", "-i", str(single))

    def take_in(self, file: Path, passphrase: str) -> None:
        """Import a PKCS#12 file, as a person does in a dialog."""
        secret = self.folder / "passphrase"
        secret.write_text(passphrase, "utf-8")
        self._run("pk12util", "-i", str(file), "-w", str(secret), "-K", "")

    def _run(self, name: str, *arguments: str) -> None:
        command = [program(name), "-d", f"sql:{self.database}", *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment() | {"LC_ALL": "C.UTF-8"}, timeout=60, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout} {done.stderr}"


class Browsers:
    """Opens browsers, several at a time if need be; Playwright's synchronous half can be started once only."""

    def __init__(self, playwright: Playwright) -> None:
        self._chromium = playwright.chromium
        self._opened: list[BrowserContext] = []

    def start(self, home: Home) -> Browser:
        """Start a browser that keeps nothing, for many people one after another: each context is another person's."""
        return self._chromium.launch(
            executable_path=program("chromium"), headless=True, args=list(_FLAGS), env=_at_home(home)
        )

    def open(self, home: Home, *, locale: str = "ja-JP", size: tuple[int, int] = WIDE, **more: Any) -> BrowserContext:
        """Open the browser of a home; what it keeps is there again the next time."""
        context = self._chromium.launch_persistent_context(
            str(home.folder / "profile"),
            executable_path=program("chromium"),
            headless=True,
            args=list(_FLAGS),
            accept_downloads=True,
            locale=locale,
            viewport={"width": size[0], "height": size[1]},
            env=_at_home(home),
            **more,
        )
        context.set_default_timeout(PATIENCE)
        self._opened.append(context)
        return context

    def close(self) -> None:
        """Close what was opened."""
        for context in self._opened:
            context.close()


@contextlib.contextmanager
def browsers() -> Iterator[Browsers]:
    """Let browsers be opened until the end of the block, which closes them."""
    with sync_playwright() as playwright:
        yield Browsers(playwright)


def _at_home(home: Home) -> dict[str, str | float | bool]:
    return {**environment(), "HOME": str(home.folder), "XDG_CONFIG_HOME": str(home.folder / ".config")}


def _certificates(file: Path) -> list[str]:
    end = "-----END CERTIFICATE-----\n"
    return [part + end for part in file.read_text("ascii").split(end) if part.strip()]

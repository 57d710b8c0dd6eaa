"""A person at the enrolment page: reads, types, presses, and saves the file that the page hands over.

Nothing is asked of the page but what a person sees: which step is shown, and what it says.
"""

import re
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12
from playwright.sync_api import Locator, Page, expect

from tests.end_to_end.agency import Invitation

PASSPHRASE = "To take it in, 7!"


class Person:
    """One person with one page of one browser."""

    def __init__(self, page: Page, invitation: Invitation) -> None:
        self.page = page
        self.invitation = invitation

    def opens(self, language: str | None = None) -> "Person":
        """Open the one-time URL as it stands in the mail."""
        self.page.goto(self.invitation.url + (f"?language={language}" if language else ""))
        return self

    def sees(self, step: str) -> Locator:
        """Wait until that step is shown, and return it."""
        section = self.page.locator(f"main > section#{step}")
        expect(section).to_be_visible()
        return section

    def types_password(self, password: str | None = None, kind: str = "P-256") -> "Person":
        """Type the password of the mail, or another, and go on."""
        self.sees("password")
        if kind != "P-256":
            self.page.locator("#password-form details summary").click()
            self.page.locator(f"input[name=kind][value={kind}]").check()
        self.page.locator("#password-field").fill(self.invitation.password if password is None else password)
        self.page.locator("#password-form button").click()
        return self

    def agrees(self) -> "Person":
        """Say yes to CN and institution."""
        assert self.sees("confirm").locator("dl [data-show=cn]").text_content() == self.invitation.cn
        self.page.locator("#agree").click()
        return self

    def saves(self, file: Path, passphrase: str = PASSPHRASE) -> Path:
        """Choose an import password and save the file."""
        self.sees("save")
        self.page.locator("#passphrase").fill(passphrase)
        self.page.locator("#passphrase-again").fill(passphrase)
        with self.page.expect_download() as download:
            self.page.locator("#passphrase-form button").click()
        assert re.fullmatch(rf"{self.invitation.cn}_\d{{8}}-\d{{4}}\.p12", download.value.suggested_filename)
        download.value.save_as(file)
        self.sees("import")
        return file

    def confirms(self) -> "Person":
        """Say that the import is done."""
        self.page.locator("#imported").click()
        self.sees("done")
        return self

    def enrols(self, file: Path, kind: str = "P-256") -> Path:
        """Go from the URL to the saved file."""
        return self.opens().types_password(kind=kind).agrees().saves(file)

    def is_refused(self) -> str:
        """Wait for a refusal and return what the help desk would be told."""
        self.sees("refused")
        return self.page.locator("#report").text_content() or ""


def assert_is_the_file_of(file: Path, invitation: Invitation, kind: type) -> x509.Certificate:
    """Demand key, certificate and issuer of the seat in a PKCS#12 file, and return the certificate."""
    opened = load_pkcs12(file.read_bytes(), PASSPHRASE.encode())
    assert isinstance(opened.key, kind)
    assert opened.cert is not None
    leaf = opened.cert.certificate
    assert opened.key.public_key() == leaf.public_key()  # type: ignore[attr-defined]
    assert f"CN={invitation.cn}" in leaf.subject.rfc4514_string().split(",")
    assert [each.certificate.subject for each in opened.additional_certs] == [leaf.issuer]
    return leaf

"""Several tabs, several people at one PC, and what is left on its disk: no certificate is lost, no key left behind."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12
from playwright.sync_api import expect

from tests.end_to_end.agency import Agency, Invitation
from tests.end_to_end.browser import Browsers, Home
from tests.end_to_end.person import PASSPHRASE, Person, assert_is_the_file_of
from tests.end_to_end.seat_records import certificates

OTHER_PASSWORD = "7K2QM-V9D4T-XHB06-ENRWS-3CJGA"


def test_two_tabs_of_one_browser_get_one_certificate(agency: Agency, person: Person, tmp_path: Path) -> None:
    other = another_tab(person)
    for act in (Person.opens, Person.types_password, Person.agrees):
        for each in (person, other):
            act(each)
    files = [each.saves(tmp_path / f"{number}.p12") for number, each in enumerate((person, other))]
    leaves = [assert_is_the_file_of(file, person.invitation, ec.EllipticCurvePrivateKey) for file in files]
    assert leaves[0] == leaves[1]
    assert certificates(agency, person.invitation) == 1


def test_a_tab_that_agrees_late_shows_the_certificate_of_the_other(
    agency: Agency, person: Person, tmp_path: Path
) -> None:
    late = another_tab(person)
    for each in (late, person):
        each.opens().types_password().sees("confirm")
    first = person.agrees().saves(tmp_path / "first.p12")
    second = late.agrees()
    late.sees("import")
    late.page.locator("#save-again").click()
    leaves = [
        assert_is_the_file_of(file, person.invitation, ec.EllipticCurvePrivateKey)
        for file in (first, second.saves(tmp_path / "second.p12"))
    ]
    assert leaves[0] == leaves[1]
    assert certificates(agency, person.invitation) == 1


def test_another_kind_of_key_in_a_late_tab_does_not_replace_that_of_a_certificate(
    person: Person, tmp_path: Path
) -> None:
    late = another_tab(person).opens()
    late.sees("password")
    person.opens().types_password().agrees().sees("save")
    late.types_password(kind="RSA-3072")
    assert_is_the_file_of(late.saves(tmp_path / "saved.p12"), person.invitation, ec.EllipticCurvePrivateKey)


def test_no_in_a_late_tab_does_not_delete_a_certificate(person: Person, tmp_path: Path) -> None:
    late = another_tab(person).opens().types_password()
    late.sees("confirm")
    person.opens().types_password().agrees().sees("save")
    late.page.locator("#decline").click()
    assert_is_the_file_of(late.saves(tmp_path / "saved.p12"), person.invitation, ec.EllipticCurvePrivateKey)


def test_a_tab_left_at_the_import_brings_nothing_back_after_another_has_finished(
    person: Person, tmp_path: Path
) -> None:
    person.enrols(tmp_path / "saved.p12")
    late = another_tab(person).opens().types_password()
    late.sees("import")
    person.confirms()
    late.page.locator("#save-again").click()
    late.page.locator("#passphrase").fill(PASSPHRASE)
    late.page.locator("#passphrase-again").fill(PASSPHRASE)
    late.page.locator("#passphrase-form button").click()
    late.sees("done")
    assert kept(person) == [["at", "done"]]


def test_after_all_is_done_the_page_opened_again_says_so(person: Person, tmp_path: Path) -> None:
    person.enrols(tmp_path / "saved.p12")
    person.confirms()
    person.page.reload()
    expect(person.sees("done")).to_contain_text(person.invitation.cn)
    assert kept(person) == [["at", "done"]]


def test_who_opens_the_page_after_somebody_else_gets_nothing_without_the_password(
    person: Person, tmp_path: Path
) -> None:
    person.enrols(tmp_path / "saved.p12")
    stranger = another_tab(person).opens()
    stranger.types_password(OTHER_PASSWORD)
    expect(stranger.page.locator("#password-hint")).to_contain_text("パスワードが違います")
    assert stranger.page.locator("#import").is_hidden()


def test_a_password_mistyped_first_does_not_seal_the_way_for_the_right_one(person: Person, tmp_path: Path) -> None:
    person.opens()
    person.page.context.set_offline(True)
    person.types_password(OTHER_PASSWORD).is_refused()
    person.page.context.set_offline(False)
    again = another_tab(person).opens().types_password()
    assert_is_the_file_of(again.agrees().saves(tmp_path / "saved.p12"), person.invitation, ec.EllipticCurvePrivateKey)


def test_no_private_key_lies_on_the_disk_of_the_browser(
    browsers: Browsers, home: Home, invitation: Invitation, tmp_path: Path
) -> None:
    context = browsers.open(home)
    file = Person(context.pages[0], invitation).enrols(tmp_path / "saved.p12")
    context.close()
    opened = load_pkcs12(file.read_bytes(), PASSPHRASE.encode())
    assert isinstance(opened.key, ec.EllipticCurvePrivateKey)
    numbers = opened.key.private_numbers()
    on_disk = b"".join(path.read_bytes() for path in (home.folder / "profile").rglob("*") if path.is_file())
    assert numbers.public_numbers.x.to_bytes(32) in on_disk, "what is kept is where this test looks: the public key"
    assert numbers.private_value.to_bytes(32) not in on_disk
    assert invitation.password.replace("-", "").encode() not in on_disk


def another_tab(person: Person) -> Person:
    return Person(person.page.context.new_page(), person.invitation)


def kept(person: Person) -> object:
    """Return the names of what the browser keeps of each enrolment."""
    return person.page.evaluate(
        """() => new Promise((resolve, reject) => {
          const opening = indexedDB.open("warifu");
          opening.onerror = () => reject(opening.error);
          opening.onsuccess = () => {
            const all = opening.result.transaction("enrolments").objectStore("enrolments").getAll();
            all.onsuccess = () => {
              opening.result.close();
              resolve(all.result.map((record) => Object.keys(record).sort()));
            };
          };
        })"""
    )

"""One way of enrolling, renewing and deleting for every store, against a server that verifies everything."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from pkcs11 import Attribute, ObjectClass

from client.stores.custody import Custody
from client.stores.disk import make_folder
from client.stores.holder import friendly_name, holder_of
from client.stores.key_slot import KeySlot
from client.stores.pkcs11 import Pkcs11
from tests.client.pc import PROGRAM, Pc, environment
from tests.client.stand_in import BUSY, Credential, Fault, StandIn
from tests.tokens import SoftToken, program

CN = "F123456-001"
STORES = ("files", "nss", "pkcs11", "tpm")
COPYABLE = {"files": True, "nss": True, "pkcs11": False, "tpm": False}


@pytest.fixture
def options(request: pytest.FixtureRequest, quick: Path) -> list[str]:
    """Return the words that choose a store."""
    match request.param:
        case "pkcs11" | "tpm":
            words: list[str] = request.getfixturevalue("token" if request.param == "pkcs11" else "tpm").options
            return words
        case "nss":
            program("certutil", "libnss3-tools")
            return ["--store", "nss", "--nss-database", str(quick / "nssdb")]
    return ["--store", "files"]


def on_the_token(token: SoftToken, folder: Path) -> list[str]:
    """Return the identifiers of the private keys."""
    with Pkcs11(token.place, folder)._session() as session:
        found = session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})
        return sorted(each[Attribute.ID].decode() for each in found)


def separately(pc: Pc, credential: Credential, *options: str) -> "subprocess.CompletedProcess[str]":
    """Enrol in a process of its own."""
    words = [*pc.enrol_words(credential), *options, "--home", str(pc.home), "--json"]
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        input=credential.password,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        env=environment(),
        check=False,
    )


def plain_keys(pc: Pc) -> list[str]:
    """Return the files of the home that hold a private key anybody could use."""
    files = [path for path in pc.home.rglob("*") if path.is_file()]
    return sorted({path.name for path in files if b"BEGIN PRIVATE KEY" in path.read_bytes()})


@pytest.mark.parametrize("options", STORES, indirect=True)
def test_a_certificate_is_got_and_renewed_with_keys_held_in_each_store(
    pc: Pc, server: StandIn, options: list[str]
) -> None:
    store = options[1]
    document = pc.enrol(server.invite(), *options)
    assert (document["holding"], document["copyable"]) == (store, COPYABLE[store])
    assert pc.json("renew", CN, "--force")["certificates"][0]["action"] == "renewed"
    generations = pc.seat().generations()
    assert [each.certificate() for each in generations] == server.issued_for(CN)
    for each in generations:
        assert each.key().public_key() == each.certificate().public_key()
    assert {each["holding"] for each in pc.json("status")["certificates"]} == {store}


@pytest.mark.parametrize("options", STORES, indirect=True)
def test_the_server_is_told_the_store(pc: Pc, server: StandIn, options: list[str]) -> None:
    pc.enrol(server.invite(), *options)
    (account,) = server.accounts.values()
    assert account.device is not None
    assert account.device.store == options[1]


@pytest.mark.parametrize(
    ("options", "files"),
    [("files", ["account.key.pem", "key.pem"]), ("nss", ["account.key.pem"]), ("pkcs11", []), ("tpm", [])],
    indirect=["options"],
)
def test_which_keys_a_thief_of_the_folder_would_have(
    pc: Pc, server: StandIn, options: list[str], files: list[str]
) -> None:
    pc.enrol(server.invite(), *options)
    assert plain_keys(pc) == files


@pytest.mark.parametrize("options", ["nss", "pkcs11"], indirect=True)
def test_old_and_renewed_are_installed_under_names_with_their_dates_and_go_with_the_seat(
    pc: Pc, server: StandIn, options: list[str]
) -> None:
    pc.enrol(server.invite(), *options)
    server.days = 397
    pc.json("renew", CN, "--force")
    custody = pc.seat().record().custody
    found = holder_of(custody, pc.home).found()
    assert {each.name for each in found} == {friendly_name(each) for each in server.issued_for(CN)}
    pc.json("delete", CN, "--yes")
    assert holder_of(custody, pc.home).found() == []
    assert pc.json("status")["certificates"] == []


def test_deleting_a_seat_leaves_no_key_in_the_token(pc: Pc, server: StandIn, token: SoftToken, tmp_path: Path) -> None:
    pc.enrol(server.invite(), *token.options)
    assert len(on_the_token(token, tmp_path)) == 2
    pc.json("delete", CN, "--yes")
    assert on_the_token(token, tmp_path) == []


@pytest.mark.parametrize("options", STORES, indirect=True)
def test_an_interrupted_enrolment_goes_on_with_its_keys_whatever_the_options_say(
    pc: Pc, server: StandIn, options: list[str]
) -> None:
    credential = server.invite()
    server.faults["newOrder"].append(Fault(BUSY))
    pc.enrol(credential, *options, "--wait", "0", code=3)
    (pending,) = pc.store.pending()
    keys = pending.account_key().public_key(), pending.generations()[0].key().public_key()
    assert pc.enrol(credential, "--store", "files")["holding"] == options[1]
    live = pc.seat().live()
    assert live is not None
    assert (pc.seat().account_key().public_key(), live.key().public_key()) == keys


def test_keys_for_a_url_that_is_dead_are_deleted_from_the_token(
    pc: Pc, server: StandIn, token: SoftToken, tmp_path: Path
) -> None:
    credential = server.invite()
    credential.reason = "used"
    pc.enrol(credential, *token.options, code=4)
    assert on_the_token(token, tmp_path) == []


def test_a_refused_renewal_leaves_no_key_in_the_token(
    pc: Pc, server: StandIn, token: SoftToken, tmp_path: Path
) -> None:
    pc.enrol(server.invite(), *token.options)
    server.replaced.add(server._certificate_id(server.issued_for(CN)[0]))
    pc.json("renew", CN, "--force", code=4)
    assert len(on_the_token(token, tmp_path)) == 2


def test_an_account_that_has_ended_gets_another_key_in_its_place(
    pc: Pc, server: StandIn, token: SoftToken, tmp_path: Path
) -> None:
    credential = server.invite()
    server.faults["newOrder"].append(Fault(BUSY))
    pc.enrol(credential, *token.options, "--wait", "0", code=3)
    server.end_accounts()
    pc.enrol(credential)
    assert len(server.accounts) == 2
    assert len(on_the_token(token, tmp_path)) == 2


def test_an_account_key_whose_renewal_was_killed_is_made_when_it_is_needed(
    pc: Pc, server: StandIn, token: SoftToken, tmp_path: Path
) -> None:
    credential = server.invite()
    server.faults["newOrder"].append(Fault(BUSY))
    pc.enrol(credential, *token.options, "--wait", "0", code=3)
    server.end_accounts()
    (pending,) = pc.store.pending()
    slot = pending.account_slot
    slot.delete()  # the token, and the note as it was just before the new key was made
    note = pending.path / "account.key.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"reference": None}))
    pc.enrol(credential)
    assert len(on_the_token(token, tmp_path)) == 2


@pytest.mark.parametrize("former", ["files", "pkcs11"])
def test_a_mailed_renewal_may_change_the_store_and_deletes_the_former_account_key(
    pc: Pc, server: StandIn, token: SoftToken, tmp_path: Path, former: str
) -> None:
    words = {"files": ["--store", "files"], "pkcs11": token.options}
    (latter,) = words.keys() - {former}
    pc.enrol(server.invite(), *words[former])
    pc.enrol(server.invite(renewal=True), *words[latter])
    assert [each["holding"] for each in pc.json("status")["certificates"]] == [former, latter]
    assert pc.json("show")["certificates"][1]["account_holding"] == latter
    assert [path.suffix for path in pc.seat().path.glob("account.key*")] == [
        {"files": ".pem", "pkcs11": ".json"}[latter]
    ]
    assert len(on_the_token(token, tmp_path)) == {"files": 2, "pkcs11": 1}[former]
    assert pc.json("renew", CN, "--force")["certificates"][0]["action"] == "renewed"


def test_a_seat_in_a_token_that_is_away_is_gone_at_once_and_its_keys_when_it_is_back(
    pc: Pc, server: StandIn, token: SoftToken, tmp_path: Path
) -> None:
    pc.enrol(server.invite(), *token.options)
    notes = {path: path.read_text() for path in pc.home.rglob("*key.json")}
    for path, text in notes.items():
        path.write_text(text.replace("token=warifu", "token=elsewhere"))
    assert pc.json("delete", CN, "--yes", code=5)["error"]["type"] == "noToken"
    assert pc.json("status")["certificates"] == []
    pc.enrol(server.invite("F123456-002"), "--store", "files")  # nobody else is held up
    for path in pc.home.rglob("*key.json"):
        path.write_text(path.read_text().replace("token=elsewhere", "token=warifu"))
    pc.json("renew", "F123456-002")
    assert on_the_token(token, tmp_path) == []
    assert list(pc.home.glob(".warifu-deleted-*")) == []


def test_a_wrong_pin_is_tried_once_and_nothing_is_bound(
    pc: Pc, server: StandIn, token: SoftToken, tmp_path: Path
) -> None:
    (tmp_path / "pin").write_text("000000")
    wrong = replace(token, pin_file=tmp_path / "pin")
    done = separately(pc, server.invite(), *wrong.options)  # this process is logged in
    assert (done.returncode, json.loads(done.stdout)["error"]["type"]) == (5, "wrongPin")
    assert "newAccount" not in server.steps
    assert pc.store.pending() == []


def test_the_pin_stands_in_no_file_of_ours_and_no_output(pc: Pc, server: StandIn, token: SoftToken) -> None:
    credential = server.invite()
    output = pc.run(*pc.enrol_words(credential), *token.options, stdin=credential.password).output
    pin = token.pin_file.read_text().strip()
    assert pin not in output
    assert all(pin not in path.read_text("utf-8", "replace") for path in pc.home.rglob("*") if path.is_file())


@pytest.mark.parametrize("options", ["pkcs11", "tpm"], indirect=True)
def test_the_library_of_a_token_does_not_disturb_the_connection(pc: Pc, server: StandIn, options: list[str]) -> None:
    credential = server.invite()
    server.faults["newOrder"].append(Fault(BUSY))
    pc.enrol(credential, *options, "--wait", "0", code=3)
    done = separately(pc, credential)  # it opens the token between two requests
    assert done.returncode == 0
    assert "cannot be reached" not in done.stderr


@pytest.mark.parametrize("options", ["pkcs11", "tpm"], indirect=True)
def test_a_key_that_cannot_leave_is_not_promised_as_pkcs12(
    pc: Pc, server: StandIn, options: list[str], tmp_path: Path
) -> None:
    (tmp_path / "passphrase").write_text("secret")
    words = ("--p12", str(tmp_path / "x.p12"), "--p12-passphrase-file", str(tmp_path / "passphrase"))
    assert pc.enrol(server.invite(), *options, *words, code=2)["error"]["type"] == "notExportable"
    assert server.steps == []


@pytest.mark.parametrize("options", ["nss"], indirect=True)
def test_a_key_in_a_browsers_database_can_be_written_as_pkcs12(
    pc: Pc, server: StandIn, options: list[str], tmp_path: Path
) -> None:
    (tmp_path / "passphrase").write_text("secret")
    words = ("--p12", str(tmp_path / "x.p12"), "--p12-passphrase-file", str(tmp_path / "passphrase"))
    pc.enrol(server.invite(), *options, *words)
    assert (tmp_path / "x.p12").exists()


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("--store", "pkcs11"), "--pkcs11-module"),
        (("--store", "pkcs11", "--pkcs11-module", __file__), "--pkcs11-token"),
        (("--store", "pkcs11", "--pkcs11-token", "pkcs11:token=x?pin-value=1234"), "--pkcs11-token"),
        (("--store", "pkcs11", "--pkcs11-token", "pkcs11:token=x;object=y?module-path=/m"), "--pkcs11-token"),
        (("--store", "bogus"), "--store"),
    ],
)
def test_a_store_that_is_not_told_whole_is_a_usage_error(
    pc: Pc, server: StandIn, words: tuple[str, ...], field: str
) -> None:
    error = pc.enrol(server.invite(), *words, code=2)["error"]
    assert list(error["fields"]) == [field]
    assert server.steps == []


def test_a_token_may_be_named_by_its_uri(pc: Pc, server: StandIn, token: SoftToken) -> None:
    pc.enrol(server.invite(), "--store", "pkcs11", "--pkcs11-token", token.place)
    assert pc.seat().record().custody == Custody("pkcs11", token.place)


@pytest.mark.parametrize(("language", "words"), [("en", "never gives it out"), ("ja", "取り出せません")])
def test_status_and_show_say_how_keys_are_held(
    pc: Pc, server: StandIn, token: SoftToken, language: str, words: str
) -> None:
    pc.enrol(server.invite(), *token.options)
    for command in ("status", "show"):
        assert words in pc.run(command, "--lang", language).stdout
    assert "pkcs11:token=warifu;id=warifu-" in pc.run("show").stdout


def test_a_home_of_an_older_version_is_understood(pc: Pc, server: StandIn) -> None:
    pc.enrol(server.invite())
    path = pc.seat().path / "account.json"
    members = json.loads(path.read_text())
    del members["store"], members["place"]
    path.write_text(json.dumps(members))
    assert pc.json("renew", CN, "--force")["certificates"][0]["holding"] == "files"


def test_files_loads_nothing_of_the_other_stores(tmp_path: Path) -> None:
    program_text = (
        "import sys; from pathlib import Path; from client.stores.custody import Custody;"
        "from client.stores.key_slot import KeySlot; KeySlot(Path(sys.argv[1]), 'key').make(Custody());"
        "print(sorted({'pkcs11', 'tpm2_pytss', 'client.stores.nss', 'client.stores.windows'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program_text, str(tmp_path)], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout == "[]\n"


def test_a_key_of_an_enrolment_that_nobody_goes_on_with_is_deleted_at_the_next_lock(
    pc: Pc, token: SoftToken, tmp_path: Path
) -> None:
    folder = pc.home / "pending" / "0123"
    make_folder(folder)
    slot = KeySlot(folder, "account.key")
    slot.make(Custody("pkcs11", token.place))
    note = folder / "account.key.json"  # as it was when the key was made and its reference not yet written
    note.write_text(json.dumps(json.loads(note.read_text()) | {"reference": None}))
    assert len(on_the_token(token, tmp_path)) == 1
    pc.json("renew")
    assert on_the_token(token, tmp_path) == []
    assert not folder.exists()

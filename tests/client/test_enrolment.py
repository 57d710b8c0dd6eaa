"""Enrolment through the command, against a server that verifies everything (protocol.md, Enrolment)."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12

from tests.client.pc import Pc
from tests.client.stand_in import AFTER, BUSY, DROPPED, Fault, StandIn

CN = "F123456-001"


def assert_holds_its_certificate(pc: Pc, cn: str = CN) -> None:
    live = pc.seat(cn).live()
    assert live is not None
    assert live.certificate() == pc.server.issued_for(cn)[-1]
    assert live.key().public_key() == live.certificate().public_key()
    assert [each.subject for each in live.chain()] == [pc.server.issuer.certificate.subject]


def test_url_and_password_become_a_certificate(pc: Pc, server: StandIn) -> None:
    document = pc.enrol(server.invite())
    assert document["action"] == "enrolled"
    assert document["cn"] == CN
    assert document["institution"] == "みどり銀行"
    assert document["serial"] == f"{server.issued_for(CN)[0].serial_number:x}"
    assert_holds_its_certificate(pc)


def test_the_server_learns_which_pc_it_is(pc: Pc, server: StandIn) -> None:
    pc.enrol(server.invite())
    (account,) = server.accounts.values()
    assert account.device is not None
    assert account.device.store == "files"
    assert account.device.agent.startswith("warifu/")


def test_only_the_owner_may_read_what_is_kept(pc: Pc, server: StandIn) -> None:
    pc.enrol(server.invite())
    kept = [pc.home, *pc.home.rglob("*")]
    modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in kept if not path.is_symlink()}
    assert modes == {(True, 0o700), (False, 0o600)}


def test_neither_half_of_the_credential_is_kept_or_shown(pc: Pc, server: StandIn) -> None:
    credential = server.invite()
    words = pc.enrol_words(credential)
    output = pc.run(*words, stdin=credential.password).output
    kept = [path.read_text("utf-8", "replace") for path in pc.home.rglob("*") if path.is_file()]
    for text in (output, *kept, *(path.name for path in pc.home.rglob("*"))):
        assert credential.kid not in text
        assert credential.password not in text


def test_both_keys_are_on_disk_before_new_account_is_sent(pc: Pc, server: StandIn) -> None:
    credential = server.invite()
    server.faults["newAccount"].append(Fault(BUSY))
    pc.enrol(credential, "--wait", "0", code=3)
    (pending,) = pc.store.pending()
    keys = pending.account_key().public_key(), pending.generations()[0].key().public_key()
    pc.enrol(credential)
    live = pc.seat().live()
    assert live is not None
    assert (pc.seat().account_key().public_key(), live.key().public_key()) == keys


def test_enrolling_again_with_the_same_url_does_nothing_and_needs_no_server(pc: Pc, server: StandIn) -> None:
    credential = server.invite()
    pc.enrol(credential)
    steps = list(server.steps)
    assert pc.enrol(credential)["action"] == "nothing"
    assert server.steps == steps


@pytest.mark.parametrize("step", ["invitation", "directory", "newAccount", "newOrder", "finalize", "certificate"])
def test_an_answer_lost_on_the_way_costs_nothing(pc: Pc, server: StandIn, step: str) -> None:
    server.faults[step].append(Fault(DROPPED))
    pc.enrol(server.invite())
    assert_holds_its_certificate(pc)
    assert len(server.issued_for(CN)) == 1


def test_an_account_whose_answer_was_lost_is_found_again_without_the_password(pc: Pc, server: StandIn) -> None:
    credential = server.invite()
    server.faults["newAccount"].append(Fault(AFTER))
    process = pc.start(credential)
    assert server.reached.wait(20)
    process.kill()
    process.communicate()
    trust = ("--ca-file", str(server.ca_file))
    assert pc.json("enroll", server.url(credential), "--yes", *trust)["action"] == "enrolled"
    assert len(server.accounts) == 1


def test_a_slow_authority_is_waited_for(pc: Pc, server: StandIn) -> None:
    server.looks_until_valid = 2
    pc.enrol(server.invite())
    assert server.steps.count("order") == 2


def test_an_authority_slower_than_patience_is_tried_later_and_then_gone_on_with(pc: Pc, server: StandIn) -> None:
    credential = server.invite()
    server.looks_until_valid = 2
    assert pc.enrol(credential, "--wait", "0", code=3)["error"]["type"] == "processing"
    pc.enrol(credential)
    assert len(server.issued_for(CN)) == 1


def test_a_typing_error_costs_no_request(pc: Pc, server: StandIn) -> None:
    credential = server.invite()
    last = "0" if credential.password[-1] != "0" else "1"
    error = pc.enrol(credential, code=2, password=credential.password[:-1] + last)["error"]
    assert error["type"] == "badPassword"
    assert server.steps == []


def test_a_wrong_password_is_refused_and_the_right_one_taken_afterwards(pc: Pc, server: StandIn) -> None:
    credential, other = server.invite(), server.invite("F123456-002")
    error = pc.enrol(credential, code=4, password=other.password)["error"]
    assert error["type"] == "wrongPassword"
    assert "locked: 9." in error["detail"]
    pc.enrol(credential)
    assert_holds_its_certificate(pc)


@pytest.mark.parametrize("reason", ["locked", "expired", "used", "replaced"])
def test_each_refusal_says_what_to_do_and_whom_to_call(pc: Pc, server: StandIn, reason: str) -> None:
    credential = server.invite()
    credential.reason = reason
    error = pc.enrol(credential, code=4)["error"]
    assert error["type"] == reason
    assert "help desk" in error["detail"]


@pytest.mark.parametrize(("reason", "kept"), [("locked", 1), ("expired", 0), ("used", 0), ("replaced", 0)])
def test_keys_for_a_url_that_is_dead_for_good_are_thrown_away(pc: Pc, server: StandIn, reason: str, kept: int) -> None:
    credential = server.invite()
    credential.reason = reason
    pc.enrol(credential, code=4)
    assert len(pc.store.pending()) == kept


def test_an_unknown_url_is_refused(pc: Pc, server: StandIn) -> None:
    credential = server.invite()
    del server.credentials[credential.kid]
    assert pc.enrol(credential, code=4)["error"]["type"] == "unauthorized"
    assert pc.store.pending() == []


def test_no_at_the_question_leaves_nothing_here_and_the_url_usable(pc: Pc, server: StandIn, tmp_path: Path) -> None:
    credential = server.invite()
    (tmp_path / "password").write_text(credential.password)
    words = ["enroll", server.url(credential), "--ca-file", str(server.ca_file)]
    words += ["--password-file", str(tmp_path / "password")]
    result = pc.run(*words, stdin="n\n")
    assert result.exit_code == 1
    assert "みどり銀行" in result.stderr
    assert (pc.store.pending(), server.orders) == ([], {})
    other = Pc(tmp_path / "other", server)
    other.enrol(credential)
    assert_holds_its_certificate(other)


def test_yes_at_the_question_installs(pc: Pc, server: StandIn, tmp_path: Path) -> None:
    credential = server.invite()
    (tmp_path / "password").write_text(f"  {credential.password.lower()}\n")
    words = ["enroll", server.url(credential), "--ca-file", str(server.ca_file)]
    assert pc.run(*words, "--password-file", str(tmp_path / "password"), stdin="y\n").exit_code == 0
    assert_holds_its_certificate(pc)


def test_nobody_to_answer_is_a_usage_error_that_does_not_install(pc: Pc, server: StandIn, tmp_path: Path) -> None:
    credential = server.invite()
    (tmp_path / "password").write_text(credential.password)
    words = ["enroll", server.url(credential), "--ca-file", str(server.ca_file)]
    words += ["--password-file", str(tmp_path / "password")]
    assert pc.json(*words, code=2)["error"]["type"] == "noAnswer"
    assert pc.json(*words, "--yes")["action"] == "enrolled"


def test_a_revoked_account_gets_one_new_key(pc: Pc, server: StandIn) -> None:
    credential = server.invite()
    server.faults["newOrder"].append(Fault(BUSY))
    pc.enrol(credential, "--wait", "0", code=3)
    server.end_accounts()
    pc.enrol(credential)
    assert_holds_its_certificate(pc)
    assert len(server.accounts) == 2


def test_an_account_revoked_again_needs_a_person(pc: Pc, server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = server._shown

    def shown_and_ended(*arguments: object) -> object:
        answer = shown(*arguments)  # type: ignore[arg-type]
        server.end_accounts()
        return answer

    monkeypatch.setattr(server, "_shown", shown_and_ended)
    assert pc.enrol(server.invite(), code=5)["error"]["type"] == "accountEnded"
    assert server.steps.count("newAccount") == 2


def test_a_url_that_another_pc_took_over_and_used_is_told_so(pc: Pc, server: StandIn, tmp_path: Path) -> None:
    credential = server.invite()
    server.faults["newOrder"].append(Fault(BUSY))
    pc.enrol(credential, "--wait", "0", code=3)
    Pc(tmp_path / "other", server).enrol(credential)
    assert pc.enrol(credential, code=4)["error"]["type"] == "used"
    assert pc.store.pending() == []


def test_a_mailed_renewal_joins_the_line_and_keeps_the_old_certificate(pc: Pc, server: StandIn) -> None:
    pc.enrol(server.invite())
    old = pc.seat().live()
    pc.enrol(server.invite(renewal=True))
    assert_holds_its_certificate(pc)
    assert [each.path.name for each in pc.seat().generations()] == ["0001", "0002"]
    assert old is not None
    assert old.certificate() == server.issued_for(CN)[0]
    assert pc.seat().record().account == list(server.accounts.values())[-1].url


def test_an_answer_about_another_url_is_not_believed(pc: Pc, server: StandIn) -> None:
    server.reflected_kid = server.invite().kid
    assert pc.enrol(server.invite(), code=1)["error"]["type"] == "badInvitation"
    assert "newAccount" not in server.steps


def test_a_certificate_with_another_key_is_not_installed(
    pc: Pc, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = server.issuer.key.public_key()
    sign = type(server.issuer).client
    monkeypatch.setattr(type(server.issuer), "client", lambda self, cn, _, days, *__: sign(self, cn, foreign, days))
    assert pc.enrol(server.invite(), code=1)["error"]["type"] == "foreignCertificate"
    assert pc.store.seats() == []


def test_a_certificate_for_another_seat_is_not_installed(
    pc: Pc, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign = type(server.issuer).client
    monkeypatch.setattr(
        type(server.issuer), "client", lambda self, _, key, days, *__: sign(self, "F654321-001", key, days)
    )
    assert pc.enrol(server.invite(), code=1)["error"]["type"] == "foreignCertificate"


def test_a_pkcs12_file_holds_key_certificate_and_chain(pc: Pc, server: StandIn, tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("合言葉 1\n", "utf-8")
    target = tmp_path / "client.p12"
    words = ("--p12", str(target), "--p12-passphrase-file", str(tmp_path / "passphrase"))
    assert pc.enrol(server.invite(), *words)["p12"] == str(target)
    key, certificate, chain = pkcs12.load_key_and_certificates(target.read_bytes(), "合言葉 1".encode())
    assert key is not None
    assert certificate == server.issued_for(CN)[0]
    assert key.public_key() == certificate.public_key()
    assert len(chain) == 1
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_pkcs12_file_that_exists_is_refused_before_anything_is_sent(pc: Pc, server: StandIn, tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("secret")
    words = ("--p12", str(tmp_path / "passphrase"), "--p12-passphrase-file", str(tmp_path / "passphrase"))
    assert pc.enrol(server.invite(), *words, code=2)["error"]["type"] == "badExport"
    assert server.steps == []


def test_a_url_pasted_through_a_word_processor_is_understood(pc: Pc, server: StandIn) -> None:
    credential = server.invite()
    url = server.url(credential)
    pasted = f"\u200b<{url[:-10]} \n{url[-10:].lower()}>"
    trust = ("--ca-file", str(server.ca_file))
    assert pc.json("enroll", pasted, "--password-stdin", "--yes", *trust, stdin=credential.password)["cn"] == CN

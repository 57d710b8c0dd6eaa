"""Programs around a renewal: when they run, what they learn, and which are refused."""

import os
import time
from pathlib import Path

import pytest

from client import hooks
from client.errors import ClientError
from client.hooks import DEPLOY, POST, PRE, Hooks, find_hooks
from client.renewal_memory import Memory, recall, remember
from tests.client.pc import Pc
from tests.client.stand_in import StandIn, soon

CN = "F123456-001"


@pytest.fixture
def enrolled(pc: Pc, server: StandIn) -> Pc:
    pc.enrol(server.invite())
    server.steps.clear()
    return pc


def put(folder: Path, stage: str, name: str, script: str, mode: int = 0o700) -> Path:
    path = folder / stage / name
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(mode)
    return path


def noting(pc: Pc, stage: str, name: str = "note", code: int = 0) -> None:
    """Put a hook in place that writes down what it learns."""
    learnt = "env | grep ^WARIFU_ | grep -v ^WARIFU_NO_SKIPS | sort"  # that one is told to these tests
    put(pc.home / "hooks", stage, name, f'{{ {learnt}; echo; }} >> "{pc.home}/seen"; exit {code}')


def seen(pc: Pc) -> list[dict[str, str]]:
    """Return what each hook that ran learnt, in the order of their runs."""
    path = pc.home / "seen"
    blocks = path.read_text().strip().split("\n\n") if path.exists() else []
    return [dict(line.partition("=")[::2] for line in block.splitlines()) for block in blocks]


def stages(pc: Pc) -> list[str]:
    return [each["WARIFU_STAGE"] for each in seen(pc)]


def test_pre_runs_once_deploy_for_each_certificate_and_post_at_the_end(enrolled: Pc, server: StandIn) -> None:
    enrolled.enrol(server.invite("F123456-002"))
    for stage in (PRE, DEPLOY, POST):
        noting(enrolled, stage)
    assert enrolled.json("renew")["hooks"] == [
        {"stage": stage, "name": "note", "exit_code": 0} for stage in (PRE, DEPLOY, DEPLOY, POST)
    ]
    pre, first, second, post = seen(enrolled)
    assert pre["WARIFU_CN"] == post["WARIFU_CN"] == post["WARIFU_RENEWED"] == f"{CN} F123456-002"
    assert (first["WARIFU_CN"], second["WARIFU_CN"]) == (CN, "F123456-002")
    assert (post["WARIFU_OUTCOME"], post["WARIFU_FAILED"]) == ("renewed", "")


def test_a_deploy_hook_learns_where_the_new_certificate_is(enrolled: Pc, server: StandIn) -> None:
    noting(enrolled, DEPLOY)
    document = enrolled.json("renew")["certificates"][0]
    (learnt,) = seen(enrolled)
    live = enrolled.seat().live()
    assert live is not None
    assert learnt == {
        "WARIFU_STAGE": "deploy",
        "WARIFU_HOME": str(enrolled.home),
        "WARIFU_CN": CN,
        "WARIFU_CERTIFICATE": str(live.path / "cert.pem"),
        "WARIFU_CHAIN": str(live.path / "chain.pem"),
        "WARIFU_KEY": str(live.path / "key.pem"),
        "WARIFU_STORE": "files",
        "WARIFU_NOT_AFTER": document["not_after"],
    }
    assert all(Path(learnt[f"WARIFU_{name}"]).exists() for name in ("CERTIFICATE", "CHAIN", "KEY"))


def test_nothing_due_runs_no_hook(enrolled: Pc, server: StandIn) -> None:
    server.window = soon(days=5)
    for stage in (PRE, DEPLOY, POST):
        noting(enrolled, stage)
    enrolled.json("renew")
    assert seen(enrolled) == []


def test_a_dry_run_runs_no_hook(enrolled: Pc, server: StandIn) -> None:
    noting(enrolled, PRE)
    enrolled.json("renew", "--dry-run")
    assert seen(enrolled) == []


def test_a_failing_pre_hook_stops_the_run_before_the_order(enrolled: Pc, server: StandIn) -> None:
    noting(enrolled, PRE, code=7)
    noting(enrolled, PRE, "second")
    noting(enrolled, POST)
    assert enrolled.json("renew", CN, code=1)["error"]["type"] == "hookFailed"
    assert stages(enrolled) == [PRE]
    assert "newOrder" not in server.steps
    noting(enrolled, PRE)
    assert enrolled.json("renew", CN)["certificates"][0]["action"] == "renewed"


@pytest.mark.parametrize("stage", [DEPLOY, POST])
def test_a_later_hook_that_fails_undoes_nothing_and_is_told(enrolled: Pc, server: StandIn, stage: str) -> None:
    noting(enrolled, stage, code=7)
    result = enrolled.run("renew")
    assert result.exit_code == 1
    assert f"The hook {stage}/note failed" in result.stderr
    live = enrolled.seat().live()
    assert live is not None
    assert live.certificate() == server.issued_for(CN)[-1]
    assert f"hook={stage}/note:7 exit=1" in (enrolled.home / "log").read_text()


def test_post_hooks_learn_of_a_failure(enrolled: Pc, server: StandIn) -> None:
    noting(enrolled, POST)
    server.end_accounts()
    enrolled.json("renew", code=5)
    (learnt,) = seen(enrolled)
    assert (learnt["WARIFU_OUTCOME"], learnt["WARIFU_FAILED"], learnt["WARIFU_RENEWED"]) == ("failed", CN, "")


def test_what_a_hook_says_is_in_the_log(enrolled: Pc, server: StandIn) -> None:
    put(enrolled.home / "hooks", DEPLOY, "loud", "echo reloaded; echo 'not well' >&2; printf '\\033[31m'")
    enrolled.json("renew")
    log = (enrolled.home / "log").read_text()
    assert "    deploy/loud: reloaded\n    deploy/loud: not well\n" in log
    assert "\033" not in log


def test_hooks_of_the_command_line_run_after_those_of_the_folder(enrolled: Pc, server: StandIn) -> None:
    noting(enrolled, DEPLOY)
    command = f"sh -c 'echo WARIFU_STAGE=mine >> {enrolled.home}/seen'"
    enrolled.json("renew", "--deploy-hook", command)
    assert stages(enrolled) == [DEPLOY, "mine"]


def test_a_deploy_hook_that_a_kill_prevented_runs_at_the_next_run(enrolled: Pc, server: StandIn) -> None:
    enrolled.json("renew")
    live = enrolled.seat().live()
    assert live is not None
    memory = recall(enrolled.seat(), "any")
    assert memory.deploy is None
    remember(enrolled.seat(), Memory("any", deploy=live.path.name))
    server.window = soon(days=5)
    noting(enrolled, DEPLOY)
    enrolled.json("renew")
    enrolled.json("renew")
    assert stages(enrolled) == [DEPLOY]


def test_an_editors_copy_is_no_hook(tmp_path: Path) -> None:
    for name in ("a~", ".hidden", "b.bak", "c.sample"):
        put(tmp_path, PRE, name, "exit 1")
    assert find_hooks(tmp_path, {}).stages[PRE] == []


def test_a_hook_that_is_not_executable_is_told_before_anything_is_asked(enrolled: Pc, server: StandIn) -> None:
    put(enrolled.home / "hooks", POST, "forgotten", "exit 0", 0o600)
    assert enrolled.json("renew", code=1)["error"]["type"] == "unusableHook"
    assert server.steps == []
    assert (enrolled.home / "log").read_text().endswith(" renew unusableHook exit=1\n")


def test_a_command_that_is_not_there_is_told_before_anything_is_asked(enrolled: Pc, server: StandIn) -> None:
    error = enrolled.json("renew", "--post-hook", "/nowhere/program --x", code=2)["error"]
    assert (error["type"], list(error["fields"])) == ("unusableHook", ["--post-hook"])
    assert server.steps == []


@pytest.mark.parametrize("mode", [0o720, 0o702])
@pytest.mark.parametrize("what", [".", "pre", "pre/mine"])
def test_what_others_may_write_is_not_run(tmp_path: Path, what: str, mode: int) -> None:
    put(tmp_path / "hooks", PRE, "mine", "exit 0")
    (tmp_path / "hooks").chmod(0o700)
    assert len(find_hooks(tmp_path / "hooks", {}).stages[PRE]) == 1
    (tmp_path / "hooks" / what).chmod(mode)
    with pytest.raises(ClientError) as caught:
        find_hooks(tmp_path / "hooks", {})
    assert caught.value.type == "unsafeHook"


def test_a_file_of_another_user_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path, PRE, "theirs", "exit 0")
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(ClientError):
        find_hooks(tmp_path, {})


def test_a_hook_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    put(tmp_path, PRE, "slow", f"(sleep 0.7; touch {tmp_path}/late) & echo begun; wait; sleep 60")
    before = time.monotonic()
    (ran,) = Hooks(find_hooks(tmp_path, {}).stages, limit_seconds=0.3).run(PRE, {})
    assert time.monotonic() - before < 5
    assert (ran.code, ran.failed, ran.output) == (None, True, "begun\n")
    time.sleep(0.7)
    assert not (tmp_path / "late").exists()


def test_a_hook_that_leaves_something_running_does_not_hold_us_up(tmp_path: Path) -> None:
    put(tmp_path, PRE, "daemon", 'sleep 20 & echo $! > "$PIDS"')
    before = time.monotonic()
    pids = tmp_path / "pids"
    (ran,) = find_hooks(tmp_path, {}).run(PRE, {"PIDS": str(pids)})
    os.kill(int(pids.read_text()), 9)
    assert time.monotonic() - before < 5
    assert ran.code == 0


def test_only_the_end_of_long_output_is_kept(tmp_path: Path) -> None:
    put(tmp_path, PRE, "chatty", "yes | head -c 100000; echo end")
    (ran,) = find_hooks(tmp_path, {}).run(PRE, {})
    assert len(ran.output) == hooks.MOST_OUTPUT
    assert ran.output.endswith("end\n")


def test_the_configuration_may_name_another_folder(enrolled: Pc, server: StandIn, tmp_path: Path) -> None:
    put(tmp_path / "mine", DEPLOY, "touching", f"touch {tmp_path}/touched")
    (tmp_path / "mine").chmod(0o700)
    (tmp_path / "config.toml").write_text('hooks = "mine"\n')
    enrolled.json("renew", "--config", str(tmp_path / "config.toml"))
    assert (tmp_path / "touched").exists()


def test_a_folder_above_that_others_may_write_is_not_trusted(tmp_path: Path) -> None:
    put(tmp_path / "open" / "hooks", PRE, "mine", "exit 0")
    (tmp_path / "open" / "hooks").chmod(0o700)
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(ClientError) as caught:
        find_hooks(tmp_path / "open" / "hooks", {})
    assert (caught.value.type, caught.value.facts["other"]) == ("unsafeHook", tmp_path / "open")


def test_a_sticky_folder_will_do_above_what_is_ours(tmp_path: Path) -> None:
    put(tmp_path / "open" / "hooks", PRE, "mine", "exit 0")
    (tmp_path / "open").chmod(0o1777)
    assert len(find_hooks(tmp_path / "open" / "hooks", {}).stages[PRE]) == 1


def test_where_a_link_leads_counts(tmp_path: Path) -> None:
    target = put(tmp_path, "elsewhere", "program", "exit 0")
    (tmp_path / "hooks" / PRE).mkdir(parents=True)
    (tmp_path / "hooks" / PRE / "link").symlink_to(target)
    (hook,) = find_hooks(tmp_path / "hooks", {}).stages[PRE]
    assert hook.command == (str(target),)
    target.parent.chmod(0o777)
    with pytest.raises(ClientError):
        find_hooks(tmp_path / "hooks", {})


def test_what_others_may_write_only_since_it_was_found_is_not_run(tmp_path: Path) -> None:
    path = put(tmp_path, PRE, "mine", f"touch {tmp_path}/ran")
    found = find_hooks(tmp_path, {})
    path.chmod(0o777)
    (ran,) = found.run(PRE, {})
    assert ran.failed
    assert "others" in ran.output
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("text", ['hooks = "mine"', '[pkcs11]\nmodule = "/lib/evil.so"'])
def test_a_configuration_that_others_may_write_names_no_program(pc: Pc, tmp_path: Path, text: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text(text)
    pc.json("status", "--config", str(config))
    config.chmod(0o666)
    assert pc.json("status", "--config", str(config), code=2)["error"]["type"] == "unsafeConfig"
    config.write_text('language = "en"')
    pc.json("status", "--config", str(config))


def test_a_deploy_hook_that_fails_is_owed_at_the_next_three_runs(enrolled: Pc, server: StandIn) -> None:
    noting(enrolled, DEPLOY, code=7)
    enrolled.json("renew", code=1)
    server.window = soon(days=5)
    for code in (1, 1, 1, 0):
        enrolled.json("renew", code=code)
    assert stages(enrolled) == [DEPLOY] * 4


def test_a_deploy_hook_that_succeeds_in_the_end_is_owed_no_longer(enrolled: Pc, server: StandIn) -> None:
    noting(enrolled, DEPLOY, code=7)
    enrolled.json("renew", code=1)
    server.window = soon(days=5)
    noting(enrolled, DEPLOY)
    enrolled.json("renew")
    enrolled.json("renew")
    assert stages(enrolled) == [DEPLOY] * 2

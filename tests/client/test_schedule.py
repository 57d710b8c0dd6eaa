"""The daily renewal on each platform: what is written, byte for byte, and that it can be set up, shown and removed."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PureWindowsPath

import pytest
from click.testing import Result

from client.errors import ClientError
from client.schedule import carrying_out, launchd, systemd, windows_task
from client.schedule.administrators import require_administrators
from client.schedule.plan import Job, Plan
from client.schedule.platform import plan_for
from client.stores.custody import Custody
from tests.client.pc import ENGLISH, Pc
from tests.client.stand_in import StandIn
from tests.client.stand_ins import put_on_path, remembered

GOLDEN = Path(__file__).parent / "schedules"
LINUX = Job(
    ('/opt/割符 "本番"/bin/warifu', "renew", "--quiet", "--home", "/home/山田 太郎/100% \\$HOME 'x'"), system=False
)
WINDOWS = Job(
    (
        "C:\\Program Files\\割符 & Co\\pythonw.exe",
        *("-P", "-m", "client", "renew", "--quiet", "--home", 'C:\\Users\\山田 太郎\\"a" <b>\\'),
    ),
    system=False,
)
PERSON = "みどり\\yamada"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the platforms' programs on PATH; what they were started with is in the folder returned."""
    folder = put_on_path(tmp_path / "programs", "systemctl", "schtasks", "launchctl")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return folder.parent / "state"


def plan_of(platform: str, tmp_path: Path) -> Plan:
    environment = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config"), "USERNAME": "yamada"}
    return plan_for(platform, LINUX, tmp_path / "home", environment)


def test_the_systemd_units_are_these() -> None:
    files = systemd.plan(LINUX, GOLDEN).files
    assert {path.name for path in files} == {"warifu-renew.service", "warifu-renew.timer"}
    for path, content in files.items():
        assert content == path.read_bytes(), path.name


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing: install the Debian package systemd")
    for job in (LINUX, Job(("/bin/true", "renew"), system=True)):
        for path, content in systemd.plan(job, tmp_path).files.items():
            path.write_bytes(content)
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(tmp_path / "warifu-renew.timer")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("system", "name"), [(False, "renew-task.xml"), (True, "renew-task-system.xml")])
def test_the_windows_task_is_this(system: bool, name: str) -> None:
    (content,) = windows_task.plan(Job(WINDOWS.command, system), GOLDEN, PERSON).files.values()
    assert content == (GOLDEN / name).read_bytes()


def test_the_launchd_property_list_is_this() -> None:
    ((path, content),) = launchd.plan(LINUX, GOLDEN, 501).files.items()
    assert content == path.read_bytes()


@pytest.mark.parametrize(
    ("platform", "system", "commands"),
    [
        (
            "linux",
            False,
            ["systemctl --user daemon-reload", "systemctl --user enable --now warifu-renew.timer"],
        ),
        ("linux", True, ["systemctl daemon-reload", "systemctl enable --now warifu-renew.timer"]),
        ("win32", False, ["schtasks /Create /TN Warifu\\Renew /XML HOME/renew-task.xml /F"]),
        ("darwin", True, ["launchctl bootstrap system /Library/LaunchDaemons/warifu.renew.plist"]),
    ],
)
def test_the_platform_is_told_by_these_commands(platform: str, system: bool, commands: list[str]) -> None:
    plan = plan_for(platform, Job(("warifu",), system), Path("HOME"), {"HOME": "/home/x"})
    assert [" ".join(each) for each in plan.install] == commands


def test_a_platform_without_a_schedule_is_refused() -> None:
    with pytest.raises(ClientError) as caught:
        plan_for("sunos5", LINUX, Path("HOME"), {})
    assert caught.value.type == "noSchedule"


@pytest.mark.parametrize("platform", ["linux", "win32", "darwin"])
def test_a_schedule_is_set_up_brought_up_to_date_shown_and_removed(
    tmp_path: Path, programs: Path, platform: str
) -> None:
    plan = plan_of(platform, tmp_path)
    assert not carrying_out.installed(plan)
    carrying_out.install(plan)
    carrying_out.install(plan)
    assert carrying_out.shown(plan).strip()
    assert all(path.read_bytes() == content for path, content in plan.files.items())
    assert carrying_out.remove(plan)
    assert not any(path.exists() for path in plan.files)
    assert not carrying_out.remove(plan)
    assert [path.name for path in programs.iterdir()] == ["arguments"]


@pytest.mark.parametrize("platform", ["linux", "win32", "darwin"])
def test_what_the_platform_has_lost_is_removed_all_the_same_and_told(
    tmp_path: Path, programs: Path, platform: str
) -> None:
    plan = plan_of(platform, tmp_path)
    carrying_out.install(plan)
    for path in programs.iterdir():
        path.unlink()
    with pytest.raises(ClientError):
        carrying_out.remove(plan)
    assert not carrying_out.installed(plan)


def test_a_platform_that_refuses_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    plan = plan_of("darwin", tmp_path)
    with pytest.raises(ClientError) as caught:
        carrying_out.install(plan)
    assert caught.value.type == "scheduleFailed"
    assert not carrying_out.installed(plan)


def test_the_command_sets_up_a_timer_that_renews_this_home(pc: Pc, programs: Path, tmp_path: Path) -> None:
    environment = {**ENGLISH, "XDG_CONFIG_HOME": str(tmp_path / "config")}
    result = pc.run("schedule", "install", environment=environment)
    assert result.exit_code == 0, result.output
    assert "enable-linger" in result.stderr
    unit = (tmp_path / "config" / "systemd" / "user" / "warifu-renew.service").read_text()
    assert f'"renew" "--quiet" "--home" "{pc.home}"\n' in unit
    shown = pc.run("schedule", "show", environment=environment)
    assert "warifu-renew.timer" in shown.stdout
    assert pc.run("schedule", "remove", environment=environment).exit_code == 0
    assert "no daily renewal" in pc.run("schedule", "show", environment=environment).stdout
    assert [words[0] for words in remembered(programs)] == ["systemctl"] * 4


def test_what_is_scheduled_runs(pc: Pc, server: StandIn, tmp_path: Path) -> None:
    pc.enrol(server.invite())
    program = carrying_out.find_program(["/elsewhere/pytest"], sys.executable)
    done = subprocess.run(
        [*program, "renew", "--quiet", "--random-delay", "0.01", "--home", str(pc.home)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("F123456-001: renewed")


def test_the_program_is_the_command_itself_where_it_was_started_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "warifu").touch()
    assert carrying_out.find_program([str(tmp_path / "warifu"), "schedule"], "python") == (str(tmp_path / "warifu"),)


def test_windows_is_started_without_a_window(tmp_path: Path) -> None:
    (tmp_path / "pythonw.exe").touch()
    program = carrying_out.find_program(["warifu.exe"], str(tmp_path / "python.exe"))
    assert program == (str(tmp_path / "pythonw.exe"), "-P", "-m", "client")


@pytest.fixture
def scheduling(pc: Pc, programs: Path, tmp_path: Path) -> Callable[..., Result]:
    """Return what runs a command of `schedule` with the stand-ins of the platforms' programs."""

    def run(*words: str, home: Path | None = None) -> Result:
        environment = {**ENGLISH, "XDG_CONFIG_HOME": str(tmp_path / "config")}
        return Pc(home or pc.home, pc.server).run("schedule", *words, environment=environment)

    return run


def test_a_home_without_certificates_is_warned_of(scheduling: Callable[..., Result]) -> None:
    result = scheduling("install")
    assert result.exit_code == 0
    assert "warifu enroll" in result.stderr


def test_a_home_with_a_certificate_is_not_warned_of(pc: Pc, server: StandIn, scheduling: Callable[..., Result]) -> None:
    pc.enrol(server.invite())
    assert "Warning" not in scheduling("install").stderr


def test_a_seat_whose_pin_nobody_types_is_warned_of(pc: Pc, server: StandIn, scheduling: Callable[..., Result]) -> None:
    pc.enrol(server.invite())
    custody = Custody("pkcs11", "pkcs11:token=warifu?module-path=/usr/lib/token.so")
    pc.seat().write(replace(pc.seat().record(), custody=custody))
    result = scheduling("install")
    assert result.exit_code == 0
    assert "PIN" in result.stderr


def test_the_home_that_is_replaced_is_named(scheduling: Callable[..., Result], tmp_path: Path) -> None:
    scheduling("install", home=tmp_path / '割符 "a" %h $x')
    result = scheduling("install")
    told = "".join(result.stderr.split())
    assert f'insteadof{tmp_path}/割符"a"%h$x.' in told
    assert "instead of" not in scheduling("install").stderr


def test_show_names_the_home(pc: Pc, scheduling: Callable[..., Result]) -> None:
    scheduling("install")
    assert str(pc.home) in scheduling("show").stdout
    assert json.loads(scheduling("show", "--json").stdout)["home"] == str(pc.home)


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_the_command_of_a_schedule_can_be_read_again(tmp_path: Path, programs: Path, platform: str) -> None:
    plan = plan_of(platform, tmp_path)
    carrying_out.install(plan)
    assert carrying_out.command_of(plan)[: len(LINUX.command)] == list(LINUX.command)


@pytest.mark.parametrize("platform", ["linux", "win32", "darwin"])
def test_a_path_with_control_characters_is_refused(platform: str) -> None:
    with pytest.raises(ClientError) as caught:
        plan_for(platform, Job(("/opt/a\nExecStartPre=evil", "renew"), system=False), Path("HOME"), {"HOME": "/home/x"})
    assert caught.value.type == "unusablePath"


def test_a_program_whose_path_has_a_dollar_is_started_by_env() -> None:
    assert systemd.exec_start(("/opt/$x/warifu", "renew")) == '"/usr/bin/env" "/opt/$$x/warifu" "renew"'


def test_without_a_user_bus_the_way_out_is_told(
    scheduling: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "systemctl").write_text(
        "#!/bin/sh\nprintf 'Failed to connect to bus:\\nNo medium found\\n' >&2; exit 1\n"
    )
    (folder / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    error = json.loads(scheduling("install", "--json").stdout)["error"]
    assert error["type"] == "noUserBus"
    assert all(word in error["detail"] for word in ("--system", "enable-linger", "cron"))


def test_a_failure_is_told_on_one_line(tmp_path: Path) -> None:
    with pytest.raises(ClientError) as caught:
        carrying_out._run(("sh", "-c", "printf 'a\\nb\\n' >&2; exit 1"))
    assert "a b" in str(caught.value)


def test_for_the_machine_all_must_be_the_administrators(tmp_path: Path) -> None:
    ours = tmp_path / "ours"
    (ours / "home").mkdir(parents=True)
    require_administrators({ours / "home": "--home"}, {os.geteuid()}, "linux", {})
    with pytest.raises(ClientError) as caught:
        require_administrators({ours / "home" / "later": "--home"}, {os.geteuid() + 1}, "linux", {})
    assert caught.value.type == "unsafeSchedule"
    (ours).chmod(0o777)
    with pytest.raises(ClientError) as caught:
        require_administrators({ours / "home": "--home"}, {os.geteuid()}, "linux", {})
    assert caught.value.facts["other"] == ours


def test_on_windows_all_must_lie_where_programs_do() -> None:
    environment = {"ProgramFiles": "C:\\Program Files", "SystemRoot": "C:\\Windows"}
    require_administrators({PureWindowsPath("c:\\program files\\warifu"): "--home"}, {0}, "win32", environment)
    with pytest.raises(ClientError):
        require_administrators({PureWindowsPath("C:\\Users\\yamada"): "--home"}, {0}, "win32", environment)
    with pytest.raises(ClientError):
        require_administrators({PureWindowsPath("C:\\Windows\\..\\Users\\x"): "--home"}, {0}, "win32", environment)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_the_schedule_of_the_machine_refuses_the_home_of_a_user(
    pc: Pc, scheduling: Callable[..., Result], tmp_path: Path
) -> None:
    pc.home.mkdir()
    os.chown(pc.home, 12345, 12345)
    result = scheduling("install", "--system", "--json")
    assert result.exit_code == 1
    error = json.loads(result.stdout)["error"]
    assert error["type"] == "unsafeSchedule"
    assert not Path("/etc/systemd/system/warifu-renew.service").exists()


def test_a_property_list_that_somebody_broke_is_replaced(tmp_path: Path, programs: Path) -> None:
    plan = plan_of("darwin", tmp_path)
    carrying_out.install(plan)
    for path in plan.files:
        path.write_bytes(b"<?xml version='1.0'?><plist><dict>")
    assert carrying_out.command_of(plan) == []

"""The daily renewal on each platform: what is written, byte for byte, and that it can be set up, shown and removed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from client.errors import ClientError
from client.schedule import carrying_out, launchd, systemd, windows_task
from client.schedule.plan import Job, Plan
from client.schedule.platform import plan_for
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

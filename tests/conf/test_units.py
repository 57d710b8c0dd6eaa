"""The files of conf/ that other programs read, judged by these programs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tokens import program

CONF = Path(__file__).parents[2] / "conf"
UNITS = sorted((CONF / "systemd").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
WORST_EXPOSURE = 1.5


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, for where this installation has its commands."""
    here = Path(sys.executable).parent
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text("utf-8").replace("/opt/warifu/bin", str(here)), "utf-8")
    return tmp_path


def test_systemd_has_nothing_to_say_of_the_units(units: Path) -> None:
    command = [program("systemd-analyze", "systemd"), "verify", "--man=no", *map(str, units.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_a_unit_leaves_little_that_it_could_harm(units: Path, service: Path) -> None:
    judge = [program("systemd-analyze", "systemd"), "security", "--offline=true", str(units / service.name)]
    done = subprocess.run(judge, capture_output=True, text=True, timeout=60, check=True)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+) ", done.stdout)
    assert found is not None
    assert float(found[1]) <= WORST_EXPOSURE


def test_every_timer_has_its_service() -> None:
    timers = {unit.stem for unit in UNITS if unit.suffix == ".timer"}
    assert timers
    assert timers <= {service.stem for service in SERVICES}


def test_promtool_accepts_rules_and_configuration() -> None:
    judge = program("promtool", "prometheus")
    for arguments in (("check", "rules", "warifu.rules.yml"), ("check", "config", "prometheus.yml")):
        done = subprocess.run(
            [judge, *arguments], cwd=CONF / "prometheus", capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

"""What holds for all tests: in CI nothing is skipped, for a skipped test has shown nothing. PostgreSQL runs once."""

import logging
import os
from collections.abc import Generator, Iterator

import hypothesis
import pytest

from tests.ca_server import databases

# How long making a value takes says how busy the machine is, and nothing of what is tested.
hypothesis.settings.register_profile("busy", suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("busy")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failed one where WARIFU_NO_SKIPS is set."""
    report = yield
    if report.skipped and os.environ.get("WARIFU_NO_SKIPS") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"A test was skipped, and here none may be: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def the_log() -> Iterator[None]:
    """Leave the log as it was: `serve` and its like, called in this process, set up one for theirs."""
    root, levels = (
        logging.getLogger(),
        {name: logging.getLogger(name).level for name in ("", "ca_server", "warifu.access")},
    )
    handlers = list(root.handlers)
    yield
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    if root.handlers != handlers:
        root.handlers[:] = [*(each for each in handlers if each not in root.handlers), *root.handlers]
        for each in [each for each in root.handlers if each not in handlers]:
            root.removeHandler(each)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Have one worker more than cores, for tests wait for the processes that they start."""
    return len(os.sched_getaffinity(0)) + 1


def pytest_configure(config: pytest.Config) -> None:
    """Name the one place of the run's PostgreSQL, which whoever asks first begins there."""
    if not hasattr(config, "workerinput"):
        os.environ[databases.PLACE] = databases.a_place()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out of a run on PostgreSQL what is about SQLite alone: it would show nothing, and nothing is skipped."""
    if databases.is_postgresql():
        config.hook.pytest_deselected(items=[each for each in items if each.get_closest_marker("only_sqlite")])
        items[:] = [each for each in items if not each.get_closest_marker("only_sqlite")]


def pytest_unconfigure(config: pytest.Config) -> None:
    """End it with the run."""
    if not hasattr(config, "workerinput"):
        databases.stop_cluster()

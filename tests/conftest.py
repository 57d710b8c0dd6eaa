"""What holds for all tests: in CI nothing is skipped, for a skipped test has shown nothing. PostgreSQL runs once."""

import os
from collections.abc import Generator

import pytest

from tests.ca_server import databases


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failed one where WARIFU_NO_SKIPS is set."""
    report = yield
    if report.skipped and os.environ.get("WARIFU_NO_SKIPS") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"A test was skipped, and here none may be: {report.longrepr}"
    return report


def pytest_configure(config: pytest.Config) -> None:
    """Name the one place of the run's PostgreSQL, which whoever asks first begins there."""
    if not hasattr(config, "workerinput"):
        os.environ[databases.PLACE] = databases.a_place()


def pytest_unconfigure(config: pytest.Config) -> None:
    """End it with the run."""
    if not hasattr(config, "workerinput"):
        databases.stop_cluster()

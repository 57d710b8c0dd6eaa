"""What holds for all tests: in CI nothing is skipped, for a skipped test has shown nothing."""

import os
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failed one where WARIFU_NO_SKIPS is set."""
    report = yield
    if report.skipped and os.environ.get("WARIFU_NO_SKIPS") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"A test was skipped, and here none may be: {report.longrepr}"
    return report

"""A month's post at once: how long the reading of many forms takes, and how much memory."""

import subprocess
import sys
from pathlib import Path

import pytest

from ca_server.domain.applications import Kind
from tests.ca_server.forms.workbooks import WHO, filled, packed, parts

COUNT = 100
READ = """
import datetime, re, sys, time
from pathlib import Path
from ca_server.domain.calendar import Calendar
from ca_server.domain.forms import Rules
from ca_server.forms.reading import read_workbook
rules, named, before = Rules(Calendar(), datetime.date(2026, 12, 1)), 0, time.perf_counter()
for file in Path(sys.argv[1]).iterdir():
    named += len({item.cn for item in read_workbook(file.read_bytes(), rules).items})
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(named, time.perf_counter() - before, int(peak[1]) // 1000)
"""


@pytest.mark.slow
def test_a_hundred_forms_of_ten_sheets_are_read_within_20_seconds_and_200_megabytes(tmp_path: Path) -> None:
    first = {**WHO, "cn": "F123456-001", "reason": "パソコンを廃棄"}
    rest = [{"cn": f"F123456-{number:03d}", "reason": "パソコンの故障"} for number in range(2, 11)]
    files = parts(filled(Kind.REVOCATION, [first, *rest]))
    for number in range(COUNT):
        code = f"F{number:06d}".encode()
        other = {name: text.replace(b"F123456", code) for name, text in files.items()}
        (tmp_path / f"{number}.xlsx").write_bytes(packed(other))
    ran = subprocess.run([sys.executable, "-c", READ, tmp_path], capture_output=True, text=True, check=True)
    named, seconds, megabytes = ran.stdout.split()
    assert int(named) == 10 * COUNT
    assert float(seconds) < 20, "it takes some 3"
    assert int(megabytes) < 200

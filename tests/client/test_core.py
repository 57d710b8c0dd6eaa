"""No picture of the memory, which may hold keys and PINs, is left when the command crashes."""

import subprocess
import sys

import pytest

from tests.client.pc import environment

PROGRAM = """
import resource
from client.cli import main
resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
try:
    main(["config", "path"])
except SystemExit:
    print(resource.getrlimit(resource.RLIMIT_CORE))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_crash_leaves_no_core() -> None:
    import resource

    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if hard == 0:
        pytest.skip("no process may leave a core here")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=30, check=True, env=environment()
    )
    assert done.stdout.splitlines()[-1] == str((0, hard))

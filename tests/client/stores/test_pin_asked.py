"""The PIN asked for at the terminal, when no file has it."""

import subprocess
import sys

from tests.client.pc import PROGRAM, Pc
from tests.client.stand_in import StandIn
from tests.client.test_terminal import TERMINAL, read_until
from tests.tokens import PIN, SoftToken


def test_the_pin_is_asked_for_once_and_stays_hidden(pc: Pc, server: StandIn, token: SoftToken) -> None:
    credential = server.invite()
    (pc.home.parent / "password").write_text(credential.password)
    words = ["enroll", server.url(credential), "--ca-file", str(server.ca_file), "--home", str(pc.home), "--lang", "en"]
    words += ["--password-file", str(pc.home.parent / "password"), "--yes", *token.options[:-2]]
    process = subprocess.Popen(
        [sys.executable, "-c", TERMINAL, sys.executable, "-c", PROGRAM, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    seen = read_until(process, b"PIN of the token warifu")
    process.stdin.write(PIN.encode() + b"\n")
    process.stdin.flush()
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0, rest
    assert b"PIN" not in rest
    assert PIN.encode() not in seen + rest
    assert len(server.issued_for("F123456-001")) == 1

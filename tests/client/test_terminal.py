"""The command at a terminal: a hidden password, a typing error, a question."""

import subprocess
import sys

from tests.client.pc import PROGRAM, Pc
from tests.client.stand_in import StandIn

TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


def read_until(process: "subprocess.Popen[bytes]", text: bytes) -> bytes:
    assert process.stdout is not None
    seen = b""
    while text not in seen:
        octet = process.stdout.read(1)
        assert octet, seen
        seen += octet
    return seen


def test_password_and_question_are_asked_at_the_terminal_and_the_password_stays_hidden(pc: Pc, server: StandIn) -> None:
    credential = server.invite()
    words = ["enroll", server.url(credential), "--ca-file", str(server.ca_file), "--home", str(pc.home), "--lang", "en"]
    process = subprocess.Popen(
        [sys.executable, "-c", TERMINAL, sys.executable, "-c", PROGRAM, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    answers = (
        (b"Password", "mistyped"),
        (b"Password", credential.password),
        (b"[yes/no]", "maybe"),
        (b"[yes/no]", "はい"),
    )
    seen = b""
    for prompt, answer in answers:
        seen += read_until(process, prompt)
        process.stdin.write(answer.encode() + b"\n")
        process.stdin.flush()
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    seen += rest
    assert b"no attempt was used" in seen
    assert "みどり銀行".encode() in seen
    assert credential.password.encode() not in seen
    assert b"`warifu schedule install`" in seen
    assert pc.seat().live() is not None

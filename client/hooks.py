"""Programs of the PC's owner that run around a renewal, as certbot has them: `pre`, `deploy`, `post`.

    HOOKS/pre/*       once, before the first order, and only if something is due; a failure stops the run
    HOOKS/deploy/*    once for each certificate that was renewed
    HOOKS/post/*      once, after any attempt, whatever came of it

HOOKS is `hooks` in the home, or what the configuration says. Its files run by their names; then what the command line
gives. All are looked at before anything is asked of a server: each must be executable, and nobody but this user (or
root) may write the file or a folder above it, because what stands there runs with the rights of the keys' owner. They
are looked at again just before they run, and what runs is the file that links led to.

What they learn, they learn from the environment (docs/client.md has the table); no secret is in it. A hook that runs
for longer than the limit is ended, with what it started.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from client.errors import ClientError, Misuse
from client.language import sentence
from client.ownership import open_to_others, ours

PRE, DEPLOY, POST = "pre", "deploy", "post"
STAGES: Final = (PRE, DEPLOY, POST)

LIMIT_SECONDS: Final = 300.0
"""How long one hook may run: a reload takes seconds, and one that hangs must not keep the next renewal away."""

MOST_OUTPUT: Final = 10_000
"""How many octets of a hook's output, the last ones, are kept for the log."""

_WINDOWS_PROGRAMS = (".exe", ".bat", ".cmd", ".ps1")


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of one hook; `code` is its exit code, None when it was ended or could not be started."""

    stage: str
    name: str
    code: int | None
    output: str

    @property
    def failed(self) -> bool:
        """Tell whether it went wrong."""
        return self.code != 0


@dataclass(frozen=True, slots=True)
class Hook:
    """One program: what it is called in the log, the words that start it, and its file if that is to be ours alone."""

    name: str
    command: tuple[str, ...]
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class Hooks:
    """The hooks of each stage, in the order in which they run."""

    stages: Mapping[str, Sequence[Hook]]
    limit_seconds: float = LIMIT_SECONDS

    def run(self, stage: str, environment: Mapping[str, str]) -> list[Ran]:
        """Run the hooks of a stage, the others too when one fails, but none after a failed `pre`."""
        done: list[Ran] = []
        for hook in self.stages[stage]:
            done.append(self._run(stage, hook, environment))
            if stage == PRE and done[-1].failed:
                break
        return done

    def _run(self, stage: str, hook: Hook, environment: Mapping[str, str]) -> Ran:
        try:
            if hook.file is not None:
                _require_ours_alone(hook.file)
        except ClientError as error:
            return Ran(stage, hook.name, None, str(error))
        # A file, not a pipe: what the hook leaves running in the background would keep a pipe open.
        with tempfile.TemporaryFile() as output:
            try:
                code = _ended(hook.command, {"WARIFU_STAGE": stage, **environment}, output, self.limit_seconds)
            except OSError as error:
                return Ran(stage, hook.name, None, str(error))
            output.seek(max(0, output.seek(0, os.SEEK_END) - MOST_OUTPUT))
            return Ran(stage, hook.name, code, output.read().decode("utf-8", "replace"))


def find_hooks(folder: Path, given: Mapping[str, str | None]) -> Hooks:
    """Return the hooks of a folder, and after them those that the command line gives for some stages.

    Raises Misuse for a command that is not there, ClientError for a file that must not or cannot be run.
    """
    stages: dict[str, list[Hook]] = {}
    for stage in STAGES:
        files = sorted((folder / stage).iterdir()) if (folder / stage).is_dir() else []
        hooks = [_of_file(each) for each in files if _counts(each)]
        command = given.get(stage)
        stages[stage] = hooks if command is None else [*hooks, _of_option(stage, command)]
    return Hooks(stages)


def _counts(path: Path) -> bool:
    """Tell whether a file is meant, rather than hidden or an editor's copy."""
    return path.is_file() and not path.name.startswith(".") and not path.name.endswith(("~", ".bak", ".sample"))


def _of_file(path: Path) -> Hook:
    _require_ours_alone(path)
    if not _is_executable(path):
        raise ClientError(
            "unusableHook",
            sentence("The hook {path} is not executable."),
            sentence("Make it so (chmod u+x), or take it away."),
            facts={"path": path},
        )
    return Hook(path.name, _starting(path.resolve()), path)


def _require_ours_alone(path: Path) -> None:
    other = open_to_others(path, ours())
    if other is not None:
        raise ClientError(
            "unsafeHook",
            sentence("The hook {path} is not run: others than you may write {other}."),
            sentence("Make it yours alone (chown, chmod go-w), or take the hook away."),
            facts={"path": path, "other": other},
        )


def _of_option(stage: str, command: str) -> Hook:
    words = _words(command)
    program = shutil.which(words[0]) if words else None
    if program is None:
        raise Misuse(
            "unusableHook",
            sentence("The program of --{stage}-hook is not there: {command}"),
            facts={"stage": stage, "command": command},
            fields={f"--{stage}-hook": command},
        )
    return Hook(Path(program).name, (program, *words[1:]))


def _words(command: str) -> list[str]:
    """Return the words of a command line; no shell takes part, `sh -c '…'` is there for whoever wants one."""
    if os.name == "nt":  # backslashes are part of its paths
        return [word.strip('"') for word in shlex.split(command, posix=False)]
    try:
        return shlex.split(command)
    except ValueError:  # a quotation that does not end
        return []


def _is_executable(path: Path) -> bool:
    return path.suffix.lower() in _WINDOWS_PROGRAMS if os.name == "nt" else os.access(path, os.X_OK)


def _starting(path: Path) -> tuple[str, ...]:
    if path.suffix.lower() == ".ps1":
        return ("powershell", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "RemoteSigned", "-File", str(path))
    return (str(path),)


def _ended(command: Sequence[str], environment: Mapping[str, str], output: IO[bytes], seconds: float) -> int | None:
    """Run a program in a process group of its own and return its exit code, None when the time was up."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env={**os.environ, **environment},
        start_new_session=True,
    )
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            _kill(process)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    if sys.platform == "win32":
        process.kill()
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()

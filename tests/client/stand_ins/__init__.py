"""Programs of Windows and macOS, as far as the client uses them, played by Python with real keys and certificates.

They know the syntax of the real ones, make and use keys of their own, and refuse what those refuse. What they are taken
from is documentation and source, not a running Windows or macOS: they prove the client's side only.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def put_on_path(folder: Path, *programs: str) -> Path:
    """Write programs, called by the modules of this package that play them, into a folder; return the folder.

    What they remember is in `state` beside it, their arguments in `state/arguments`.
    """
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    (folder / "state").mkdir(exist_ok=True)
    for program in programs:
        module = program.partition(".")[0]
        path = folder / "bin" / program
        path.write_text(
            f"#!{sys.executable} -I\n"
            "import sys\n"
            f"sys.path.insert(0, {str(ROOT)!r})\n"
            f"from pathlib import Path\nfrom tests.client.stand_ins import remember\n"
            f"from tests.client.stand_ins.{module} import main\n"
            f"state = Path({str(folder / 'state')!r})\nremember(state, sys.argv)\n"
            "sys.exit(main(state, sys.argv[1:]))\n"
        )
        path.chmod(0o755)
    return folder / "bin"


def remember(state: Path, argv: list[str]) -> None:
    """Write down what a program was started with, as every other program of the PC can see it."""
    with (state / "arguments").open("a") as file:
        file.write(json.dumps([Path(argv[0]).name, *argv[1:]]) + "\n")


def remembered(state: Path) -> list[list[str]]:
    """Return what the programs were started with."""
    path = state / "arguments"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

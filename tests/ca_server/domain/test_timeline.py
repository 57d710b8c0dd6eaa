"""The words of the audit log: people read them in their own language."""

import ast
from collections.abc import Iterator
from pathlib import Path

import ca_server
from ca_server.domain.timeline import ACTIONS

SOURCE = Path(ca_server.__file__).parent


def recorded() -> Iterator[tuple[str, str]]:
    """Yield each action that the program names where it writes an entry, and where."""
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "audit.record" and len(node.args) > 3:
                action = node.args[3]
                if isinstance(action, ast.Constant):
                    yield str(action.value), f"{path.name}:{node.lineno}"


def test_each_action_that_is_recorded_has_its_words() -> None:
    found = dict(recorded())
    assert len(found) > 30
    assert {action: place for action, place in found.items() if action not in ACTIONS} == {}

"""The tails that make code ugly: long files, long functions, wide classes, drawers for everything."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path
    for folder in ("keys", "protocol", "client", "ca_server", "tests", "bench")
    for path in (ROOT / folder).rglob("*.py")
)
SCRIPTS = sorted((ROOT / "ca_server" / "web" / "static").rglob("*.js"))
FORBIDDEN = {
    "manager", "service", "helper", "helpers", "util", "utils", "base", "common", "data", "info", "impl", "misc",
    "application", "user", "core", "lib", "models", "types", "constants",
}  # fmt: skip


_Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def _measured() -> tuple[dict[str, int], dict[str, int]]:
    """Return how many lines each function and how many public methods each class has; no tree is kept."""
    functions, classes = {}, {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, _Function):
                functions[f"{_named(path)}:{node.lineno} {node.name}"] = _lines_of(node)
            elif isinstance(node, ast.ClassDef):
                classes[f"{_named(path)}:{node.lineno} {node.name}"] = _public_methods(node)
    return functions, classes


def _lines_of(function: _Function) -> int:
    """Count a function's lines without its docstring."""
    first = function.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = (first.end_lineno or 0) - first.lineno + 1 if is_docstring else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def _public_methods(node: ast.ClassDef) -> int:
    methods = [each for each in node.body if isinstance(each, _Function)]
    return sum(not method.name.startswith("_") for method in methods)


def _named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_a_file_has_no_long_tail() -> None:
    lines = {_named(path): path.read_text("utf-8").count("\n") for path in FILES}
    assert {name: count for name, count in lines.items() if count > 400} == {}


def test_a_function_has_no_long_tail() -> None:
    functions, _ = _measured()
    assert len(functions) > 1_000
    assert {name: lines for name, lines in functions.items() if lines > 50} == {}


def test_a_script_of_the_pages_has_no_long_tail() -> None:
    lines = {_named(path): path.read_text("utf-8").splitlines() for path in SCRIPTS}
    assert {name: len(found) for name, found in lines.items() if len(found) > 300} == {}
    assert [f"{name}: {line}" for name, found in lines.items() for line in found if len(line) > 120] == []


def test_a_class_has_at_most_ten_public_methods() -> None:
    _, classes = _measured()
    assert {name: count for name, count in classes.items() if count > 10 and not name.startswith("tests/")} == {}


def test_no_file_is_a_drawer_for_everything() -> None:
    commands = {"ca_server/cli/application.py"}  # the command `warifu-ca application` of the contract for scripts
    drawers = {_named(path) for path in [*FILES, *SCRIPTS] if path.stem in FORBIDDEN}
    assert drawers - commands == set()

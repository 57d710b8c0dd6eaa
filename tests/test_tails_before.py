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


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count a function's lines without its docstring."""
    first = function.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = (first.end_lineno or 0) - first.lineno + 1 if is_docstring else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def _public_methods(node: ast.ClassDef) -> int:
    methods = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    return sum(not method.name.startswith("_") for method in methods)


def _named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_a_file_has_no_long_tail() -> None:
    lines = {_named(path): path.read_text("utf-8").count("\n") for path in FILES}
    assert {name: count for name, count in lines.items() if count > 400} == {}


def test_a_function_has_no_long_tail() -> None:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    functions = [(path, node) for path in FILES for node in ast.walk(_tree(path)) if isinstance(node, kinds)]
    assert len(functions) > 1_000
    assert [f"{_named(path)}: {node.name}" for path, node in functions if _lines_of(node) > 50] == []


def test_a_script_of_the_pages_has_no_long_tail() -> None:
    lines = {_named(path): path.read_text("utf-8").splitlines() for path in SCRIPTS}
    assert {name: len(found) for name, found in lines.items() if len(found) > 300} == {}
    assert [f"{name}: {line}" for name, found in lines.items() for line in found if len(line) > 120] == []


def test_a_class_has_at_most_ten_public_methods() -> None:
    ours = [path for path in FILES if "tests" not in path.parts]
    classes = [(path, node) for path in ours for node in ast.walk(_tree(path)) if isinstance(node, ast.ClassDef)]
    assert [f"{_named(path)}: {node.name}" for path, node in classes if _public_methods(node) > 10] == []


def test_no_file_is_a_drawer_for_everything() -> None:
    commands = {"ca_server/cli/application.py"}  # the command `warifu-ca application` of the contract for scripts
    drawers = {_named(path) for path in [*FILES, *SCRIPTS] if path.stem in FORBIDDEN}
    assert drawers - commands == set()

"""The tails that make code ugly: long files, long functions, wide classes, drawers for everything."""

import ast
from pathlib import Path

import pytest

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


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count a function's lines without its docstring."""
    first = function.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = (first.end_lineno or 0) - first.lineno + 1 if is_docstring else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_has_no_long_tail(path: Path) -> None:
    tree = _tree(path)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert path.read_text("utf-8").count("\n") <= 400
    assert [function.name for function in functions if _lines_of(function) > 50] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_script_of_the_pages_has_no_long_tail(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) <= 300
    assert [line for line in lines if len(line) > 120] == []


@pytest.mark.parametrize(
    "path", [path for path in FILES if "tests" not in path.parts], ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_class_has_at_most_ten_public_methods(path: Path) -> None:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.ClassDef):
            methods = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
            assert sum(not method.name.startswith("_") for method in methods) <= 10, node.name


def test_no_file_is_a_drawer_for_everything() -> None:
    commands = {"ca_server/cli/application.py"}  # the command `warifu-ca application` of the contract for scripts
    drawers = {str(path.relative_to(ROOT)) for path in [*FILES, *SCRIPTS] if path.stem in FORBIDDEN}
    assert drawers - commands == set()

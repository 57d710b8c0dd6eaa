"""Every alarm of the log stands in the operator's guide, with what to do."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "operator.md").read_text("utf-8")


def alarms() -> list[str]:
    """Return the longest words that stand together in each alarm of the source."""
    texts = {
        node.value.removeprefix("ALARM: ")
        for path in sorted((ROOT / "ca_server").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("ALARM: ")
    }
    return sorted(max(re.split("%[sdr]|[;()]", text), key=len).strip(" :;") for text in texts - {"%s"})


@pytest.mark.parametrize("words", alarms())
def test_an_alarm_is_explained(words: str) -> None:
    assert words in GUIDE


def test_there_are_alarms() -> None:
    assert len(alarms()) > 15

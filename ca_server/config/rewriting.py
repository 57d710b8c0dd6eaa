"""Writes a roll-over into the file: an issuing CA that will take over, and the moment at which it does.

Comments and order are the operator's: only lines that must change do. Whatever the lines look like, the result is
parsed and must be exactly the document that was meant; otherwise the change is left to a person.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping

from ca_server.config.faults import at
from ca_server.config.sections import IssuingAuthority
from ca_server.errors import NotAllowed
from ca_server.language import sentence

Table = Mapping[str, str]
"""The seven settings of an issuing CA as the file has them: paths as they are written there."""

KEYS = tuple(IssuingAuthority.__dataclass_fields__)
_HEADER = re.compile(r"\s*\[")
_SETTING = re.compile(r"(\s*([A-Za-z_]+)\s*=\s*)(\"[^\"\\]*\"|'[^']*')(.*)", re.DOTALL)


def with_next(text: str, coming: Table) -> str:
    """Return the file with the issuing CA that will take over. Raises NotAllowed as `with_next_in_use` does."""
    written = f"{text.rstrip()}\n\n{_table('[next]', coming)}"
    return _proven(written, {**tomllib.loads(text), "next": dict(coming)})


def with_next_in_use(text: str) -> str:
    """Return the file in which `[next]` became the CA in use, and the one in use a former one.

    Raises NotAllowed, saying what a person is to write, when the lines cannot be changed without doubt.
    """
    document = tomllib.loads(text)
    coming, in_use = document.pop("next"), {key: document["authority"][key] for key in KEYS}
    document["authority"] = {**document["authority"], **coming}
    document["former"] = [*document.get("former", []), in_use]
    lines = "".join(_changed(text, coming)).rstrip()
    return _proven(f"{lines}\n\n{_table('[[former]]', in_use)}", document)


def _changed(text: str, coming: Table) -> Iterator[str]:
    """Yield the lines with the settings of `[authority]` replaced and those of `[next]` left out."""
    section = ""
    for line in text.splitlines(keepends=True):
        if _HEADER.match(line):
            section = line.partition("#")[0].strip()
        setting = _SETTING.fullmatch(line)
        if section == "[next]" and (setting or _HEADER.match(line)):
            continue
        if section == "[authority]" and setting and setting[2] in coming:
            line = f"{setting[1]}{_quoted(coming[setting[2]])}{setting[4]}"  # noqa: PLW2901 - it is the line, changed
        yield line


def _table(header: str, values: Table) -> str:
    return "".join(f"{line}\n" for line in (header, *(f"{key} = {_quoted(values[key])}" for key in KEYS)))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _proven(written: str, meant: Mapping[str, object]) -> str:
    try:
        if tomllib.loads(written) == meant:
            return written
    except tomllib.TOMLDecodeError:
        pass
    parts = [name for name in ("authority", "next", "former") if name in meant]
    found = "; ".join(at(f"[{name}]", json.dumps(meant[name], ensure_ascii=False)) for name in parts)
    raise NotAllowed(sentence("The configuration cannot be changed line by line; write into it: {found}", found=found))

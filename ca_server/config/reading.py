"""Reads the file: what it holds must be the fields of the sections, each of its kind and within its bounds."""

import dataclasses
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path

from ca_server.config.contradictions import contradictions
from ca_server.config.faults import BadConfiguration, at
from ca_server.config.sections import Config
from ca_server.language import cause, sentence
from ca_server.whereabouts import Cluster, Whereabouts, whereabouts


def load(path: Path) -> Config:
    """Read the file. Raises BadConfiguration naming every fault at once."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        away = sentence("there is no such file; name it by --config FILE, or make one: `warifu-ca init`")
        raise BadConfiguration(path, [away]) from error
    except PermissionError as error:
        closed = sentence("only the service's account may read it; run the command by that one")
        raise BadConfiguration(path, [closed]) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadConfiguration(path, [sentence("it is not readable TOML: {error}", error=cause(error))]) from error
    faults: list[str] = []
    sections = {field.name: field for field in dataclasses.fields(Config) if field.name != "path"}
    faults += [at(f"[{name}]", sentence("there is no such section")) for name in document if name not in sections]
    values: dict[str, object] = {}
    for name, field in sections.items():
        values[name] = _part(field.type, name, document.get(name), path.parent, faults)
    if not faults:
        config = Config(path=path, **values)  # type: ignore[arg-type]
        faults += contradictions(config)
        if not faults:
            return config
    raise BadConfiguration(path, faults)


def _part(hint: object, name: str, found: object, folder: Path, faults: list[str]) -> object:
    """Return a section: all of them where the kind may be written several times, None where it may be left out."""
    if typing.get_origin(hint) is tuple:
        if found is not None and not isinstance(found, list):
            faults.append(
                at(f"[{name}]", sentence("is written with two brackets, [[{name}]], once for each", name=name))
            )
            return None
        kind = typing.get_args(hint)[0]
        return tuple(_part(kind, f"{name}.{n}", each, folder, faults) for n, each in enumerate(found or (), start=1))
    if found is None and isinstance(hint, types.UnionType):
        return None
    if not isinstance(found, dict | None):
        faults.append(at(f"[{name}]", sentence("must be a section")))
        return None
    return _section(typing.cast(type, _required(hint)), name, found or {}, folder, faults)


def _section(kind: type, name: str, table: Mapping[str, object], folder: Path, faults: list[str]) -> object:
    fields = {field.name: field for field in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind)
    before = len(faults)
    faults += [at(f"{name}.{key}", sentence("there is no such setting")) for key in table if key not in fields]
    values: dict[str, object] = {}
    for key, field in fields.items():
        if key in table:
            value = _value(hints[key], table[key], folder)
            fault = _fault(hints[key], value, field.metadata)
            if fault:
                faults.append(at(f"{name}.{key}", fault))
            values[key] = value
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            faults.append(at(f"{name}.{key}", sentence("is missing")))
        elif isinstance(field.default, Path):
            values[key] = folder / field.default
    if len(faults) > before:
        return None
    try:
        return kind(**values)
    except ValueError as error:
        faults.append(at(f"[{name}]", str(error)))
        return None


def _value(hint: object, value: object, folder: Path) -> object:
    """Turn a TOML value into what the field holds; what does not fit comes back for `_fault`."""
    if hint == Whereabouts and isinstance(value, str):
        try:
            return whereabouts(value, folder)
        except ValueError as error:
            return error
    hint = _required(hint)
    if hint is Path and isinstance(value, str):
        return folder / value
    if typing.get_origin(hint) is tuple and isinstance(value, list):
        inner = typing.get_args(hint)[0]
        if all(type(each) is (int if inner is int else str) for each in value):
            return tuple(folder / each if inner is Path else each for each in value)
    return value


def _required(hint: object) -> object:
    if isinstance(hint, types.UnionType):
        return next(each for each in typing.get_args(hint) if each is not type(None))
    return hint


def _fault(hint: object, value: object, metadata: Mapping[str, int]) -> str | None:
    if hint == Whereabouts and not isinstance(value, Path):
        return None if isinstance(value, Cluster) else str(value)
    hint = _required(hint)
    if typing.get_origin(hint) is tuple:
        if isinstance(value, tuple):
            return None
        numbers = typing.get_args(hint)[0] is int
        return sentence("must be a list of whole numbers") if numbers else sentence("must be a list of texts")
    if hint is int:
        if not isinstance(value, int) or isinstance(value, bool):
            return sentence("must be a whole number")
        least, most = metadata.get("least", value), metadata.get("most", value)
        return None if least <= value <= most else sentence("must be from {least} to {most}", least=least, most=most)
    if hint is bool:
        return None if isinstance(value, bool) else sentence("must be true or false")
    if hint is Path:
        return None if isinstance(value, Path) else sentence("must be a path")
    return None if isinstance(value, str) and value.strip() else sentence("must be a text")

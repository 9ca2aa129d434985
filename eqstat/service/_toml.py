"""Tables of a TOML file as dataclasses, read strictly."""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from pathlib import Path
from typing import Any

from eqstat._core.errors import InputError

MOST_BYTES = 1_000_000


def read_toml(path: str | Path) -> dict[str, Any]:
    """Content of a TOML file; `InputError`, which names the file, where it is none."""
    path = Path(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path.name}: more than {MOST_BYTES:,} bytes")
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name}: no TOML: {error}") from None


def table(title: str, kind: Any, content: Any) -> Any:
    """Make the dataclass of a table, each value of the type of its field."""
    if not isinstance(content, dict):
        raise InputError(f"{title} must be a table")
    types_of = typing.get_type_hints(kind)
    for name, value in content.items():
        if name not in types_of:
            raise InputError(f"{title} has no key {name!r:.60}; it has {', '.join(types_of)}")
        if not _is_a(value, types_of[name]):
            raise InputError(f"{title} {name} must be {_spoken(types_of[name])}, not {value!r:.60}")
    for each in dataclasses.fields(kind):
        missing = each.default is each.default_factory is dataclasses.MISSING
        if missing and each.name not in content:
            raise InputError(f"{title} needs {each.name}")
    return kind(**{name: _made(value, types_of[name]) for name, value in content.items()})


def _made(value: Any, kind: Any) -> Any:
    """Whole numbers of fields that are numbers as such."""
    if type(value) is int and not _is_whole(kind):
        return float(value)
    if isinstance(value, list):
        inner = next(iter(typing.get_args(kind)), None)
        return [_made(each, inner) for each in value]
    return value


def _is_whole(kind: Any) -> bool:
    return kind is int or int in typing.get_args(kind)


def _is_a(value: Any, kind: Any) -> bool:
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return any(_is_a(value, each) for each in typing.get_args(kind))
    if typing.get_origin(kind) is list:
        return isinstance(value, list) and all(_is_a(v, typing.get_args(kind)[0]) for v in value)
    if kind is float:
        return type(value) in (int, float)
    return type(value) is kind


def _spoken(kind: Any) -> str:
    names = {float: "a number", int: "a whole number", str: "a text", bool: "true or false"}
    if typing.get_origin(kind) is list:
        return f"a list, each {_spoken(typing.get_args(kind)[0])}"
    parts = [each for each in typing.get_args(kind) if each is not type(None)]
    return names[kind] if kind in names else " or ".join(map(_spoken, parts))

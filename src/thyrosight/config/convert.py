"""Nested dict -> record of settings, each value in its type; an unknown setting is refused with the known names."""

from __future__ import annotations

import difflib
import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from thyrosight.errors import ConfigError

MAX_NUMBER = 1 << 53
"""Above this number a float can't hold every whole number."""


def settings_of(kind: type, tree: Mapping[str, Any], where: str) -> Any:
    """Class of a record, nested dict -> the record with these values. ConfigError for an unknown name or wrong type."""
    if not isinstance(tree, Mapping):
        raise ConfigError(f"{where}: {kind.__name__} is a table of settings, not {tree!r}")
    hints = get_type_hints(kind)
    known = [item.name for item in fields(kind)]
    for key in tree:
        if key not in known:
            near = _neighbours(key, known)
            hint = f" did you mean {' or '.join(near)}?;" if near else ""
            raise ConfigError(f"{where}: unknown setting {key!r} in {kind.__name__};{hint} known: {', '.join(known)}")
    values = {
        key: settings_of(hints[key], value, f"{where} [{key}]")
        if is_dataclass(hints[key])
        else _convert(hints[key], value, f"{where}: {kind.__name__}.{key}")
        for key, value in tree.items()
    }
    return kind(**values)


def _neighbours(key: str, known: Sequence[str]) -> list[str]:
    """An unknown name -> the known names with similar spelling, or with its initials (learning_rate: lr)."""
    near = difflib.get_close_matches(key, known, n=2)
    initials = "".join(word[:1] for word in key.split("_"))
    return near or [name for name in known if name == initials]


def _convert(hint: Any, value: Any, where: str) -> Any:
    """A value -> the same value in the type of its field; ConfigError says which type or choice is needed."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        # --set run.precision=32 reads as a number.
        value = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if value not in arguments:
            raise ConfigError(f"{where} = {value!r}; choose one of {', '.join(map(repr, arguments))}")
        return value
    if origin is tuple:
        items = value if isinstance(value, list | tuple) else None
        variadic = len(arguments) == 2 and arguments[1] is Ellipsis
        if items is None or (not variadic and len(items) != len(arguments)):
            raise ConfigError(f"{where} = {value!r}; give a list" + ("" if variadic else f" of {len(arguments)}"))
        kinds = [arguments[0]] * len(items) if variadic else list(arguments)
        return tuple(_convert(kind, item, where) for kind, item in zip(kinds, items, strict=True))
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} = {value!r}; give a table")
        return {str(key): _convert(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    assert origin not in (Union, types.UnionType), hint
    if isinstance(value, int | float) and not isinstance(value, bool) and not abs(value) <= MAX_NUMBER:
        raise ConfigError(f"{where} = {str(value)[:20]}; give a number that is finite and of reasonable size")
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is not bool and isinstance(value, bool)):
        raise ConfigError(f"{where} = {value!r}; give a {hint.__name__}")
    return value

"""Puts markup into every word, so that a test can see whether any of it comes alive."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

import msgspec
from markupsafe import Markup

MARK = "\"'><i onclick=x>&amp;"
ALIVE = "<i onclick"
T = TypeVar("T")


def hostile(value: T) -> T:
    """Return the words with markup added to every text that is neither a time nor known to be safe."""
    return _with_mark(value)  # type: ignore[no-any-return]


def _with_mark(value: Any) -> Any:
    if isinstance(value, str):
        return value if isinstance(value, Markup) or _is_time(value) else value + MARK
    if isinstance(value, dict):
        return {key: _with_mark(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_with_mark(part) for part in value)
    if isinstance(value, msgspec.Struct):
        fields = {name: _with_mark(getattr(value, name)) for name in value.__struct_fields__}
        return msgspec.structs.replace(value, **fields)
    return value


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False

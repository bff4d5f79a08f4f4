"""Values of rows as JSON: the same value gives the same JSON, whether a row of JSONL or of Parquet holds it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from typing import Any

from gristmill.transforms.read.dates import format_date
from gristmill.transforms.read.surrogates import replace_surrogates

MAX_DEPTH = 64
"""Most objects and arrays inside each other; what is nested deeper is null."""

MAX_META_BYTES = 64 * 2**10
"""Longest JSON of a record's kept columns, in UTF-8."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def json_text(value: Any) -> str:
    """Return a value of ``json_value`` as JSON: keys sorted, no spaces, letters of all scripts as they are."""
    return _ENCODER.encode(value)


def json_value(value: Any, depth: int = 0) -> Any:
    """Return a value as JSON can express it, or None for null and for what it cannot express.

    Dates and times are as in documents: ISO 8601 in UTC, to the second. Decimals are numbers if a double holds them
    exactly, else strings. Bytes that are UTF-8 are strings. NaN, infinities, other bytes and durations become null.
    Null members are left out of objects, since a column of Parquet does not tell null from missing; arrays keep them.
    """
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return replace_surrogates(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return _text_or_none(value)
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, date):
        return format_date(value)
    if isinstance(value, time):
        return value.isoformat()
    if depth == MAX_DEPTH:
        return None
    if isinstance(value, Mapping):
        members = ((_key(key), json_value(member, depth + 1)) for key, member in value.items())
        return {key: member for key, member in members if key is not None and member is not None}
    if isinstance(value, (list, tuple)):
        return [json_value(item, depth + 1) for item in value]
    return None


def is_longer(value: Any, limit: int) -> bool:
    """Return whether the JSON of ``json_value(value)`` is certainly longer than ``limit``; stops counting there."""
    return _least_length(value, limit, 0) > limit


def _least_length(value: Any, limit: int, depth: int) -> int:
    """Return a lower bound of the length in JSON, 0 for what may become null; not much more than ``limit``."""
    if isinstance(value, bool):
        return 4
    if isinstance(value, int):
        return max(0, value.bit_length() - 1) * 3 // 10 + 1
    if isinstance(value, str):
        return len(value) + 2
    if depth == MAX_DEPTH or not isinstance(value, (Mapping, list, tuple)):
        return 0
    length = 1
    if isinstance(value, Mapping):
        for member in value.values():
            size = _least_length(member, limit - length, depth + 1)
            length += size and len('"":,') + size
            if length > limit:
                break
    else:
        for item in value:
            length += len("1,") - 1 + max(1, _least_length(item, limit - length, depth + 1))
            if length > limit:
                break
    return length


def _key(key: Any) -> str | None:
    value = json_value(key)
    return value if value is None or isinstance(value, str) else json_text(value)


def _text_or_none(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _number(value: Decimal) -> int | float | str | None:
    if not value.is_finite():
        return None
    if value == int(value):
        return int(value)
    nearest = float(value)
    return nearest if Decimal(repr(nearest)) == value else format(value, "f")

"""The metadata of documents: the kept columns of a source (``keep_columns``), which ``meta`` holds as a JSON object."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import pyarrow as pa

META_PREFIX = "meta."
"""Where a recipe names a column of documents, this and the name of a kept column name that column."""


def parse_meta(meta: str | None) -> Mapping[str, Any]:
    """Return the kept columns of a document."""
    return {} if meta is None else _parse_object(meta)


def as_number(value: Any) -> float | None:
    """Return a JSON number as a float; None for anything else, and for NaN."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer may have any number of digits
        return math.inf if value > 0 else -math.inf
    return None if math.isnan(number) else number


def meta_numbers(meta: pa.ChunkedArray, column: str) -> pa.Array:
    """Return a column of the metadata as float32; null where it is missing or not a number."""
    return pa.array([as_number(parse_meta(one).get(column)) for one in meta.to_pylist()], pa.float32())


@lru_cache(maxsize=1024)  # many documents may have the same metadata
def _parse_object(meta: str) -> Mapping[str, Any]:
    parsed: Mapping[str, Any] = json.loads(meta)
    return parsed

"""Reads the result and the progress of a run from its folder."""

from __future__ import annotations

import json
from typing import Any

from gristmill.store import storage


def read_result(out: str, steps: int) -> dict[str, Any] | None:
    """Return the result of the run in the folder at the URL ``out``; None if it has not finished ``steps`` steps."""
    try:
        result: dict[str, Any] = json.loads(storage.read_bytes(storage.join(out, "result.json")))
    except FileNotFoundError:
        return None
    return result if result["planned_steps"] >= steps else None  # it may have been asked for more steps since


def last_metrics_row(out: str) -> dict[str, Any] | None:
    """Return the last complete row of the run's metrics; None if there is none yet."""
    try:
        lines = storage.read_bytes(storage.join(out, "metrics.jsonl")).split(b"\n")
    except FileNotFoundError:
        return None
    row: dict[str, Any] | None = json.loads(lines[-2]) if len(lines) > 1 else None  # the last line may be incomplete
    return row

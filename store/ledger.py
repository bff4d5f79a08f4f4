"""The ledger: one line a stage, and whether all of it adds up.

A stage must balance in itself, and take in exactly what the stage before it gave out. Stages need not count the same
thing (records, documents, sequences): a line names what it counts, and the chain is checked where a line says what it
takes from.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from gristmill.store.counts import RecordCounts


class Line(NamedTuple):
    """A stage's books; ``takes_from`` names the stage whose ``kept`` must be this one's ``in``, if any."""

    stage: str
    counts: RecordCounts
    counted: str
    takes_from: str | None = None

    def as_json(self) -> dict[str, Any]:
        counts = self.counts.as_json()
        return {"stage": self.stage, "counts": self.counted, "takes_from": self.takes_from, **counts}


def imbalances(lines: Iterable[Line]) -> list[str]:
    """A sentence for every stage that does not balance or does not take in what its upstream gave out."""
    found = []
    kept: dict[str, int] = {}
    for line in lines:
        if not line.counts.balanced:
            found.append(f"{line.stage}: in ≠ kept + dropped + failed, or the input was not covered: {line.counts}")
        if line.takes_from is not None and kept.get(line.takes_from) != line.counts.records:
            found.append(
                f"{line.stage}: takes in {line.counts.records}, but {line.takes_from} kept {kept.get(line.takes_from)}"
            )
        kept[line.stage] = line.counts.kept
    return found


def ledger(lines: Iterable[Line]) -> dict[str, Any]:
    """``ledger.json``: ``{"balanced", "imbalances", "stages": [{"stage", "in", "kept", "dropped", "failed", …}]}``."""
    lines = list(lines)
    found = imbalances(lines)
    return {"balanced": not found, "imbalances": found, "stages": [line.as_json() for line in lines]}

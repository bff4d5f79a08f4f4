"""The ledger: the record counts of every stage, and whether they balance.

The counts of each stage must balance, and a stage that names an upstream stage must read exactly what that one kept.
Stages may count different things (records, documents, sequences); a line says which.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from gristmill.store.counts import RecordCounts


class LedgerLine(NamedTuple):
    """The counts of a stage.

    ``counted`` names what it counts; ``takes_from`` is the stage whose ``kept`` must equal this one's ``in``, if any.
    """

    stage: str
    counts: RecordCounts
    counted: str
    takes_from: str | None = None

    def as_json(self) -> dict[str, Any]:
        counts = self.counts.as_json()
        return {"stage": self.stage, "counts": self.counted, "takes_from": self.takes_from, **counts}


def find_imbalances(lines: Iterable[LedgerLine]) -> list[str]:
    """One sentence for each stage that does not balance or has not read exactly what its upstream stage kept."""
    sentences = []
    kept: dict[str, int] = {}
    for line in lines:
        if not line.counts.balanced:
            sentences.append(f"{line.stage}: in ≠ kept + dropped + failed, or input was skipped: {line.counts}")
        if line.takes_from is not None and kept.get(line.takes_from) != line.counts.records:
            sentences.append(
                f"{line.stage} read {line.counts.records}, but {line.takes_from} kept {kept.get(line.takes_from)}"
            )
        kept[line.stage] = line.counts.kept
    return sentences


def build_ledger(lines: Iterable[LedgerLine]) -> dict[str, Any]:
    """The content of ``ledger.json``: whether all counts balance, what does not, and the counts of every stage."""
    lines = list(lines)
    imbalances = find_imbalances(lines)
    return {"balanced": not imbalances, "imbalances": imbalances, "stages": [line.as_json() for line in lines]}

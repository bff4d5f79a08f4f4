"""Record counts of a unit, a stage or a run: each record is kept, dropped for a reason, or failed with a cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from gristmill.errors import RunError


class RecordCounts(NamedTuple):
    """``records = kept + Σ dropped + Σ failed``, and ``covered = expected``.

    ``records`` is counted by the reader, independently of the output. ``covered`` and ``expected`` measure the input
    itself (bytes of the unit's range, or rows in the upstream manifest), so a short read cannot balance.
    """

    records: int
    kept: int
    dropped: Mapping[str, int]
    failed: Mapping[str, int]
    covered: int
    expected: int

    @classmethod
    def of_rows(cls, rows: int, expected: int, dropped: Mapping[str, int] | None = None) -> RecordCounts:
        """The counts of a step that reads ``rows`` documents when the upstream receipt lists ``expected``."""
        dropped = dict(sorted((dropped or {}).items()))
        return cls(rows, rows - sum(dropped.values()), dropped, {}, rows, expected)

    @property
    def balanced(self) -> bool:
        """Whether both equations hold and ``kept`` is not negative."""
        return (
            self.records == self.kept + sum(self.dropped.values()) + sum(self.failed.values())
            and self.covered == self.expected
            and self.kept >= 0
        )

    def require_balance(self, name: str) -> RecordCounts:
        """Return these counts. Raises RunError if they do not balance; ``name`` says in it whose counts they are."""
        if not self.balanced:
            raise RunError(f"the record counts of {name} do not balance: {self}")
        return self

    def as_json(self) -> dict[str, Any]:
        return {
            "in": self.records,
            "kept": self.kept,
            "dropped": dict(sorted(self.dropped.items())),
            "failed": dict(sorted(self.failed.items())),
            "covered": self.covered,
            "expected": self.expected,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RecordCounts:
        return cls(data["in"], data["kept"], data["dropped"], data["failed"], data["covered"], data["expected"])


def total_counts(counts: Iterable[RecordCounts]) -> RecordCounts:
    """The sum of the counts of many units; of no units, zeros."""
    records = kept = covered = expected = 0
    dropped: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for unit in counts:
        records, kept = records + unit.records, kept + unit.kept
        covered, expected = covered + unit.covered, expected + unit.expected
        dropped.update(unit.dropped)
        failed.update(unit.failed)
    return RecordCounts(records, kept, dict(sorted(dropped.items())), dict(sorted(failed.items())), covered, expected)

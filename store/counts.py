"""The books of a unit, a stage and a run: what came in is kept, dropped for a reason, or failed for a cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from gristmill.errors import RunError


class RecordCounts(NamedTuple):
    """``records = kept + Σ dropped + Σ failed``, and ``covered = expected``.

    ``records`` is the reader's count, taken apart from what came out. ``covered`` and ``expected`` measure the input
    itself (bytes of the unit's range, or rows that the upstream manifest announces): a short read cannot balance.
    """

    records: int
    kept: int
    dropped: Mapping[str, int]
    failed: Mapping[str, int]
    covered: int
    expected: int

    @classmethod
    def of_rows(cls, rows: int, expected: int, dropped: Mapping[str, int] | None = None) -> RecordCounts:
        """Books of a step that reads ``rows`` documents where the upstream receipt announces ``expected``."""
        dropped = dict(sorted((dropped or {}).items()))
        return cls(rows, rows - sum(dropped.values()), dropped, {}, rows, expected)

    @property
    def balanced(self) -> bool:
        return (
            self.records == self.kept + sum(self.dropped.values()) + sum(self.failed.values())
            and self.covered == self.expected
            and self.kept >= 0
        )

    def require_balance(self, what: str) -> RecordCounts:
        """These books; raises RunError naming ``what`` where they do not balance."""
        if not self.balanced:
            raise RunError(f"the books of {what} do not balance: {self}")
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


def total(counts: Iterable[RecordCounts]) -> RecordCounts:
    """The sum of many units' books; no units, empty books."""
    records = kept = covered = expected = 0
    dropped: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for one in counts:
        records, kept = records + one.records, kept + one.kept
        covered, expected = covered + one.covered, expected + one.expected
        dropped.update(one.dropped)
        failed.update(one.failed)
    return RecordCounts(records, kept, dict(sorted(dropped.items())), dict(sorted(failed.items())), covered, expected)

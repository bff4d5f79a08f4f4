"""Receipts and manifests: what a unit read and wrote, and the receipts of a whole stage with their sums.

``as_json`` defines the files ``receipts/<unit>.json`` and ``manifest.json``. Neither holds a time, a host or an
absolute path, so equal work gives equal bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from gristmill.store.counts import RecordCounts, total_counts


class FileEntry(NamedTuple):
    """A data file of a unit.

    ``path`` is relative to the stage's directory; ``rows`` counts the rows of a table or the tokens of a payload.
    """

    kind: str
    path: str
    rows: int
    bytes: int
    sha256: str


class Receipt(NamedTuple):
    """What one unit read and wrote."""

    unit: str
    input: Mapping[str, Any]
    counts: RecordCounts
    files: tuple[FileEntry, ...]
    summary: Mapping[str, Any]

    def file(self, kind: str) -> FileEntry:
        """The unit's file of this kind. Raises KeyError if there is none."""
        for entry in self.files:
            if entry.kind == kind:
                return entry
        raise KeyError(f"unit {self.unit} has no file of kind {kind!r}")

    def as_json(self) -> dict[str, Any]:
        return {
            "unit": self.unit,
            "input": dict(self.input),
            "books": self.counts.as_json(),
            "files": [entry._asdict() for entry in self.files],
            "facts": dict(self.summary),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Receipt:
        files = tuple(FileEntry(**entry) for entry in data["files"])
        return cls(data["unit"], data["input"], RecordCounts.from_json(data["books"]), files, data["facts"])


SummarizeReceipts = Callable[[tuple[Receipt, ...]], Mapping[str, Any]]
"""Computes a stage's summary from the receipts of all its units."""


class Manifest(NamedTuple):
    """The receipts of a stage's units, sorted by unit, with their sums and the stage's summary."""

    stage: str
    key: str
    receipts: tuple[Receipt, ...]
    summary: Mapping[str, Any]

    @property
    def counts(self) -> RecordCounts:
        return total_counts(receipt.counts for receipt in self.receipts)

    def files(self, kind: str) -> list[FileEntry]:
        """The files of one kind, in the order of their units."""
        return [entry for receipt in self.receipts for entry in receipt.files if entry.kind == kind]

    def by_document(self) -> dict[str, Receipt]:
        """Receipts by the unit of ``extract`` whose documents they describe."""
        return {str(receipt.input.get("documents", receipt.unit)): receipt for receipt in self.receipts}

    def as_json(self) -> dict[str, Any]:
        return {
            "stage": self.stage,
            "key": self.key,
            "books": self.counts.as_json(),
            "facts": dict(self.summary),
            "units": [receipt.as_json() for receipt in self.receipts],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Manifest:
        return cls(data["stage"], data["key"], tuple(map(Receipt.from_json, data["units"])), data["facts"])

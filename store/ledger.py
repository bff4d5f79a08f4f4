"""The ledger: the record counts of every stage, and whether they balance.

The counts of each stage must balance, and a stage that names an upstream stage must read exactly what that one kept.
Stages may count different things (records, documents, sequences); a line says which.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from gristmill.store.counts import RecordCounts
from gristmill.store.group_counts import Amount, Group

LARGE_LOSS = 0.5
"""Share of a source that one reason may take without a warning."""

_NO_DOCUMENTS = "record_type:"
"""Records of an archive that are no documents, such as requests, have a reason of this kind: they are no loss."""


class LedgerLine(NamedTuple):
    """The counts of a stage.

    ``counted`` names what it counts; ``takes_from`` is the stage whose ``kept`` must equal this one's ``in``, if any.
    ``groups`` are the same documents by source, language and reason, if the stage counts them.
    """

    stage: str
    counts: RecordCounts
    counted: str
    takes_from: str | None = None
    groups: Mapping[Group, Amount] = {}

    def as_json(self) -> dict[str, Any]:
        counts = self.counts.as_json()
        groups = [{**group._asdict(), **amount._asdict()} for group, amount in sorted(self.groups.items(), key=_order)]
        return {"stage": self.stage, "counts": self.counted, "takes_from": self.takes_from, **counts, "groups": groups}


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


def find_large_losses(lines: Iterable[LedgerLine]) -> list[str]:
    """One sentence for each reason that took more than ``LARGE_LOSS`` of what a stage read of a source.

    The share is that of bytes of text. Records that had no text yet are counted instead.
    """
    return [sentence for line in lines for sentence in _large_losses(line)]


def _large_losses(line: LedgerLine) -> list[str]:
    read: defaultdict[str | None, Amount] = defaultdict(Amount)
    lost: defaultdict[tuple[str | None, str], Amount] = defaultdict(Amount)
    for group, amount in line.groups.items():
        if group.reason is None or not group.reason.startswith(_NO_DOCUMENTS):
            read[group.source] += amount
            if group.reason is not None:
                lost[group.source, group.reason] += amount
    sentences = []
    for (source, reason), amount in sorted(lost.items(), key=lambda item: (str(item[0][0]), item[0][1])):
        whole = read[source]
        share = amount.bytes / whole.bytes if amount.bytes else amount.documents / whole.documents
        if share > LARGE_LOSS:
            unit = "bytes" if amount.bytes else line.counted
            sentences.append(
                f"{line.stage}: {reason} took {share:.1%} of the {unit} of source {source} "
                f"({amount.documents:,} of {whole.documents:,} {line.counted})"
            )
    return sentences


def build_ledger(lines: Iterable[LedgerLine]) -> dict[str, Any]:
    """The content of ``ledger.json``: whether all counts balance, what does not, where one reason took much of a
    source, and the counts of every stage.
    """
    lines = list(lines)
    imbalances = find_imbalances(lines)
    return {
        "balanced": not imbalances,
        "imbalances": imbalances,
        "warnings": find_large_losses(lines),
        "stages": [line.as_json() for line in lines],
    }


def _order(item: tuple[Group, Amount]) -> list[str]:
    return [value or "" for value in item[0]]

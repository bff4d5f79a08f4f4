"""Documents, bytes of text and tokens by language and outcome: what a receipt says beyond the record counts.

A unit has one source, so the rows of all receipts of a stage count by source, language and reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

import pyarrow as pa

from gristmill.store.receipts import Receipt

GROUPS = "groups"
"""Name of the summary in receipts that holds the rows of a ``GroupCounter``."""


class Amount(NamedTuple):
    """Numbers of documents, of bytes of their text in UTF-8 (0 for a record without text), and of tokens."""

    documents: int = 0
    bytes: int = 0
    tokens: int = 0

    def __add__(self, other: Amount) -> Amount:  # type: ignore[override]
        return Amount(self.documents + other.documents, self.bytes + other.bytes, self.tokens + other.tokens)


class Group(NamedTuple):
    """Documents of one source and language with the same outcome: kept (``reason`` is None), or dropped or failed."""

    source: str | None
    lang: str | None
    reason: str | None


class GroupCounter:
    """Counts the documents of a unit by language and outcome."""

    def __init__(self) -> None:
        self._amounts: defaultdict[tuple[str | None, str | None], Amount] = defaultdict(Amount)

    def add(self, lang: str | None, reason: str | None, amount: Amount) -> None:
        self._amounts[lang, reason] += amount

    def add_columns(self, langs: Any, reasons: Any, sizes: Any, tokens: Any = None) -> None:
        """Count documents whose languages, reasons (null: kept), sizes in bytes and numbers of tokens are columns."""
        columns = {"lang": langs.cast(pa.string()), "reason": reasons.cast(pa.string()), "bytes": sizes}
        table = pa.table({**columns, "tokens": pa.repeat(0, len(langs)) if tokens is None else tokens})
        sums = [("bytes", "count"), ("bytes", "sum"), ("tokens", "sum")]
        for row in table.group_by(["lang", "reason"]).aggregate(sums).to_pylist():
            amount = Amount(row["bytes_count"], row["bytes_sum"], row["tokens_sum"])
            self.add(row["lang"], row["reason"], amount)

    def rows(self) -> list[dict[str, Any]]:
        """Return the counts as JSON, sorted by language and reason."""
        ordered = sorted(self._amounts.items(), key=lambda item: [value or "" for value in item[0]])
        return [{"lang": lang, "reason": reason, **amount._asdict()} for (lang, reason), amount in ordered]


def group_amounts(receipts: Iterable[Receipt]) -> dict[Group, Amount]:
    """Return the counts of the receipts of a stage; empty if the stage does not count by language."""
    amounts: defaultdict[Group, Amount] = defaultdict(Amount)
    for receipt in receipts:
        for row in receipt.summary.get(GROUPS, ()):
            group = Group(receipt.input["source"], row["lang"], row["reason"])
            amounts[group] += Amount(row["documents"], row["bytes"], row["tokens"])
    return dict(amounts)

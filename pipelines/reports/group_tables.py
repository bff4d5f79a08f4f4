"""The ledger by source and language: documents, bytes of text and tokens, for people and as JSON."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich import box
from rich.markup import escape
from rich.table import Table

from gristmill.errors import InputError
from gristmill.pipelines.reports.tables import ranked, warnings_text
from gristmill.store.group_counts import Amount

GROUP_KEYS = ("source", "lang")
"""Columns by which the ledger can be grouped."""


class GroupRow(NamedTuple):
    """What a stage did with the documents of a group: ``values`` of the columns, amounts kept, dropped and failed."""

    stage: str
    values: tuple[str | None, ...]
    kept: Amount
    dropped: Mapping[str, Amount]
    failed: Mapping[str, Amount]

    @property
    def read(self) -> Amount:
        return sum((*self.dropped.values(), *self.failed.values()), self.kept)


def group_rows(ledger: Mapping[str, Any], by: Sequence[str]) -> list[GroupRow]:
    """Return a row per stage and group, in the order of the stages and of the bytes read.

    Raises InputError if ``by`` names an unknown column, or if the ledger was written without groups.
    """
    if unknown := sorted(set(by) - set(GROUP_KEYS)):
        raise InputError(f"cannot group by {unknown[0]!r}: choose among {', '.join(GROUP_KEYS)}")
    if not any(stage.get("groups") for stage in ledger["stages"]):
        raise InputError("this work directory has no counts by source: run the recipe again with this version")
    return [row for stage in ledger["stages"] for row in _stage_rows(stage, by)]


def group_json(rows: Sequence[GroupRow], by: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows as JSON; ``bytes`` are of texts in UTF-8."""
    return [
        {
            "stage": row.stage,
            **dict(zip(by, row.values, strict=True)),
            "in": row.read._asdict(),
            "kept": row.kept._asdict(),
            "dropped": {reason: amount._asdict() for reason, amount in row.dropped.items()},
            "failed": {reason: amount._asdict() for reason, amount in row.failed.items()},
        }
        for row in rows
    ]


def group_table(ledger: Mapping[str, Any], rows: Sequence[GroupRow], by: Sequence[str], show_bytes: bool) -> Table:
    """Return the rows as a table: numbers of documents, or bytes of their texts, and tokens once there are any."""
    has_tokens = any(row.kept.tokens for row in rows)
    unit = "bytes of text" if show_bytes else "records"
    table = Table(title=f"ledger by {', '.join(by) or 'stage'}, in {unit}", box=box.SIMPLE_HEAD, title_justify="left")
    for name in ("stage", *by):
        table.add_column(name, style="bold" if name == "stage" else None)
    for name in ("in", "kept", "share", *(["tokens"] if has_tokens else [])):
        table.add_column(name, justify="right")
    table.add_column("reasons")
    for row in rows:
        read, kept = (amount.bytes if show_bytes else amount.documents for amount in (row.read, row.kept))
        table.add_row(
            row.stage,
            *(escape(value or "–") for value in row.values),
            f"{read:,}",
            f"{kept:,}",
            f"{kept / read:.1%}" if read else "",
            *([f"{row.kept.tokens:,}" if row.kept.tokens else ""] if has_tokens else []),
            escape(_reasons(row, show_bytes)),
        )
    table.caption = warnings_text(ledger)
    table.caption_justify = "left"
    return table


def _stage_rows(stage: Mapping[str, Any], by: Sequence[str]) -> list[GroupRow]:
    groups: defaultdict[tuple[str | None, ...], defaultdict[str | None, Amount]] = defaultdict(_amounts)
    for group in stage.get("groups", ()):
        values = tuple(group[name] for name in by)
        groups[values][group["reason"]] += Amount(group["documents"], group["bytes"], group["tokens"])
    rows = [
        GroupRow(
            stage["stage"],
            values,
            amounts.get(None, Amount()),
            {reason: amounts[reason] for reason in stage["dropped"] if reason in amounts},
            {reason: amounts[reason] for reason in stage["failed"] if reason in amounts},
        )
        for values, amounts in groups.items()
    ]
    return sorted(rows, key=lambda row: (-row.read.bytes, -row.read.documents, [value or "" for value in row.values]))


def _amounts() -> defaultdict[str | None, Amount]:
    return defaultdict(Amount)


def _reasons(row: GroupRow, show_bytes: bool) -> str:
    sizes = {
        reason: amount.bytes if show_bytes else amount.documents
        for reason, amount in {**row.dropped, **row.failed}.items()
    }
    return "\n".join(f"{reason} {size:,}" for reason, size in ranked(sizes) if size)

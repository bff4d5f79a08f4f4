"""Documents and their sidecars, read side by side in row blocks.

A block is one row group of a document file, with the same row group of each sidecar as further columns. A step takes a
block and gives it back with columns added or text changed; it never changes the number or order of rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from gristmill.corpus.record import UnitSummary
from gristmill.errors import RunError
from gristmill.store.counts import RecordCounts
from gristmill.store.stage_directory import Attempt, TableSink, open_table
from gristmill.transforms.core.units import ReadUnits


class Columns(NamedTuple):
    """Which columns of a Parquet file a step reads."""

    url: str
    names: tuple[str, ...]


class AlignedFiles(NamedTuple):
    """A document file and its sidecars; ``rows`` is what the upstream receipt announces."""

    files: tuple[Columns, ...]
    rows: int


def read_blocks(work: AlignedFiles) -> Iterator[pa.Table | UnitSummary]:
    """The blocks of aligned files, then the count. Raises RunError where files are not aligned."""
    opened = [open_table(file.url) for file in work.files]
    rows = 0
    try:
        if len({file.num_row_groups for file in opened}) != 1:
            raise RunError(f"not row-aligned: {', '.join(file.url for file in work.files)}")
        for group in range(opened[0].num_row_groups):
            parts = [f.read_row_group(group, list(c.names)) for f, c in zip(opened, work.files, strict=True)]
            if len({part.num_rows for part in parts}) != 1:
                raise RunError(f"not row-aligned in row group {group}: {', '.join(file.url for file in work.files)}")
            rows += parts[0].num_rows
            yield side_by_side(parts)
    finally:
        for file in opened:
            file.close(force=True)
    yield UnitSummary(rows, rows, work.rows)


class ReadDocuments(ReadUnits):
    """Document files with their sidecars to ``(unit, block)`` pairs."""

    def __init__(self) -> None:
        super().__init__(read_blocks)


def side_by_side(tables: list[pa.Table]) -> pa.Table:
    """One table with the columns of all; a name that comes twice is an error."""
    columns: dict[str, Any] = {}
    for table in tables:
        for name in table.column_names:
            if name in columns:
                raise RunError(f"column {name!r} comes from two files")
            columns[name] = table.column(name)
    return pa.table(columns)


def with_columns(table: pa.Table, columns: Mapping[str, Any]) -> pa.Table:
    """``table`` with ``columns`` put in, replacing those of the same name."""
    return pa.table({**{name: table.column(name) for name in table.column_names}, **columns})


class SidecarWriter:
    """Writes the columns of ``schema`` as a sidecar, row group by row group; counts ``reason`` where that is one."""

    def __init__(self, kind: str, schema: pa.Schema, attempt: Attempt) -> None:
        self.schema = schema
        self.sink = attempt.table(kind, schema)
        self.dropped: Counter[str] = Counter()

    def add(self, block: pa.Table) -> int:
        self.sink.write(block.select(self.schema.names))
        if "reason" in self.schema.names:
            self.dropped.update(reason for reason in block.column("reason").to_pylist() if reason is not None)
        return int(block.num_rows)

    def finish(self, end: UnitSummary) -> tuple[RecordCounts, Mapping[str, Any]]:
        return RecordCounts.of_rows(end.records, end.expected, self.dropped), {}


def keep(table: pa.Table, mask: Any) -> pa.Table:
    """The rows of ``table`` where ``mask`` is true."""
    return table.filter(pc.fill_null(mask, False))


def group_rows(url: str) -> list[int]:
    """Rows of each row group of a document file."""
    with open_table(url) as file:
        return [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]


def write_in_groups(sink: TableSink, table: pa.Table, groups: Sequence[int]) -> None:
    """Write a sidecar of all rows of a document file in the row groups of that file."""
    start = 0
    for rows in groups:
        sink.write(table.slice(start, rows))
        start += rows

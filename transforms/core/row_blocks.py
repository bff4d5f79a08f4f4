"""Row blocks: documents with the columns of their sidecars.

A block is one row group of a document file, with the same row group of each sidecar as additional columns. A step
returns a block with columns added or text changed; it never changes the number or order of rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from gristmill.corpus.record import UnitSummary
from gristmill.errors import RunError
from gristmill.store.attempts import Attempt, TableSink
from gristmill.store.counts import RecordCounts
from gristmill.store.stage_directory import open_table


class FileColumns(NamedTuple):
    """The columns of a Parquet file that a step reads."""

    url: str
    names: tuple[str, ...]


class AlignedFiles(NamedTuple):
    """A document file and its sidecars; ``rows`` is the number of rows in the upstream receipt."""

    files: tuple[FileColumns, ...]
    rows: int


def read_blocks(work: AlignedFiles) -> Iterator[pa.Table | UnitSummary]:
    """Yield the blocks of aligned files, then a ``UnitSummary``. Raises RunError if the files are not aligned."""
    opened = [open_table(file.url) for file in work.files]
    rows = 0
    try:
        if len({file.num_row_groups for file in opened}) != 1:
            raise RunError(f"files differ in their row groups: {', '.join(file.url for file in work.files)}")
        for group in range(opened[0].num_row_groups):
            parts = [f.read_row_group(group, list(c.names)) for f, c in zip(opened, work.files, strict=True)]
            if len({part.num_rows for part in parts}) != 1:
                raise RunError(f"files differ in row group {group}: {', '.join(file.url for file in work.files)}")
            rows += parts[0].num_rows
            yield join_columns(parts)
    finally:
        for file in opened:
            file.close(force=True)
    yield UnitSummary(rows, rows, work.rows)


def join_columns(tables: list[pa.Table]) -> pa.Table:
    """Return one table with the columns of all tables. Raises RunError if two tables share a column name."""
    columns: dict[str, Any] = {}
    for table in tables:
        for name in table.column_names:
            if name in columns:
                raise RunError(f"two files have a column {name!r}")
            columns[name] = table.column(name)
    return pa.table(columns)


def set_columns(table: pa.Table, columns: Mapping[str, Any]) -> pa.Table:
    """Return ``table`` with ``columns`` added; columns of the same name are replaced."""
    return pa.table({**{name: table.column(name) for name in table.column_names}, **columns})


class SidecarWriter:
    """Writes the columns of ``schema`` as a sidecar, one row group per block; counts drop reasons, if any."""

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


def filter_rows(table: pa.Table, mask: Any) -> pa.Table:
    """Return the rows of ``table`` where ``mask`` is true; null counts as false."""
    return table.filter(pc.fill_null(mask, False))


def row_group_sizes(url: str) -> list[int]:
    """Return the number of rows in each row group of a Parquet file."""
    with open_table(url) as file:
        return [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]


def write_row_groups(sink: TableSink, table: pa.Table, groups: Sequence[int]) -> None:
    """Write ``table``, the sidecar of a document file, in row groups of the sizes ``groups``."""
    start = 0
    for rows in groups:
        sink.write(table.slice(start, rows))
        start += rows

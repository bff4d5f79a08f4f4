"""The files that rounds exchange: Parquet files whose row groups are the parts of the next round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gristmill.corpus.arrays import Int64s
from gristmill.store import storage
from gristmill.store.attempts import Attempt
from gristmill.store.stage_directory import open_table
from gristmill.transforms.core.side_files import SideFile
from gristmill.transforms.dedup.buckets import BucketMembers
from gristmill.transforms.dedup.stars import Edges, LabeledNodes, assign_parts, route_edges

MEMBER_SCHEMA = pa.schema([pa.field(name, pa.uint64(), nullable=False) for name in BucketMembers._fields])

EDGE_SCHEMA = pa.schema(
    [
        pa.field("node", pa.uint64(), nullable=False),
        pa.field("parent", pa.uint64(), nullable=False),
        pa.field("leaf", pa.bool_(), nullable=False),
    ]
)

LABEL_SCHEMA = pa.schema([pa.field(name, pa.uint64(), nullable=False) for name in LabeledNodes._fields])


class BatchFiles(NamedTuple):
    """The result of the rounds: files of ``MEMBER_SCHEMA`` in which row group b holds the whole components of batch b.

    Attributes:
        files: Side file with the URLs.
        batches: Number of batches.
    """

    files: SideFile
    batches: int


def read_row_groups(urls: Sequence[str], groups: Sequence[int] | None, schema: pa.Schema) -> pa.Table:
    """Some row groups of every file (all with ``groups`` None), concatenated."""

    def read(url: str) -> pa.Table:
        with open_table(url) as file:
            return file.read() if groups is None else file.read_row_groups(list(groups))

    return pa.concat_tables([schema.empty_table(), *storage.map_in_threads(read, urls)])


def read_batch(files: SideFile, batch: int) -> Iterator[BucketMembers]:
    """The bucket members of a batch; nothing if it is empty."""
    table = read_row_groups(files.open(), [batch], MEMBER_SCHEMA)
    if table.num_rows:
        table = table.sort_by([("bucket", "ascending"), ("node", "ascending")])
        yield BucketMembers(table["bucket"].to_numpy(), table["node"].to_numpy())


def read_edges(files: SideFile, parts: Sequence[int] | None) -> Edges:
    """The edges of some parts, or all of them with ``parts`` None."""
    table = read_row_groups(files.open(), parts, EDGE_SCHEMA)
    return Edges(table["node"].to_numpy(), table["parent"].to_numpy(), table["leaf"].to_numpy())


def write_members(attempt: Attempt, columns: Sequence[NDArray[Any]], part: Int64s, parts: int) -> None:
    """Write bucket members; ``part`` is the row group of each."""
    _write_parts(attempt, "members", MEMBER_SCHEMA, columns, part, parts)


def write_edges(attempt: Attempt, edges: Edges, parts: int) -> None:
    """Write edges to the parts that need them (``route_edges``)."""
    rows, part = route_edges(edges, parts)
    _write_parts(attempt, "edges", EDGE_SCHEMA, [column[rows] for column in edges], part, parts)


def write_labels(attempt: Attempt, labeled: LabeledNodes, parts: int) -> None:
    """Write the labels of nodes to the nodes' parts."""
    _write_parts(attempt, "settled", LABEL_SCHEMA, labeled, assign_parts(labeled.node, parts), parts)


def _write_parts(
    attempt: Attempt, kind: str, schema: pa.Schema, columns: Sequence[NDArray[Any]], part: Int64s, parts: int
) -> None:
    """Write a table in which row group p holds the rows of part p."""
    order = np.argsort(part, kind="stable")
    table = pa.table([column[order] for column in columns], schema=schema)
    sink = attempt.table(kind, schema)
    for begin, end in pairwise(np.searchsorted(part[order], np.arange(parts + 1)).tolist()):
        sink.write(table.slice(begin, end - begin))

"""The ``removals`` sidecar: which documents of a unit are removed, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.corpus.arrays import UInt32s
from gristmill.corpus.document import ID_BYTES
from gristmill.errors import RunError
from gristmill.store import storage
from gristmill.store.counts import RecordCounts
from gristmill.store.group_counts import GROUPS, GroupCounter
from gristmill.store.stage_directory import StageDirectory, open_table
from gristmill.transforms.core.row_blocks import row_group_sizes, write_row_groups
from gristmill.transforms.core.tasks import Task
from gristmill.transforms.dedup.greedy_pass import EXACT, NEAR, NOT_COMPARED, SAME_URL, WHOLE
from gristmill.transforms.dedup.removals import Removals
from gristmill.transforms.dedup.signature_reader import Fingerprints, SignedUnit

REASONS = {NEAR: "near_duplicate", EXACT: "exact_duplicate", SAME_URL: "same_url"}

REMOVALS_SCHEMA = pa.schema(
    [
        pa.field("removed", pa.bool_(), nullable=False),
        pa.field("duplicate", pa.string()),
        pa.field("match", pa.binary(ID_BYTES)),
        pa.field("jaccard", pa.float32()),
        pa.field("cluster", pa.int32(), nullable=False),
    ]
)
"""Row-aligned with the documents. ``duplicate`` is one of ``REASONS``; ``match`` is the kept document that a removed
one duplicates, and ``jaccard`` their similarity if it was computed. ``cluster`` is the number of documents that a kept
one represents, including itself; 0 for documents that are not kept."""


def removals_by_unit(
    removals: Removals, prints: Fingerprints, units: tuple[SignedUnit, ...]
) -> Iterator[tuple[str, pa.Table]]:
    """(unit, rows to write) for each unit of this run with removed documents, or kept ones that represent others."""
    removed, match = removals.node, removals.match
    representatives, counts = np.unique(np.concatenate([match, removals.capped]), return_counts=True)
    counts -= np.isin(representatives, removals.capped)
    node = np.concatenate([removed, representatives])
    no_values = pa.nulls(len(representatives))
    reasons = pa.array([REASONS[reason] for reason in range(len(REASONS))])
    ids = prints.table["id"].combine_chunks()
    not_compared = removals.similarity == NOT_COMPARED
    similarity = pa.array((removals.similarity / WHOLE).astype(np.float32), mask=not_compared)
    matches = ids.take(pa.array(np.searchsorted(prints.node, match)))
    table = pa.table(
        {
            "node": node,
            "row": (node & np.uint64(2**32 - 1)).astype(np.uint32),
            "removed": np.arange(len(node)) < len(removed),
            "duplicate": pa.concat_arrays([reasons.take(pa.array(removals.reason)), no_values.cast(pa.string())]),
            "match": pa.concat_arrays([matches, no_values.cast(ids.type)]),
            "jaccard": pa.concat_arrays([similarity, no_values.cast(pa.float32())]),
            "cluster": np.concatenate([np.zeros(len(removed), np.int32), (counts + 1).astype(np.int32)]),
            "capped": np.isin(node, removals.capped),
        }
    )
    number = (node >> np.uint64(32)).astype(np.int64)
    for file in np.unique(number).tolist():
        if not units[file].generation:
            yield units[file].unit, table.take(pa.array(np.flatnonzero(number == file))).drop_columns(["node"])


def write_removals(stage: StageDirectory, unit: str, values: Iterable[Any]) -> str:
    """Write a unit's removals, row-aligned with its documents, and its receipt.

    ``values`` are the unit's task and its tables of ``removals_by_unit``, in any order.
    """
    tables: list[pa.Table] = []
    tasks: list[Task] = []
    for value in values:
        (tasks if isinstance(value, Task) else tables).append(value)
    if len(tasks) != 1:
        raise RunError(f"stage {stage.stage}: there are removals for unit {unit}, which is not among the tasks")
    signed: SignedUnit = tasks[0].work
    groups = row_group_sizes(signed.documents)
    with open_table(signed.documents) as opened:
        documents = opened.read(["lang", "text_bytes"])
    with storage.open_input(signed.files.fingerprints) as opened:
        rows = pq.read_table(opened, columns=["row"])["row"].to_numpy()
    aligned = _align(sum(groups), rows, tables)
    with stage.attempt(unit) as attempt:
        write_row_groups(attempt.table("removals", REMOVALS_SCHEMA), aligned, groups)
        reasons = aligned["duplicate"].drop_null().value_counts().to_pylist()
        dropped = {reason["values"]: reason["counts"] for reason in reasons}
        capped = sum(int(np.count_nonzero(table["capped"])) for table in tables)
        compared = documents.append_column("duplicate", aligned["duplicate"]).take(pa.array(rows))
        counted = GroupCounter()
        counted.add_columns(*(compared[name] for name in ("lang", "duplicate", "text_bytes")))
        counts = RecordCounts.of_rows(len(rows), signed.kept, dropped)
        attempt.commit(tasks[0].input, counts, {"capped": capped, GROUPS: counted.rows()})
    return unit


def _align(rows: int, signed_rows: UInt32s, tables: list[pa.Table]) -> pa.Table:
    """``REMOVALS_SCHEMA`` for all ``rows`` of a document file.

    Signed documents that are in none of the ``tables`` are kept and represent only themselves.
    """
    cluster = np.zeros(rows, np.int32)
    cluster[signed_rows] = 1
    if not tables:
        absent = {name: pa.nulls(rows, REMOVALS_SCHEMA.field(name).type) for name in ("duplicate", "match", "jaccard")}
        return pa.table({"removed": np.zeros(rows, bool), **absent, "cluster": cluster}, schema=REMOVALS_SCHEMA)
    changes = pa.concat_tables(tables)
    place = np.full(rows, -1)
    place[changes["row"].to_numpy()] = np.arange(changes.num_rows)
    cluster[changes["row"].to_numpy()] = changes["cluster"].to_numpy()
    aligned = changes.take(pa.array(place, pa.int64(), mask=place < 0))
    removed = aligned["removed"].combine_chunks().fill_null(False)
    return pa.table(
        {
            "removed": removed,
            **{name: aligned[name] for name in ("duplicate", "match", "jaccard")},
            "cluster": cluster,
        }
    ).cast(REMOVALS_SCHEMA)

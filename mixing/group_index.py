"""Which group of the mixture each document belongs to, by its columns: a sidecar of a unit's token index.

The groups of ``mix.groups`` need not be known before tokenization, so another grouping tokenizes nothing again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gristmill.corpus.metadata import META_PREFIX, parse_meta
from gristmill.corpus.record import UnitSummary
from gristmill.errors import RunError
from gristmill.store import storage
from gristmill.store.attempts import Attempt
from gristmill.store.counts import RecordCounts

UNKNOWN = "und"
"""The value of a column that is null; ``und`` is the language tag for an undetermined language."""

GROUP_SIZES = "mix_groups"
"""Name of the summary in receipts that holds the documents and tokens of each bucket by group."""

GROUP_INDEX_SCHEMA = pa.schema([pa.field("group", pa.dictionary(pa.int32(), pa.string()), nullable=False)])
"""Row-aligned with the token index, in the same row groups: one per bucket."""


class GroupWork(NamedTuple):
    """The documents of a unit, their token index, and the columns that form groups; ``rows`` is their number."""

    documents: str
    token_index: str
    columns: tuple[str, ...]
    rows: int


def group_names(documents: pa.Table, columns: Sequence[str]) -> pa.Array:
    """Return the name of each document's group: its values of ``columns``, joined by slashes.

    A column is ``source``, ``lang``, or ``meta.`` and the name of a kept column.
    """
    values = [_column(documents, name) for name in columns]
    return pc.binary_join_element_wise(*values, "/")


def read_groups(work: GroupWork) -> Iterator[pa.Table | UnitSummary]:
    """Yield the ``group`` and ``tokens`` of each document, bucket by bucket, then a ``UnitSummary``.

    Raises RunError if the token index has other documents.
    """
    columns = ["id", *dict.fromkeys(name.partition(".")[0] for name in work.columns)]
    with storage.open_input(work.documents) as opened:
        documents = pq.read_table(opened, columns=columns)
    ids, names = documents["id"].combine_chunks(), group_names(documents, work.columns)
    rows = 0
    with storage.open_input(work.token_index) as opened:
        index = pq.ParquetFile(opened)
        for bucket in range(index.num_row_groups):
            entries = index.read_row_group(bucket, ["id", "start", "end"])
            places = pc.index_in(entries["id"].combine_chunks(), value_set=ids)
            if places.null_count:
                raise RunError(f"{work.token_index} has documents that {work.documents} lacks: run tokenize again")
            rows += entries.num_rows
            yield pa.table({"group": names.take(places), "tokens": pc.subtract(entries["end"], entries["start"])})
    yield UnitSummary(rows, rows, work.rows)


class GroupWriter:
    """Writes the sidecar of a unit, and the documents and tokens of each bucket by group into its receipt."""

    def __init__(self, attempt: Attempt) -> None:
        self.groups = attempt.table("groups", GROUP_INDEX_SCHEMA)
        self.buckets: list[dict[str, tuple[int, int]]] = []

    def add(self, bucket: pa.Table) -> int:
        self.groups.write(bucket.select(["group"]))
        sums = bucket.group_by("group").aggregate([("tokens", "count"), ("tokens", "sum")]).to_pylist()
        self.buckets.append({row["group"]: (row["tokens_count"], row["tokens_sum"]) for row in sums})
        return int(bucket.num_rows)

    def finish(self, end: UnitSummary) -> tuple[RecordCounts, Mapping[str, Any]]:
        names = sorted({name for bucket in self.buckets for name in bucket})
        sizes = {name: np.array([bucket.get(name, (0, 0)) for bucket in self.buckets]).T.tolist() for name in names}
        summary = {
            name: {"bucket_documents": documents, "bucket_tokens": tokens}
            for name, (documents, tokens) in sizes.items()
        }
        return RecordCounts.of_rows(end.records, end.expected), {GROUP_SIZES: summary}


def _column(documents: pa.Table, name: str) -> pa.Array:
    if name.startswith(META_PREFIX):
        kept = name.removeprefix(META_PREFIX)
        return pa.array([_text(parse_meta(meta).get(kept)) for meta in documents["meta"].to_pylist()], pa.string())
    return pc.fill_null(documents[name].cast(pa.string()), UNKNOWN).combine_chunks()


def _text(value: Any) -> str:
    """Return a value of a kept column as a part of a name."""
    if value is None:
        return UNKNOWN
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)

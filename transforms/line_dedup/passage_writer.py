"""Hashes the passages of blocks of documents, and writes a unit's passage files from the hashed blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gristmill.corpus.arrays import UInt64s
from gristmill.corpus.record import UnitSummary
from gristmill.store.attempts import Attempt
from gristmill.store.counts import RecordCounts
from gristmill.transforms.core.row_blocks import filter_rows
from gristmill.transforms.line_dedup.line_dedup_unit import (
    kept_documents,
    searched_documents,
    texts_after_line_rules,
)
from gristmill.transforms.line_dedup.passage_file import (
    PASSAGES_SCHEMA,
    PLACES_SCHEMA,
    document_order,
    passage_tables,
    places_table,
)
from gristmill.transforms.line_dedup.passage_hashes import find_passages
from gristmill.transforms.line_dedup.repeats_section import RepeatsSection


class HashedBlock(NamedTuple):
    """The passages of a block of documents.

    Attributes:
        hashes: Hashes of the passages.
        order: Order of the passages' documents.
        places: ``PLACES_SCHEMA``, with rows counted from the start of the block.
        kept: Number of documents that ``dedup`` kept.
        block_rows: Number of rows of the block.
    """

    hashes: UInt64s
    order: UInt64s
    places: pa.Table
    kept: int
    block_rows: int


def hash_block(section: RepeatsSection, block: pa.Table) -> HashedBlock:
    """Find and hash the passages of the documents that take part."""
    searched = searched_documents(block, section)
    documents = filter_rows(block, searched)
    min_words = {kind: rule.min_words for kind, rule in section.passage_rules.items()}
    passages = find_passages(texts_after_line_rules(documents), min_words)
    places = places_table(passages, np.flatnonzero(searched.to_numpy()))
    order = document_order(documents["id"])[passages.document]
    return HashedBlock(passages.hash, order, places, pc.sum(kept_documents(block)).as_py() or 0, block.num_rows)


class PassageWriter:
    """Writes a unit's places, and collects its hashes in memory: 16 bytes a passage."""

    def __init__(self, partitions: int, attempt: Attempt) -> None:
        self.partitions = partitions
        self.passages = attempt.table("passages", PASSAGES_SCHEMA)
        self.places = attempt.table("places", PLACES_SCHEMA)
        self.hashes: list[UInt64s] = []
        self.order: list[UInt64s] = []
        self.kept = 0
        self.rows_read = 0

    def add(self, item: HashedBlock) -> int:
        self.places.write(item.places.set_column(0, "row", pc.add(item.places["row"], self.rows_read)))
        self.hashes.append(item.hashes)
        self.order.append(item.order)
        self.kept += item.kept
        self.rows_read += item.block_rows
        return item.kept

    def finish(self, end: UnitSummary) -> tuple[RecordCounts, Mapping[str, Any]]:
        hashes, order = (np.concatenate([np.empty(0, np.uint64), *part]) for part in (self.hashes, self.order))
        for table in passage_tables(hashes, order, self.partitions):
            self.passages.write(table)
        return RecordCounts(self.kept, self.kept, {}, {}, end.covered, end.expected), {}

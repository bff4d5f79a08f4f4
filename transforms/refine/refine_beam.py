"""PTransforms that refine documents and write the result: ``ReadDocuments | RefineDocuments | WriteRefined``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gristmill.corpus.document import DOCUMENT_SCHEMA
from gristmill.corpus.record import UnitSummary
from gristmill.store.attempts import Attempt
from gristmill.store.counts import RecordCounts
from gristmill.store.group_counts import GROUPS, GroupCounter
from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.core_beam import MapItems, WriteUnits
from gristmill.transforms.refine.refine_section import RefineSection
from gristmill.transforms.refine.refiner import RefinedBlock, Refiner, edits_schema


class RefineDocuments(MapItems):
    """Maps blocks of documents to refined blocks.

    Blocks hold the columns of documents, ``kept`` and ``cuts`` from ``judge``, ``removed`` from ``dedup``, and, if the
    recipe has a section ``repeats``, ``repeated``: ranges to cut from the text that remains after ``cuts``.

    Args:
        section: The recipe section.
        index_url: The n-gram index of the test sets; None if documents are not decontaminated.
    """

    def __init__(self, section: RefineSection, index_url: str | None) -> None:
        super().__init__(partial(Refiner, section, index_url))


class WriteRefined(WriteUnits):
    """Writes the refined documents and the sidecar of edits of each unit."""

    def __init__(self, stage: StageDirectory, section: RefineSection) -> None:
        super().__init__(stage, partial(RefinedWriter, edits_schema(section)))


class RefinedWriter:
    """Writes the files of one unit. The sidecar has the row groups of the extracted documents."""

    def __init__(self, schema: pa.Schema, attempt: Attempt) -> None:
        self.documents = attempt.table("documents", DOCUMENT_SCHEMA)
        self.edits = attempt.table("edits", schema)
        self.entered = 0
        self.dropped: Counter[str] = Counter()
        self.text_bytes = 0
        self.edited: Counter[str] = Counter()
        self.groups = GroupCounter()

    def add(self, item: RefinedBlock) -> int:
        if item.documents.num_rows:
            self.documents.write(item.documents)
        self.edits.write(item.edits)
        self.entered += item.entered.num_rows
        self.groups.add_columns(*(item.entered[name] for name in ("lang", "reason", "text_bytes")))
        self.dropped.update(item.edits["reason"].drop_null().to_pylist())
        self.text_bytes += pc.sum(item.documents["text_bytes"]).as_py() or 0
        self.edited.update(pc.struct_field(pc.list_flatten(item.edits["edits"]), "entity").to_pylist())
        return int(item.edits.num_rows)

    def finish(self, end: UnitSummary) -> tuple[RecordCounts, Mapping[str, Any]]:
        counts = RecordCounts(self.entered, self.documents.rows, dict(self.dropped), {}, end.covered, end.expected)
        return counts, {
            "text_bytes": self.text_bytes,
            "edited": dict(sorted(self.edited.items())),
            GROUPS: self.groups.rows(),
        }

"""Beam's view of refining: removed rows gone, contaminated documents dropped, personal data redacted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from gristmill.corpus import storage
from gristmill.corpus.books import Books
from gristmill.corpus.document import DOCUMENT_SCHEMA
from gristmill.corpus.record import UnitEnd
from gristmill.corpus.stage import Attempt, StageDirectory
from gristmill.transforms.blocks import keep, with_columns
from gristmill.transforms.refine.decontaminate import NgramIndex
from gristmill.transforms.refine.edits import EDITS_SCHEMA, Span, apply_edits, edit_row
from gristmill.transforms.refine.redact import Redactor
from gristmill.transforms.refine.section import RefineSection
from gristmill.transforms.units import EachItem, WriteUnits


class RefineDocuments(EachItem):
    """Blocks of documents, ``kept`` by ``judge`` and ``removed`` by ``dedup``, to blocks as they will be trained on."""

    def __init__(self, section: RefineSection, index_url: str | None) -> None:
        super().__init__(partial(Refiner, section, index_url))


class WriteRefined(WriteUnits):
    """Final documents, and the edits that made them, as the files of each unit."""

    def __init__(self, stage: StageDirectory) -> None:
        super().__init__(stage, RefinedFold)


class Refined(NamedTuple):
    """A block after refining: the final documents, the sidecar rows, and how many rows arrived."""

    documents: pa.Table
    edits: pa.Table
    arrived: int


class Refiner:
    """The step on a block; holds the recognisers and the n-gram index of its worker."""

    def __init__(self, section: RefineSection, index_url: str | None) -> None:
        self.index = load_index(index_url) if index_url else None
        self.min_ngrams = section.decontaminate.min_ngrams if section.decontaminate else 1
        self.redactor = Redactor(section.redact) if section.redact else None
        self.spared = frozenset(section.redact.exclude_sources if section.redact else ())

    def __call__(self, block: pa.Table) -> Refined:
        arrives = pc.and_(block["kept"], pc.invert(block["removed"])).combine_chunks()
        fates = [
            self.refine(text, source) if here else _ABSENT
            for here, text, source in zip(
                arrives.to_pylist(), block["text"].to_pylist(), block["source"].to_pylist(), strict=True
            )
        ]
        kept = pa.array([fate.text is not None for fate in fates], pa.bool_())
        edits = pa.table(
            {
                "kept": kept,
                "reason": ["contaminated" if fate.detail else None for fate in fates],
                "detail": [fate.detail for fate in fates],
                "edits": [edit_row(fate.spans) for fate in fates],
            },
            schema=EDITS_SCHEMA,
        )
        texts = pa.array([fate.text for fate in fates if fate.text is not None], pa.large_string())
        documents = with_columns(keep(block.select(DOCUMENT_SCHEMA.names), kept), {"text": texts})
        return Refined(documents, edits, pc.sum(arrives).as_py() or 0)

    def refine(self, text: str, source: str) -> Fate:
        """What becomes of one document."""
        if self.index is not None and (match := self.index.contamination(text, self.min_ngrams)):
            return Fate(None, match.detail, [])
        if self.redactor is None or source in self.spared or not (spans := self.redactor.find(text)):
            return Fate(text, None, [])
        return Fate(apply_edits(text, spans, self.redactor.replacements), None, spans)


class Fate(NamedTuple):
    """A document's final text, or None and the test item that it holds; and what was redacted."""

    text: str | None
    detail: str | None
    spans: list[Span]


_ABSENT = Fate(None, None, [])


class RefinedFold:
    """Final documents in the row groups of their blocks; the sidecar keeps those of the extracted documents."""

    def __init__(self, attempt: Attempt) -> None:
        self.documents = attempt.table("documents", DOCUMENT_SCHEMA)
        self.edits = attempt.table("edits", EDITS_SCHEMA)
        self.arrived = 0
        self.dropped: Counter[str] = Counter()
        self.text_bytes = 0
        self.redacted: Counter[str] = Counter()

    def add(self, item: Refined) -> int:
        if item.documents.num_rows:
            self.documents.write(item.documents)
        self.edits.write(item.edits)
        self.arrived += item.arrived
        self.dropped.update(item.edits["reason"].drop_null().to_pylist())
        self.text_bytes += pc.sum(pc.binary_length(item.documents["text"])).as_py() or 0
        self.redacted.update(pc.struct_field(pc.list_flatten(item.edits["edits"]), "entity").to_pylist())
        return int(item.edits.num_rows)

    def finish(self, end: UnitEnd) -> tuple[Books, Mapping[str, Any]]:
        books = Books(self.arrived, self.documents.rows, dict(self.dropped), {}, end.covered, end.expected)
        return books, {"text_bytes": self.text_bytes, "redacted": dict(sorted(self.redacted.items()))}


def load_index(url: str) -> NgramIndex:
    """The n-gram index that the launcher stored at ``url``."""
    with storage.open_input(url) as file, pa.ipc.open_file(file) as reader:
        return NgramIndex.from_table(reader.read_all())


def index_bytes(index: NgramIndex) -> bytes:
    """An index as the launcher stores it."""
    sink = pa.BufferOutputStream()
    table = index.to_table()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]

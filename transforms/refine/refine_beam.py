"""Beam's view of refining: removed rows gone, lines cut, test items dropped or cut, personal data redacted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from gristmill.corpus.document import DOCUMENT_SCHEMA
from gristmill.corpus.record import UnitSummary
from gristmill.store import storage
from gristmill.store.counts import RecordCounts
from gristmill.store.stage_directory import Attempt, StageDirectory
from gristmill.transforms.contamination.decontaminator import HITS_FIELD, Decontaminator, Hit, hit_row, worst
from gristmill.transforms.contamination.ngram_index import NgramIndex
from gristmill.transforms.core.edits import EDITS_SCHEMA, Span, apply_edits, before_cuts, cut_out, edit_row, spans_of
from gristmill.transforms.core.row_blocks import keep, with_columns
from gristmill.transforms.core.core_beam import MapItems, WriteUnits
from gristmill.transforms.redaction.redactor import Redactor
from gristmill.transforms.refine.refine_section import RefineSection


class RefineDocuments(MapItems):
    """Blocks of documents to blocks as they will be trained on.

    ``judge`` says which are ``kept`` and what is cut out of them (``cuts``), ``dedup`` which are ``removed``, and
    ``repeats``, where a recipe asks for it, what is ``repeated`` in the text after the cuts and goes, too.
    """

    def __init__(self, section: RefineSection, index_url: str | None) -> None:
        super().__init__(partial(Refiner, section, index_url))


class WriteRefined(WriteUnits):
    """Final documents, and the edits that made them, as the files of each unit."""

    def __init__(self, stage: StageDirectory, section: RefineSection) -> None:
        super().__init__(stage, partial(RefinedFold, edits_schema(section)))


class Refined(NamedTuple):
    """A block after refining: the final documents, the sidecar rows, and how many rows arrived."""

    documents: pa.Table
    edits: pa.Table
    arrived: int


class Refiner:
    """The step on a block; holds the recognisers and the n-gram index of its worker."""

    def __init__(self, section: RefineSection, index_url: str | None) -> None:
        self.schema = edits_schema(section)
        self.decontaminator = (
            Decontaminator(section.decontaminate, load_index(index_url))
            if section.decontaminate and index_url
            else None
        )
        self.redactor = Redactor(section.redact) if section.redact else None
        self.spared = frozenset(section.redact.exclude_sources if section.redact else ())

    def __call__(self, block: pa.Table) -> Refined:
        arrives = pc.and_(block["kept"], pc.invert(block["removed"])).combine_chunks()
        arrived = keep(block, arrives)
        drafts = [Draft.of(*row) for row in zip(*_columns(arrived, "text", "source", "cuts"), strict=True)]
        if "repeated" in arrived.column_names:
            (repeated,) = _columns(arrived, "repeated")
            drafts = [draft.without(spans_of(cuts, "entity")) for draft, cuts in zip(drafts, repeated, strict=True)]
        refined = iter(map(self._fate, drafts, self._hits(drafts)))
        fates = [next(refined) if here else _ABSENT for here in arrives.to_pylist()]
        kept = pa.array([fate.text is not None for fate in fates], pa.bool_())
        rows = {
            "kept": kept,
            "reason": [fate.reason for fate in fates],
            "detail": [fate.detail for fate in fates],
            "edits": [edit_row(fate.spans) for fate in fates],
            "hits": [hit_row(fate.hits) for fate in fates],
        }
        edits = pa.table({name: rows[name] for name in self.schema.names}, schema=self.schema)
        texts = pa.array([fate.text for fate in fates if fate.text is not None], pa.large_string())
        documents = with_columns(keep(block.select(DOCUMENT_SCHEMA.names), kept), {"text": texts})
        return Refined(documents, edits, len(drafts))

    def refine(self, text: str, source: str, cuts: Sequence[Mapping[str, Any]] = ()) -> Fate:
        """What becomes of one document, of which ``cuts`` are to go."""
        draft = Draft.of(text, source, cuts)
        (hits,) = self._hits([draft])
        return self._fate(draft, hits)

    def _hits(self, drafts: Sequence[Draft]) -> list[list[Hit]]:
        if not self.decontaminator:
            return [[] for _ in drafts]
        return self.decontaminator.hits([draft.left for draft in drafts])

    def _fate(self, draft: Draft, hits: Sequence[Hit]) -> Fate:
        if draft.gone and not draft.left.strip():
            return Fate(None, "nothing_left", None, [], [])
        told = [hit.before(draft.gone) for hit in hits]
        if self.decontaminator and hits:
            cuts = self.decontaminator.cuts(draft.left, hits)
            draft = draft.without(cuts or [])
            if cuts is None or not draft.left.strip():
                return Fate(None, "contaminated", worst(hits).detail, [], told)
        gone, text = draft.gone, draft.left
        if self.redactor is None or draft.source in self.spared or not (spans := self.redactor.find(text)):
            return Fate(text, None, None, gone, told)
        return Fate(apply_edits(text, spans, self.redactor.replacements), None, None, before_cuts(spans, gone), told)


class Draft(NamedTuple):
    """A document on its way: its extracted text, what of it is to go, and what is ``left`` then."""

    text: str
    source: str
    gone: list[Span]
    left: str

    @classmethod
    def of(cls, text: str, source: str, cuts: Sequence[Mapping[str, Any]] = ()) -> Draft:
        """A document of which ``cuts`` are to go."""
        gone = spans_of(cuts, "rule")
        return cls(text, source, gone, cut_out(text, gone))

    def without(self, spans: Sequence[Span]) -> Draft:
        """The draft of which ``spans`` of what is left go too."""
        gone = before_cuts(spans, self.gone)
        return self._replace(gone=gone, left=cut_out(self.text, gone)) if spans else self


class Fate(NamedTuple):
    """A document's final text, or None and why it goes (``detail``: the test item that it has most of); its edits, and
    the test items that were found in it, both in places of the extracted text.
    """

    text: str | None
    reason: str | None
    detail: str | None
    spans: list[Span]
    hits: list[Hit]


def _columns(table: pa.Table, *names: str) -> list[list[Any]]:
    return [table[name].to_pylist() for name in names]


_ABSENT = Fate(None, None, None, [], [])


class RefinedFold:
    """Final documents in the row groups of their blocks; the sidecar keeps those of the extracted documents."""

    def __init__(self, schema: pa.Schema, attempt: Attempt) -> None:
        self.documents = attempt.table("documents", DOCUMENT_SCHEMA)
        self.edits = attempt.table("edits", schema)
        self.arrived = 0
        self.dropped: Counter[str] = Counter()
        self.text_bytes = 0
        self.edited: Counter[str] = Counter()

    def add(self, item: Refined) -> int:
        if item.documents.num_rows:
            self.documents.write(item.documents)
        self.edits.write(item.edits)
        self.arrived += item.arrived
        self.dropped.update(item.edits["reason"].drop_null().to_pylist())
        self.text_bytes += pc.sum(pc.binary_length(item.documents["text"])).as_py() or 0
        self.edited.update(pc.struct_field(pc.list_flatten(item.edits["edits"]), "entity").to_pylist())
        return int(item.edits.num_rows)

    def finish(self, end: UnitSummary) -> tuple[RecordCounts, Mapping[str, Any]]:
        counts = RecordCounts(self.arrived, self.documents.rows, dict(self.dropped), {}, end.covered, end.expected)
        return counts, {"text_bytes": self.text_bytes, "edited": dict(sorted(self.edited.items()))}


def edits_schema(section: RefineSection) -> pa.Schema:
    """The sidecar's columns: with ``hits`` where documents are searched for test items."""
    return EDITS_SCHEMA.append(HITS_FIELD) if section.decontaminate else EDITS_SCHEMA


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

"""Refining a block of documents: cuts applied, test items dropped or cut, personal data replaced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from gristmill.corpus.document import DOCUMENT_SCHEMA
from gristmill.transforms.contamination.decontaminator import HITS_FIELD, Decontaminator, Hit, hit_rows, largest_hit
from gristmill.transforms.contamination.ngram_index import NgramIndex
from gristmill.transforms.core.edits import (
    EDITS_SCHEMA,
    Span,
    apply_edits,
    edit_rows,
    merge_with_cuts,
    remove_spans,
    spans_from_rows,
)
from gristmill.transforms.core.row_blocks import filter_rows, set_columns
from gristmill.transforms.redaction.redactor import Redactor
from gristmill.transforms.refine.refine_section import RefineSection


class RefinedBlock(NamedTuple):
    """The refined documents of a block and its sidecar rows.

    ``entered`` has a row per document that entered ``refine``: ``lang``, ``reason`` (null if it is kept), and
    ``text_bytes`` of its final text, or of the extracted text if it is dropped.
    """

    documents: pa.Table
    edits: pa.Table
    entered: pa.Table


class RefinedText(NamedTuple):
    """The final text of a document, or None and the reason for dropping it.

    ``detail`` names the test item with the most n-grams in a contaminated document. ``spans`` are the edits and
    ``hits`` the test items in the document, both in offsets into the extracted text.
    """

    text: str | None
    reason: str | None
    detail: str | None
    spans: list[Span]
    hits: list[Hit]


class Refiner:
    """Refines blocks. Holds the recognizers and the n-gram index of a worker."""

    def __init__(self, section: RefineSection, index_url: str | None) -> None:
        self.schema = edits_schema(section)
        self.decontaminator = (
            Decontaminator(section.decontaminate, NgramIndex.load(index_url))
            if section.decontaminate and index_url
            else None
        )
        self.redactor = Redactor(section.redact) if section.redact else None
        self.not_redacted = frozenset(section.redact.exclude_sources if section.redact else ())

    def __call__(self, block: pa.Table) -> RefinedBlock:
        enters = pc.and_(block["kept"], pc.invert(block["removed"])).combine_chunks()
        entered = filter_rows(block, enters)
        drafts = [Draft.of(*row) for row in zip(*_columns(entered, "text", "source", "cuts"), strict=True)]
        if "repeated" in entered.column_names:
            (repeated,) = _columns(entered, "repeated")
            drafts = [
                draft.without(spans_from_rows(cuts, "entity")) for draft, cuts in zip(drafts, repeated, strict=True)
            ]
        refined = iter(map(self._refine, drafts, self._hits(drafts)))
        results = [next(refined) if enters_row else _DROPPED_BEFORE for enters_row in enters.to_pylist()]
        kept = pa.array([result.text is not None for result in results], pa.bool_())
        columns = {
            "kept": kept,
            "reason": [result.reason for result in results],
            "detail": [result.detail for result in results],
            "edits": [edit_rows(result.spans) for result in results],
            "hits": [hit_rows(result.hits) for result in results],
        }
        edits = pa.table({name: columns[name] for name in self.schema.names}, schema=self.schema)
        texts = pa.array([result.text for result in results if result.text is not None], pa.large_string())
        final = {"text": texts, "text_bytes": pc.binary_length(texts)}
        documents = set_columns(filter_rows(block.select(DOCUMENT_SCHEMA.names), kept), final)
        sizes = pc.replace_with_mask(block["text_bytes"].combine_chunks(), kept, final["text_bytes"])
        outcomes = {"lang": block["lang"], "reason": edits["reason"], "text_bytes": sizes}
        return RefinedBlock(documents, edits, pa.table(outcomes).filter(enters))

    def refine(self, text: str, source: str, cuts: Sequence[Mapping[str, Any]] = ()) -> RefinedText:
        """Refine one document after removing ``cuts``."""
        draft = Draft.of(text, source, cuts)
        (hits,) = self._hits([draft])
        return self._refine(draft, hits)

    def _hits(self, drafts: Sequence[Draft]) -> list[list[Hit]]:
        if not self.decontaminator:
            return [[] for _ in drafts]
        return self.decontaminator.hits([draft.remaining for draft in drafts])

    def _refine(self, draft: Draft, hits: Sequence[Hit]) -> RefinedText:
        if draft.cuts and not draft.remaining.strip():
            return RefinedText(None, "nothing_left", None, [], [])
        original_hits = [hit.map_to_original(draft.cuts) for hit in hits]
        if self.decontaminator and hits:
            cuts = self.decontaminator.cuts(draft.remaining, hits)
            draft = draft.without(cuts or [])
            if cuts is None or not draft.remaining.strip():
                return RefinedText(None, "contaminated", largest_hit(hits).detail, [], original_hits)
        text = draft.remaining
        if self.redactor is None or draft.source in self.not_redacted or not (spans := self.redactor.find(text)):
            return RefinedText(text, None, None, draft.cuts, original_hits)
        redacted = apply_edits(text, spans, self.redactor.replacements)
        return RefinedText(redacted, None, None, merge_with_cuts(spans, draft.cuts), original_hits)


class Draft(NamedTuple):
    """A document in progress: its extracted text, the cuts so far, and the ``remaining`` text after them."""

    text: str
    source: str
    cuts: list[Span]
    remaining: str

    @classmethod
    def of(cls, text: str, source: str, cuts: Sequence[Mapping[str, Any]] = ()) -> Draft:
        """Return a draft after removing ``cuts``."""
        spans = spans_from_rows(cuts, "rule")
        return cls(text, source, spans, remove_spans(text, spans))

    def without(self, spans: Sequence[Span]) -> Draft:
        """Return the draft after removing ``spans`` of the remaining text."""
        cuts = merge_with_cuts(spans, self.cuts)
        return self._replace(cuts=cuts, remaining=remove_spans(self.text, cuts)) if spans else self


def edits_schema(section: RefineSection) -> pa.Schema:
    """Return the schema of the sidecar, with a column ``hits`` if documents are searched for test items."""
    return EDITS_SCHEMA.append(HITS_FIELD) if section.decontaminate else EDITS_SCHEMA


def _columns(table: pa.Table, *names: str) -> list[list[Any]]:
    return [table[name].to_pylist() for name in names]


_DROPPED_BEFORE = RefinedText(None, None, None, [], [])

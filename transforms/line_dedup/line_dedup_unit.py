"""Units as line deduplication reads them: which documents take part, and with which text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from gristmill.transforms.core.edits import remove_spans, spans_from_rows
from gristmill.transforms.core.row_blocks import AlignedFiles
from gristmill.transforms.line_dedup.repeats_section import RepeatsSection


class LineDedupUnit(NamedTuple):
    """A unit's documents with their sidecars, and the files of its passages if the recipe has passage rules.

    Attributes:
        unit: Key of the unit.
        source: Name of the source.
        documents: The document file with the sidecars that say what is left of each text.
        kept: Number of documents that ``dedup`` kept.
        group: Units of one group are searched for spans, and written, together.
        passages: URL of the passages file (see ``passage_file``); empty without passage rules.
        places: URL of the places file; empty without passage rules.
        passage_count: Number of passages.
    """

    unit: str
    source: str
    documents: AlignedFiles
    kept: int
    group: int = 0
    passages: str = ""
    places: str = ""
    passage_count: int = 0

    def priority(self, sources: Sequence[str]) -> int:
        """The position of the unit's source among ``sources``, best first; sources not among them come last."""
        return sources.index(self.source) if self.source in sources else len(sources)


def kept_documents(block: pa.Table) -> Any:
    """Which documents ``dedup`` kept: bool [rows]."""
    return pc.and_(block["kept"], pc.invert(block["removed"]))


def searched_documents(block: pa.Table, section: RepeatsSection) -> Any:
    """Which documents are searched for repeated text: bool [rows]."""
    excluded = pc.is_in(block["source"].cast(pa.string()), value_set=pa.array(section.exclude_sources, pa.string()))
    return pc.and_(kept_documents(block), pc.invert(excluded))


def texts_after_line_rules(block: pa.Table) -> pa.ChunkedArray:
    """The texts of a block without the lines that the line rules of ``judge`` cut: large_string [rows]."""
    texts = block["text"].cast(pa.large_string())
    if not pc.any(pc.greater(pc.list_value_length(block["cuts"]), 0)).as_py():
        return texts
    rows = zip(texts.to_pylist(), block["cuts"].to_pylist(), strict=True)
    remaining = [remove_spans(text, spans_from_rows(cuts, "rule")) for text, cuts in rows]
    return pa.chunked_array([pa.array(remaining, texts.type)])

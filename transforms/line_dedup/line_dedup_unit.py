"""Units as ``repeats`` reads them: which of their documents take part, with which text, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from gristmill.transforms.core.edits import remove_spans, spans_from_rows
from gristmill.transforms.core.row_blocks import AlignedFiles
from gristmill.transforms.line_dedup.repeats_section import RepeatsSection


class RepeatsUnit(NamedTuple):
    """A unit's documents with their sidecars, and the files of its passages where any are asked for."""

    unit: str
    source: str
    documents: AlignedFiles
    left: int
    """Documents that deduplication left."""
    group: int = 0
    """Of the units that are searched for spans, and written, together."""
    passages: str = ""
    places: str = ""
    hashed: int = 0
    """Passages."""

    def priority(self, sources: Sequence[str]) -> int:
        """The place of its source among ``sources``, best first; those not named come last."""
        return sources.index(self.source) if self.source in sources else len(sources)


def left(block: pa.Table) -> Any:
    """Which documents deduplication left: bool [rows]."""
    return pc.and_(block["kept"], pc.invert(block["removed"]))


def taking_part(block: pa.Table, section: RepeatsSection) -> Any:
    """Which documents are searched for repeats: bool [rows]."""
    excluded = pc.is_in(block["source"].cast(pa.string()), value_set=pa.array(section.exclude_sources, pa.string()))
    return pc.and_(left(block), pc.invert(excluded))


def texts_left(block: pa.Table) -> pa.ChunkedArray:
    """The texts of a block as the line rules of ``judge`` leave them: large_string [rows]."""
    texts = block["text"].cast(pa.large_string())
    if not pc.any(pc.greater(pc.list_value_length(block["cuts"]), 0)).as_py():
        return texts
    rows = zip(texts.to_pylist(), block["cuts"].to_pylist(), strict=True)
    return pa.chunked_array([pa.array([remove_spans(text, spans_from_rows(cuts, "rule")) for text, cuts in rows], texts.type)])

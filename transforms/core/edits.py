"""Replacements in a text, stored as offsets in a sidecar so that the text itself is written only once.

The sidecar has one row per document, in the order of the document file. It names the kind of each replaced range, never
its content: publishing the edits does not publish what they hide.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import pyarrow as pa

EDIT_TYPE = pa.struct([("start", pa.int64()), ("end", pa.int64()), ("entity", pa.string())])

EDITS_SCHEMA = pa.schema(
    [
        pa.field("kept", pa.bool_(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("detail", pa.string()),
        pa.field("edits", pa.list_(EDIT_TYPE), nullable=False),
    ]
)
"""One row per document of ``extract``, in the same order.

``reason`` is why ``refine`` dropped a document: ``contaminated`` (``detail`` names the test item) or ``nothing_left``
after its lines were cut. A document that an earlier stage dropped is not kept and has no reason. ``edits`` are sorted
half-open ranges in characters (code points) of the extracted text; ``entity`` is the kind of what was replaced, or the
rule that removed the range."""


class Span(NamedTuple):
    """Characters ``start`` to ``end`` (exclusive) of a text, the kind of entity there, and a score between 0 and 1."""

    start: int
    end: int
    entity: str
    score: float


def apply_edits(text: str, spans: Sequence[Span], replacements: Mapping[str, str]) -> str:
    """Return ``text`` with each span replaced by its entity's replacement.

    Raises ValueError if spans overlap, are out of order or reach past the text, and KeyError for an entity without a
    replacement.
    """
    pieces: list[str] = []
    position = 0
    for span in spans:
        if not position <= span.start < span.end <= len(text):
            raise ValueError(
                f"edit {span.start}-{span.end} overlaps another one, is out of order or exceeds the text's "
                f"{len(text)} characters"
            )
        pieces += (text[position : span.start], replacements[span.entity])
        position = span.end
    return "".join([*pieces, text[position:]])


def spans_from_rows(cuts: Iterable[Mapping[str, Any]], cause: str) -> list[Span]:
    """Convert the cuts in a row of a sidecar to spans; ``cause`` is the field that becomes the entity."""
    return [Span(cut["start"], cut["end"], cut[cause], 1.0) for cut in cuts]


def remove_spans(text: str, spans: Sequence[Span]) -> str:
    """Return ``text`` without ``spans``. Raises ValueError as ``apply_edits`` does."""
    return apply_edits(text, spans, dict.fromkeys((span.entity for span in spans), "")) if spans else text


def map_to_original(spans: Iterable[Span], cuts: Sequence[Span]) -> list[Span]:
    """Map ``spans`` of a text from which ``cuts`` were removed to offsets in the text before."""
    removed = [0, *accumulate(cut.end - cut.start for cut in cuts)]
    offsets = [cut.start - before for cut, before in zip(cuts, removed, strict=False)]  # in the text after the cuts

    def original(offset: int) -> int:
        return offset + removed[bisect_right(offsets, offset)]

    return [span._replace(start=original(span.start), end=original(span.end - 1) + 1) for span in spans]


def merge_with_cuts(spans: Iterable[Span], cuts: Sequence[Span]) -> list[Span]:
    """Merge ``spans`` of a text from which ``cuts`` were removed with these cuts, as offsets in the text before.

    A cut inside a span is left out: the span covers it.
    """
    mapped = map_to_original(spans, cuts)
    starts = [span.start for span in mapped]

    def is_covered(cut: Span) -> bool:
        before = bisect_right(starts, cut.start) - 1
        return before >= 0 and cut.end <= mapped[before].end

    return sorted([*mapped, *(cut for cut in cuts if not is_covered(cut))])


def edit_rows(spans: Iterable[Span]) -> list[dict[str, int | str]]:
    """Convert spans to a row of the sidecar: offsets and entities, without any text."""
    return [{"start": span.start, "end": span.end, "entity": span.entity} for span in spans]

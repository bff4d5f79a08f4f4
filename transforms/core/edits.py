"""Edits: what is replaced in a document, kept beside it as offsets, so that the text itself is written only once.

A sidecar has one row a document, in the document file's order, and names the kind of what was found, never its
content: publishing an edit list does not publish what it hides.
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
"""One row a document of ``extract``, in its order. ``reason`` is why a document that came as far as ``refine`` was
dropped (``contaminated``, and ``detail`` names the test item; ``nothing_left`` after its lines were cut); one that was
dropped before is not kept and has no reason. ``edits`` are sorted half-open ranges, in characters (code points) of the
extracted text; ``entity`` says what was replaced, or which rule cut the range out."""


class Span(NamedTuple):
    """Characters ``start`` to ``end`` (exclusive) of a text are an ``entity``, with a score between 0 and 1."""

    start: int
    end: int
    entity: str
    score: float


def apply_edits(text: str, spans: Sequence[Span], replacements: Mapping[str, str]) -> str:
    """``text`` with each span replaced by its entity's replacement.

    Raises ValueError where spans overlap, are out of order or reach past the text, and KeyError for an entity that
    has no replacement.
    """
    pieces: list[str] = []
    done = 0
    for span in spans:
        if not done <= span.start < span.end <= len(text):
            raise ValueError(f"edit {span.start}-{span.end} is out of order or out of a text of {len(text)} characters")
        pieces += (text[done : span.start], replacements[span.entity])
        done = span.end
    return "".join([*pieces, text[done:]])


def spans_of(cuts: Iterable[Mapping[str, Any]], cause: str) -> list[Span]:
    """Rows of a sidecar's cuts as spans; ``cause`` is the field that says why."""
    return [Span(cut["start"], cut["end"], cut[cause], 1.0) for cut in cuts]


def cut_out(text: str, spans: Sequence[Span]) -> str:
    """``text`` without ``spans``. Raises ValueError as ``apply_edits`` does."""
    return apply_edits(text, spans, dict.fromkeys((span.entity for span in spans), "")) if spans else text


def in_original(spans: Iterable[Span], cuts: Sequence[Span]) -> list[Span]:
    """``spans``, found in a text after ``cuts`` were taken out of it, in places of the text before."""
    removed = [0, *accumulate(cut.end - cut.start for cut in cuts)]
    places = [cut.start - before for cut, before in zip(cuts, removed, strict=False)]  # in the text after the cuts

    def original(place: int) -> int:
        return place + removed[bisect_right(places, place)]

    return [span._replace(start=original(span.start), end=original(span.end - 1) + 1) for span in spans]


def before_cuts(spans: Iterable[Span], cuts: Sequence[Span]) -> list[Span]:
    """``spans``, found in a text after ``cuts`` were taken out of it, and the cuts, in places of the text before.

    A cut inside a span is part of it.
    """
    found = in_original(spans, cuts)
    starts = [span.start for span in found]

    def covered(cut: Span) -> bool:
        before = bisect_right(starts, cut.start) - 1
        return before >= 0 and cut.end <= found[before].end

    return sorted([*found, *(cut for cut in cuts if not covered(cut))])


def edit_row(spans: Iterable[Span]) -> list[dict[str, int | str]]:
    """A document's edits as its row of the sidecar has them: places and kinds, and nothing of the text."""
    return [{"start": span.start, "end": span.end, "entity": span.entity} for span in spans]

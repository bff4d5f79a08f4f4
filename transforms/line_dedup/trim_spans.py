"""Trims spans to whole words, so that what is cut from a text leaves no parts of words.

Two texts that share a sentence often share the last letters before it too, and the search for spans compares bytes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gristmill.corpus.arrays import Int64s
from gristmill.corpus.character_tables import BREAK, begins_word, code_points, kinds_of

_MAX_WORD = 64
"""Characters of the longest word that is kept whole."""
_CONTEXT = 4
"""Characters read before a span, since the kind of a combining mark is that of its base character."""


class TextSpans(NamedTuple):
    """n non-empty spans, parallel: index of the text, and half-open range of its characters."""

    text: Int64s
    start: Int64s
    end: Int64s


def trim_spans(texts: pa.Array, spans: pa.Array) -> TextSpans:
    """``spans`` (``SPANS_TYPE``) of ``texts``, without the parts of words at their ends."""
    text = pc.list_parent_indices(spans).to_numpy().astype(np.int64)
    start, end = (pc.struct_field(pc.list_flatten(spans), name).to_numpy() for name in ("start", "end"))
    snippets: list[str] = []
    reaches_end: list[bool] = []
    index, whole = -1, ""
    for span_text, begin, stop in zip(text.tolist(), start.tolist(), end.tolist(), strict=True):
        if span_text != index:
            index, whole = span_text, texts[span_text].as_py()
        snippets += (whole[max(begin - _CONTEXT, 0) : begin + _MAX_WORD], whole[max(stop - _MAX_WORD, 0) : stop + 1])
        reaches_end.append(begin + _MAX_WORD >= len(whole))
    kinds = kinds_of(code_points("\n".join((*snippets, ""))))
    edges = np.append(0, np.cumsum([len(snippet) + 1 for snippet in snippets], dtype=np.int64))[:-1]
    first, last = edges[::2] + np.minimum(start, _CONTEXT), edges[1::2] + np.minimum(end, _MAX_WORD)
    is_break, is_start = kinds == BREAK, begins_word(kinds)
    splits_word = ~(is_break | is_start)
    bounds = np.flatnonzero(~splits_word)
    after = bounds[np.searchsorted(bounds, first)]  # the snippet's line feed at the latest
    starts = np.flatnonzero(is_start)
    before = starts[np.searchsorted(starts, last, side="right") - 1] if len(starts) else last
    ends = (after < edges[1::2] - 1) | np.array(reaches_end, bool)  # the word ends in its snippet
    new_start = start + np.where(splits_word[first] & (start > 0) & ends, after - first, 0)
    new_end = end - np.where(splits_word[last] & (before >= edges[1::2] + (end > _MAX_WORD)), last - before, 0)
    left = new_start < new_end
    return TextSpans(text[left], new_start[left], new_end[left])

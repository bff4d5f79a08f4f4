"""Spans without the parts of words at their ends: what is cut out of a text leaves whole words.

Two texts that share a sentence often share the last letters before it, too, and bytes know no words.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gristmill.corpus.character_tables import BREAK, begins_word, code_points, kinds_of
from gristmill.transforms.line_dedup.passage_hashes import Integers

_LOOK = 64
"""Characters of a word at most: what has more is none, and is cut apart."""
_BASE = 4
"""Characters before a span that are looked at, since a mark is of the kind of what it stands on."""


class Trimmed(NamedTuple):
    """n spans of texts, parallel, none of them empty: the text's place, and half-open characters of it."""

    text: Integers
    start: Integers
    end: Integers


def trimmed(texts: pa.Array, spans: pa.Array) -> Trimmed:
    """``spans`` (``SPANS_TYPE``) of ``texts``, each begun after and ended before a word that it would cut apart."""
    text = pc.list_parent_indices(spans).to_numpy().astype(np.int64)
    start, end = (pc.struct_field(pc.list_flatten(spans), name).to_numpy() for name in ("start", "end"))
    snippets: list[str] = []
    place, whole = -1, ""
    for one, begin, stop in zip(text.tolist(), start.tolist(), end.tolist(), strict=True):
        if one != place:
            place, whole = one, texts[one].as_py()
        snippets += (whole[max(begin - _BASE, 0) : begin + _LOOK], whole[max(stop - _LOOK, 0) : stop + 1])
    kinds = kinds_of(code_points("\n".join((*snippets, ""))))
    edges = np.append(0, np.cumsum([len(snippet) + 1 for snippet in snippets], dtype=np.int64))[:-1]
    first, last = edges[::2] + np.minimum(start, _BASE), edges[1::2] + np.minimum(end, _LOOK)
    broken, begun = kinds == BREAK, begins_word(kinds)
    apart = ~(broken | begun)  # where a cut would go through a word
    bounds = np.flatnonzero(~apart)
    after = bounds[np.searchsorted(bounds, first)]  # a line feed at the latest
    starts = np.flatnonzero(begun)
    before = starts[np.searchsorted(starts, last, side="right") - 1] if len(starts) else last
    moved = start + np.where(apart[first] & (start > 0) & (after < edges[1::2] - 1), after - first, 0)
    ended = end - np.where(apart[last] & (before >= edges[1::2] + (end > _LOOK)), last - before, 0)
    held = moved < ended
    return Trimmed(text[held], moved[held], ended[held])

"""Texts as UTF-8 in one array, some at a time: what functions over arrays work on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_RUN_BYTES = 2**20


class TextRun(NamedTuple):
    """UTF-8 of some texts: text i is ``data[ends[i] : ends[i + 1]]``."""

    data: NDArray[np.uint8]
    ends: NDArray[np.int64]


def text_runs(texts: pa.Array) -> Iterator[TextRun]:
    """``texts``, none of them null, in runs of about a megabyte, or of one text that is longer. Nothing is copied."""
    large = texts.cast(pa.large_string())
    _, offsets, buffer = large.buffers()
    ends = np.frombuffer(offsets, np.int64)[large.offset : large.offset + len(large) + 1]
    data = np.frombuffer(buffer, np.uint8) if buffer else np.empty(0, np.uint8)
    first = 0
    while first < len(large):
        after = int(np.searchsorted(ends, ends[first] + _RUN_BYTES, side="right"))
        last = min(max(after - 1, first + 1), len(large))
        yield TextRun(data[ends[first] : ends[last]], ends[first : last + 1] - ends[first])
        first = last

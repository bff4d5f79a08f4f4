"""Runs of texts: several texts as one UTF-8 array, for vectorized functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from gristmill.corpus.arrays import Int64s, UInt8s

_RUN_BYTES = 2**20


class TextRun(NamedTuple):
    """The UTF-8 bytes of several texts: text i is ``data[offsets[i] : offsets[i + 1]]``."""

    data: UInt8s
    offsets: Int64s


def text_runs(texts: pa.Array) -> Iterator[TextRun]:
    """Yield ``texts`` (without nulls) in runs of about a megabyte; a longer text is a run by itself. Copies nothing."""
    large = texts.cast(pa.large_string())
    _, offset_buffer, buffer = large.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64)[large.offset : large.offset + len(large) + 1]
    data = np.frombuffer(buffer, np.uint8) if buffer else np.empty(0, np.uint8)
    first = 0
    while first < len(large):
        after = int(np.searchsorted(offsets, offsets[first] + _RUN_BYTES, side="right"))
        last = min(max(after - 1, first + 1), len(large))
        yield TextRun(data[offsets[first] : offsets[last]], offsets[first : last + 1] - offsets[first])
        first = last

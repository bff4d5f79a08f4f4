"""Reference implementations for the tests of deduplication: one document at a time, in plain Python."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa

from gristmill.corpus.arrays import UInt32s
from gristmill.corpus.multilinear_hash import shingle_hashes
from gristmill.corpus.words import word_hashes
from gristmill.transforms.dedup.shingles import ShingleSets


def shingle_set(text: str, ngram: int) -> UInt32s:
    """The shingles of a text, ascending."""
    return np.unique((shingle_hashes(word_hashes(text), ngram) >> np.uint64(32)).astype(np.uint32))


def jaccard(left: Collection[int], right: Collection[int]) -> float:
    """The Jaccard similarity of two sets, rounded to four digits; 1 for two empty sets."""
    common = len({*left} & {*right})
    return rounded(common, len(left) + len(right) - common)


def rounded(common: int, union: int) -> float:
    """``common / union`` rounded to four digits, half to even."""
    return round(10_000 * common / union) / 10_000 if union else 1.0


def as_sets(sets: Sequence[UInt32s]) -> ShingleSets:
    """The sets, concatenated."""
    counts = np.array([len(one) for one in sets], np.int64)
    return ShingleSets(np.concatenate([np.empty(0, np.uint32), *sets]), counts)


def column(texts: Sequence[str]) -> pa.ChunkedArray:
    """Texts as a column of a document file."""
    return pa.chunked_array([pa.array(texts, pa.large_string())])

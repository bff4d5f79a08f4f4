"""The documents that the tokenizer is trained on: a deterministic sample within a budget of bytes.

A document is sampled if the hash of its id is below the threshold of its source. So the sample does not depend on
order, units or workers, and a larger budget only adds documents. Sources have equal shares of the budget; a source
smaller than its share is used completely, and the rest of its share goes to the others (max-min fairness). With
proportional shares the tokenizer would be trained on little but the largest source.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from gristmill.corpus.arrays import Bools, UInt64s
from gristmill.tokenization.id_hashing import hash_ids, hash_key

EVERYTHING = 1 << 64
"""The threshold above every hash."""


class SampleWork(NamedTuple):
    """Document files, each with the sampling threshold of its source, and the number of rows by their receipts."""

    files: tuple[tuple[str, int], ...]
    seed: int
    rows: int


def sample_thresholds(source_bytes: Mapping[str, int], budget: int) -> dict[str, int]:
    """Return the threshold of each source: its sampled fraction × 2**64, in [0, 2**64].

    ``source_bytes`` is the size of each source's text in bytes of UTF-8, ``budget`` the total to sample. Exact in
    integers.
    """
    thresholds = {}
    remaining = budget
    smallest_first = sorted(source_bytes.items(), key=lambda item: (item[1], item[0]))
    for rank, (source, size) in enumerate(smallest_first):
        share = min(size, remaining // (len(smallest_first) - rank))
        thresholds[source] = EVERYTHING * share // size if size else EVERYTHING
        remaining -= share
    return thresholds


def sampled(ids: UInt64s, threshold: int, seed: int) -> Bools:
    """Return which documents are sampled: bool [documents]. ``ids`` are from ``id_hashing.id_words``."""
    if threshold >= EVERYTHING:
        return np.ones(len(ids), bool)
    result: Bools = hash_ids(ids, hash_key("sample", seed)) < np.uint64(threshold)
    return result

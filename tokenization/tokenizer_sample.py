"""Which documents the tokenizer is trained on: a deterministic sample within a budget of bytes.

A document is in if the hash of its id is below its source's threshold; so the sample does not depend on order, units
or workers, and a larger budget only adds documents. The budget is shared equally between sources; a source smaller than
its share gives all, and what it leaves goes to the others (max-min fairness). Equal shares, since a tokenizer fed in
proportion would know little but the largest source.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gristmill.corpus.arrays import Bools, UInt64s
from gristmill.tokenization.id_hashing import hash_ids, hash_key

EVERYTHING = 1 << 64
"""The threshold below which every hash lies."""


def sample_thresholds(source_bytes: Mapping[str, int], budget: int) -> dict[str, int]:
    """For each source, the number in [0, 2**64] below which a document's hash must lie: its sampled fraction × 2**64.

    ``source_bytes`` is each source's text in bytes of UTF-8, ``budget`` the bytes wanted in all. Exact in integers.
    """
    thresholds = {}
    left = budget
    smallest_first = sorted(source_bytes.items(), key=lambda item: (item[1], item[0]))
    for rank, (source, size) in enumerate(smallest_first):
        share = min(size, left // (len(smallest_first) - rank))
        thresholds[source] = EVERYTHING * share // size if size else EVERYTHING
        left -= share
    return thresholds


def sampled(ids: UInt64s, threshold: int, seed: int) -> Bools:
    """Which of ``ids`` (see :func:`~gristmill.tokenization.id_hashing.id_words`) are in the sample, shape (documents,)."""
    if threshold >= EVERYTHING:
        return np.ones(len(ids), bool)
    return hash_ids(ids, hash_key("sample", seed)) < np.uint64(threshold)

"""Signing: from texts to what documents are compared by, many at a time.

Words are hashed once, straight from Arrow's UTF-8; shingles, their sets, minima and bands are arithmetic on the arrays
of a run of texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gristmill.corpus.words import hashes_of_texts
from gristmill.transforms.dedup.minhash import MinHasher
from gristmill.transforms.dedup.section import Verify
from gristmill.transforms.dedup.shingles import Integers, UInt32s, UInt64s, shingle_sets

HASH_BYTES = 16

_RUN_BYTES = 2**20  # of text

Bytes: TypeAlias = NDArray[np.uint8]


class Signed(NamedTuple):
    """What a block of n documents is compared by."""

    words: UInt32s
    shingles: UInt32s
    """Distinct ones."""
    text_hash: list[bytes]
    bands: UInt64s
    """[n, bands]"""
    sketches: UInt32s
    """What verification compares, one document's after another's: see ``sketch_length``."""


def text_hash(words: UInt64s) -> bytes:
    """16 bytes that equal those of another document iff the normalised words are the same, in the same order."""
    return blake2b(np.ascontiguousarray(words, "<u8").data, digest_size=HASH_BYTES).digest()


def sketch_lengths(shingles: Integers, hasher: MinHasher, verify: Verify) -> Integers:
    """How many values the sketch of each document has: its shingles, its whole signature, or nothing."""
    match verify:
        case "exact":
            return shingles
        case "estimate":
            return np.full(len(shingles), hasher.bands * hasher.rows)
        case "none":
            return np.zeros(len(shingles), np.int64)


def sign(texts: pa.ChunkedArray, hasher: MinHasher, ngram: int, verify: Verify = "exact") -> Signed:
    """Sign texts, of which none is null. Memory beyond texts and result holds a run, or one long document."""
    parts = [_sign_run(run, hasher, ngram, verify) for chunk in texts.chunks for run in _runs(chunk)]
    nothing = np.empty(0, np.uint32)
    empty = Signed(nothing, nothing, [], np.empty((0, hasher.bands), np.uint64), nothing)
    words, shingles, hashes, bands, sketches = zip(empty, *parts, strict=True)
    return Signed(
        np.concatenate(words),
        np.concatenate(shingles),
        [one for some in hashes for one in some],
        np.concatenate(bands),
        np.concatenate(sketches),
    )


class _Run(NamedTuple):
    """UTF-8 of some texts: text i is ``data[ends[i] : ends[i + 1]]``."""

    data: Bytes
    ends: list[int]


def _runs(texts: pa.Array) -> Iterator[_Run]:
    large = texts.cast(pa.large_string())
    _, offsets, buffer = large.buffers()
    ends = np.frombuffer(offsets, np.int64)[large.offset : large.offset + len(large) + 1]
    data = np.frombuffer(buffer, np.uint8) if buffer else np.empty(0, np.uint8)
    first = 0
    while first < len(large):
        after = int(np.searchsorted(ends, ends[first] + _RUN_BYTES, side="right"))
        last = min(max(after - 1, first + 1), len(large))
        yield _Run(data[ends[first] : ends[last]], (ends[first : last + 1] - ends[first]).tolist())
        first = last


def _sign_run(run: _Run, hasher: MinHasher, ngram: int, verify: Verify) -> Signed:
    words, counts = hashes_of_texts(run.data, run.ends)
    stops = counts.cumsum().tolist()
    hashes = [text_hash(words[stop - count : stop]) for stop, count in zip(stops, counts.tolist(), strict=True)]
    sets = shingle_sets(words, counts, ngram)
    signatures = hasher.signatures(sets)
    sketches = {"exact": sets.values, "estimate": signatures.ravel(), "none": sets.values[:0]}[verify]
    return Signed(
        counts.astype(np.uint32), sets.counts.astype(np.uint32), hashes, hasher.band_hashes(signatures), sketches
    )

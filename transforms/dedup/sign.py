"""Signing: from texts to what documents are compared by, many at a time.

Words are hashed once, straight from Arrow's UTF-8; shingles, their sets, minima and bands are arithmetic on the arrays
of a run of texts.
"""

from __future__ import annotations

from hashlib import blake2b
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from gristmill.corpus.words import character_hashes, hashes_of_texts
from gristmill.transforms.core.text_runs import TextRun, text_runs
from gristmill.transforms.dedup.dedup_section import Comparison, DedupSection, Shingle
from gristmill.transforms.dedup.minhash import MinHasher
from gristmill.transforms.dedup.shingles import Integers, Sets, UInt32s, UInt64s, shingle_sets
from gristmill.transforms.dedup.simhash import SimHasher

HASH_BYTES = 16


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


class Hasher(Protocol):
    """What makes signatures of sets of shingles, and buckets of signatures."""

    @property
    def bands(self) -> int:
        """Buckets that a document is in."""

    @property
    def width(self) -> int:
        """Values in a signature."""

    def signatures(self, sets: Sets) -> UInt32s:
        """uint32 [sets, width]"""

    def band_hashes(self, signatures: UInt32s) -> UInt64s:
        """uint64 [documents, bands], the number of the band in the low 12 bits"""


def hasher_of(section: DedupSection) -> Hasher:
    """MinHash, or SimHash where the recipe wants that."""
    return MinHasher.of(section) if section.simhash is None else SimHasher(section.simhash.distance)


def sketch_lengths(shingles: Integers, hasher: Hasher, comparison: Comparison) -> Integers:
    """How many values the sketch of each document has: its shingles, its whole signature, or nothing."""
    match comparison:
        case "exact":
            return shingles
        case "estimate" | "hamming":
            return np.full(len(shingles), hasher.width)
        case "none":
            return np.zeros(len(shingles), np.int64)


def sign(
    texts: pa.ChunkedArray, hasher: Hasher, ngram: int, comparison: Comparison = "exact", shingle: Shingle = "words"
) -> Signed:
    """Sign texts, of which none is null. Memory beyond texts and result holds a run, or one long document."""
    parts = [_sign_run(run, hasher, ngram, comparison, shingle) for chunk in texts.chunks for run in text_runs(chunk)]
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


def _sign_run(run: TextRun, hasher: Hasher, ngram: int, comparison: Comparison, shingle: Shingle) -> Signed:
    words, counts = hashes_of_texts(run.data, run.ends)
    stops = counts.cumsum().tolist()
    hashes = [text_hash(words[stop - count : stop]) for stop, count in zip(stops, counts.tolist(), strict=True)]
    sets = shingle_sets(words, counts, ngram) if shingle == "words" else shingle_sets(*_characters(run), ngram)
    signatures = hasher.signatures(sets)
    whole = signatures.ravel()
    sketches = {"exact": sets.values, "estimate": whole, "hamming": whole, "none": sets.values[:0]}[comparison]
    return Signed(
        counts.astype(np.uint32), sets.counts.astype(np.uint32), hashes, hasher.band_hashes(signatures), sketches
    )


def _characters(run: TextRun) -> tuple[UInt64s, Integers]:
    """(hashes of the characters of all texts, how many each has)."""
    hashes = [character_hashes(run.data[begin:end].tobytes().decode()) for begin, end in pairwise(run.ends.tolist())]
    return np.concatenate([np.empty(0, np.uint64), *hashes]), np.array([len(one) for one in hashes], np.int64)

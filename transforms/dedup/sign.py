"""Signing: computes what texts are compared by, for many texts at once.

Words are hashed once, straight from Arrow's UTF-8. Shingle sets, signatures and bands are array operations on runs of
texts.
"""

from __future__ import annotations

from hashlib import blake2b
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from gristmill.corpus.arrays import Int64s, UInt32s, UInt64s
from gristmill.corpus.words import character_hashes, hashes_of_texts
from gristmill.transforms.core.text_runs import TextRun, text_runs
from gristmill.transforms.dedup.dedup_section import Comparison, DedupSection, Shingle
from gristmill.transforms.dedup.minhash import MinHasher
from gristmill.transforms.dedup.shingles import ShingleSets, shingle_sets
from gristmill.transforms.dedup.simhash import SimHasher

HASH_BYTES = 16


class SignedTexts(NamedTuple):
    """What n texts are compared by.

    Attributes:
        words: Number of words of each text.
        shingles: Number of distinct shingles of each text.
        text_hash: ``text_hash`` of each text.
        bands: Band hashes [n, bands].
        sketches: What verification compares, concatenated; for the length of each see ``sketch_lengths``.
    """

    words: UInt32s
    shingles: UInt32s
    text_hash: list[bytes]
    bands: UInt64s
    sketches: UInt32s


def text_hash(words: UInt64s) -> bytes:
    """16 bytes that equal those of another text if and only if the normalized words are the same, in the same order."""
    return blake2b(np.ascontiguousarray(words, "<u8").data, digest_size=HASH_BYTES).digest()


class SignatureHasher(Protocol):
    """Computes signatures from shingle sets, and bands from signatures."""

    @property
    def bands(self) -> int:
        """Number of buckets that a document is in."""

    @property
    def width(self) -> int:
        """Number of values in a signature."""

    def signatures(self, sets: ShingleSets) -> UInt32s:
        """Returns uint32 [sets, width]."""

    def band_hashes(self, signatures: UInt32s) -> UInt64s:
        """Returns uint64 [documents, bands], with the number of the band in the low 12 bits."""


def create_hasher(section: DedupSection) -> SignatureHasher:
    """MinHash, or SimHash if the recipe says so."""
    return MinHasher.from_section(section) if section.simhash is None else SimHasher(section.simhash.distance)


def sketch_lengths(shingles: Int64s, hasher: SignatureHasher, comparison: Comparison) -> Int64s:
    """The number of values in the sketch of each document: its shingles, its signature, or none."""
    match comparison:
        case "exact":
            return shingles
        case "estimate" | "hamming":
            return np.full(len(shingles), hasher.width)
        case "none":
            return np.zeros(len(shingles), np.int64)


def sign_texts(
    texts: pa.ChunkedArray,
    hasher: SignatureHasher,
    ngram: int,
    comparison: Comparison = "exact",
    shingle: Shingle = "words",
) -> SignedTexts:
    """Sign texts, none of them null. Memory beyond texts and result is that of one run, or one long text."""
    parts = [_sign_run(run, hasher, ngram, comparison, shingle) for chunk in texts.chunks for run in text_runs(chunk)]
    nothing = np.empty(0, np.uint32)
    empty = SignedTexts(nothing, nothing, [], np.empty((0, hasher.bands), np.uint64), nothing)
    words, shingles, hashes, bands, sketches = zip(empty, *parts, strict=True)
    return SignedTexts(
        np.concatenate(words),
        np.concatenate(shingles),
        [text_hash for run_hashes in hashes for text_hash in run_hashes],
        np.concatenate(bands),
        np.concatenate(sketches),
    )


def _sign_run(
    run: TextRun, hasher: SignatureHasher, ngram: int, comparison: Comparison, shingle: Shingle
) -> SignedTexts:
    words, counts = hashes_of_texts(run.data, run.offsets)
    stops = counts.cumsum().tolist()
    hashes = [text_hash(words[stop - count : stop]) for stop, count in zip(stops, counts.tolist(), strict=True)]
    sets = shingle_sets(words, counts, ngram) if shingle == "words" else shingle_sets(*_characters(run), ngram)
    signatures = hasher.signatures(sets)
    flat = signatures.ravel()
    sketches = {"exact": sets.values, "estimate": flat, "hamming": flat, "none": sets.values[:0]}[comparison]
    return SignedTexts(
        counts.astype(np.uint32), sets.counts.astype(np.uint32), hashes, hasher.band_hashes(signatures), sketches
    )


def _characters(run: TextRun) -> tuple[UInt64s, Int64s]:
    """(concatenated hashes of the characters of all texts, number of characters of each)."""
    hashes = [character_hashes(run.data[begin:end].tobytes().decode()) for begin, end in pairwise(run.offsets.tolist())]
    return np.concatenate([np.empty(0, np.uint64), *hashes]), np.array([len(own) for own in hashes], np.int64)

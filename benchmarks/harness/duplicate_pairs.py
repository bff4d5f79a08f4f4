"""Pairs of similar pages: their true similarity, which of them share a band, and which pass verification.

The true similarity is the Jaccard similarity of the sets of word 5-grams, as strings, for every pair of pages.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array

from gristmill.corpus.arrays import Bools, Float64s, Int64s, UInt32s, UInt64s
from gristmill.corpus.words import normalize
from gristmill.transforms.dedup.buckets import BucketMembers
from gristmill.transforms.dedup.dedup_section import DedupSection, Verify
from gristmill.transforms.dedup.minhash import MinHasher
from gristmill.transforms.dedup.rank import RankedDocuments
from gristmill.transforms.dedup.removals import MatchRule, find_removals
from gristmill.transforms.dedup.sign import sign_texts, sketch_lengths
from gristmill.transforms.dedup.signature_file import take_runs

_NGRAM = 5
_PAIRS_AT_ONCE = 10_000


class PagePairs(NamedTuple):
    """Pages, and all pairs of them with a word 5-gram in common: positions of the two pages, and their similarity."""

    texts: list[str]
    left: Int64s
    right: Int64s
    similarity: Float64s


def compare_pages(texts: list[str]) -> PagePairs:
    """Return the true similarity of every pair of pages that has a word 5-gram in common."""
    sets = [_ngrams(normalize(text).split(" ")) for text in texts]
    numbers: dict[str, int] = {}
    columns = [numbers.setdefault(ngram, len(numbers)) for ngrams in sets for ngram in ngrams]
    sizes = np.array([len(ngrams) for ngrams in sets])
    ends = np.concatenate([[0], sizes.cumsum()])
    matrix = csr_array((np.ones(len(columns), np.int32), columns, ends), shape=(len(sets), len(numbers)))
    common = (matrix @ matrix.T).tocoo()
    upper = common.row < common.col
    left, right, count = common.row[upper].astype(np.int64), common.col[upper].astype(np.int64), common.data[upper]
    return PagePairs(texts, left, right, np.round(count / (sizes[left] + sizes[right] - count), 4))


def candidate_pairs(pages: PagePairs, seed: int) -> Bools:
    """Return whether each pair shares a band."""
    bands, rows = DedupSection().banding
    signed = sign_texts(_column(pages.texts), MinHasher(bands, rows, seed), _NGRAM, "none")
    shares_band = np.zeros(len(pages.left), bool)
    for band in range(bands):
        shares_band |= signed.bands[pages.left, band] == signed.bands[pages.right, band]
    return shares_band


def predicted_recall(similarity: Float64s) -> float:
    """Return the expected share of pairs of the given similarities that share a band, by the S-curve of the bands."""
    bands, rows = DedupSection().banding
    return float(np.mean(1 - (1 - similarity**rows) ** bands))


def precision(pages: PagePairs, candidates: Bools, threshold: float, mode: Verify) -> float:
    """Return the share of the candidates that pass verification which reach the threshold."""
    section = DedupSection(threshold=threshold, verify=mode)
    hasher = MinHasher.from_section(section)
    signed = sign_texts(_column(pages.texts), hasher, section.ngram, mode)
    lengths = sketch_lengths(signed.shingles.astype(np.int64), hasher, mode)
    starts = lengths.cumsum() - lengths
    rule = MatchRule(threshold, mode, hasher.bands)
    blocks = []
    for pairs in np.array_split(np.flatnonzero(candidates), 1 + candidates.sum() // _PAIRS_AT_ONCE):
        documents = np.stack([pages.left[pairs], pages.right[pairs]], axis=1).ravel()
        blocks.append(_verified(signed.sketches, starts[documents], lengths[documents], rule))
    verified = np.concatenate(blocks)
    return float(np.mean((pages.similarity >= threshold)[candidates][verified])) if verified.any() else 1.0


def _verified(sketches: UInt32s, starts: Int64s, lengths: Int64s, rule: MatchRule) -> Bools:
    """Whether each pair matches, with each pair alone in a bucket; rows 2n and 2n + 1 are the documents of a pair."""
    nodes = np.arange(len(starts), dtype=np.uint64)
    ranked = RankedDocuments(nodes, np.arange(len(nodes)), lengths, np.zeros(len(nodes), bool))
    members = BucketMembers(nodes // np.uint64(2) << np.uint64(12), nodes)

    def fetch_sketches(wanted: UInt64s) -> UInt32s:
        rows = wanted.astype(np.int64)
        return take_runs(sketches, starts[rows], lengths[rows])

    is_removed = np.zeros(len(nodes), bool)
    is_removed[find_removals(ranked, members, fetch_sketches, rule).node.astype(np.int64)] = True
    return is_removed[1::2]


def _ngrams(words: list[str]) -> set[str]:
    return {" ".join(words[at : at + _NGRAM]) for at in range(max(len(words) - _NGRAM + 1, 1))}


def _column(texts: list[str]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(texts, pa.large_string())])

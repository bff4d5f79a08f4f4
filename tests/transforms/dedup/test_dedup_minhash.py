"""Signatures against a plain loop; estimates against the true similarity and against datasketch."""

from __future__ import annotations

import numpy as np
import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.corpus.arrays import UInt32s
from gristmill.transforms.dedup import minhash
from gristmill.transforms.dedup.dedup_section import DedupSection
from gristmill.transforms.dedup.minhash import BAND_MASK, MinHasher
from tests.transforms.dedup.dedup_reference import as_sets

RNG = np.random.default_rng(20240501)


def _random(count: int) -> UInt32s:
    return RNG.integers(0, 2**32, count, dtype=np.uint32)


def _signatures(hasher: MinHasher, sets: list[UInt32s]) -> UInt32s:
    return hasher.signatures(as_sets(sets))


def _by_hand(hasher: MinHasher, shingles: UInt32s) -> list[int]:
    factors, summands = (p.tolist() for p in hasher._permutations)
    hashes = shingles.tolist()
    return [
        min([(a * h + b) % 2**32 for h in hashes], default=2**32 - 1) for a, b in zip(factors, summands, strict=True)
    ]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, 2**32 - 1), max_size=12), max_size=8))
def test_signatures_are_minima_over_each_document(documents: list[list[int]]) -> None:
    hasher = MinHasher(bands=3, rows=2, seed=5)
    sets = [np.array(d, np.uint32) for d in documents]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(minhash, "_BLOCK", 7)  # documents begin in, end in and span blocks in all ways
        found = _signatures(hasher, sets)
    assert found.tolist() == [_by_hand(hasher, s) for s in sets]


def test_signatures_do_not_depend_on_blocks() -> None:
    hasher = MinHasher(2, 2, seed=1)
    sets = [_random(n) for n in (minhash._BLOCK, 1, 0, 3 * minhash._BLOCK + 5, 0)]
    assert _signatures(hasher, sets).tolist() == [_signatures(hasher, [s])[0].tolist() for s in sets]


def test_permutations_are_bijections_that_depend_on_the_seed() -> None:
    first, again, other = (MinHasher(14, 8, seed)._permutations for seed in (1, 1, 2))
    assert (first[0] % 2 == 1).all()
    assert len(np.unique(first[0])) == len(np.unique(first[1])) == 112
    assert np.array_equal(first, again)
    assert not np.intersect1d(first[0], other[0]).size


@pytest.mark.parametrize("shared", [0, 300, 700, 900])
def test_estimates_are_as_accurate_as_ideal_permutations_and_datasketch(shared: int) -> None:
    """40 pairs, 1024 permutations: the mean is within 5 standard errors, the variance that of a binomial."""
    permutations, pairs = 1024, 40
    hasher = MinHasher(128, 8, seed=3)
    estimates, reference = [], []
    for _ in range(pairs):
        common = _random(shared)
        sets = [np.concatenate([common, _random(1000 - shared)]) for _ in range(2)]
        left, right = _signatures(hasher, sets)
        estimates.append(np.mean(left == right))
        sketches = [MinHash(permutations, hashfunc=lambda value: value) for _ in sets]
        for sketch, shingles in zip(sketches, sets, strict=True):
            sketch.update_batch(shingles.tolist())
        reference.append(sketches[0].jaccard(sketches[1]))
    truth = shared / (2000 - shared)
    error = max(np.sqrt(truth * (1 - truth) / permutations), 1e-9)
    bound = 5 * error / np.sqrt(pairs)
    assert abs(np.mean(estimates) - truth) <= bound
    assert abs(np.mean(reference) - truth) <= bound
    if shared:
        assert 0.6 * error < np.std(estimates) < 1.5 * error


def test_band_hashes_depend_on_values_and_band() -> None:
    hasher = MinHasher(bands=3, rows=2, seed=0)
    same_everywhere = np.tile(np.array([[7, 9]], np.uint32), (1, 3))
    swapped = np.array([[9, 7, 7, 9, 7, 8]], np.uint32)
    (first,), (second,) = hasher.band_hashes(same_everywhere), hasher.band_hashes(swapped)
    assert len(set(first.tolist())) == 3
    assert (first == second).tolist() == [False, True, False]
    assert (first & BAND_MASK).tolist() == [0, 1, 2]
    assert first.dtype == np.uint64


def test_share_of_candidate_pairs_follows_the_s_curve() -> None:
    """400 pairs of similarity 0.75, 14 bands of 8 rows: 77.2 % share a band, within four standard errors."""
    hasher = MinHasher.from_section(DedupSection())
    sets = []
    for _ in range(400):
        common = _random(600)
        sets += [np.concatenate([common, _random(100)]) for _ in range(2)]
    bands = hasher.band_hashes(_signatures(hasher, sets))
    met = np.mean((bands[::2] == bands[1::2]).any(axis=1))
    expected = 1 - (1 - 0.75**8) ** 14
    assert abs(met - expected) < 4 * np.sqrt(expected * (1 - expected) / 400)

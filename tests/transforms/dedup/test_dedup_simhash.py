"""SimHash: fingerprints bit by bit, tables that miss no pair, and all steps against comparing all pairs."""

from __future__ import annotations

import gzip
import json
from itertools import combinations, islice
from math import comb
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.corpus.arrays import UInt32s, UInt64s
from gristmill.corpus.multilinear_hash import mix64
from gristmill.transforms.dedup.buckets import shared_buckets
from gristmill.transforms.dedup.dedup_section import DedupSection, SimHashSection
from gristmill.transforms.dedup.greedy_pass import EXACT, NEAR, NOT_COMPARED, WHOLE
from gristmill.transforms.dedup.minhash import BAND_MASK, URL_BAND
from gristmill.transforms.dedup.rank import RankedDocuments
from gristmill.transforms.dedup.removals import MatchRule, find_removals
from gristmill.transforms.dedup.sign import create_hasher, sign_texts, sketch_lengths
from gristmill.transforms.dedup.simhash import SimHasher, simhash_fingerprints
from tests.transforms.dedup.dedup_reference import as_sets, column

PRINTS = st.integers(0, 2**64 - 1)


def _fingerprint(shingles: list[int]) -> int:
    """By the definition: a bit is 1 if more shingles have it than have not."""
    hashes = mix64(np.array(shingles, np.uint64)).tolist()
    return sum(1 << bit for bit in range(64) if sum(1 if h >> bit & 1 else -1 for h in hashes) > 0)


def _halves(prints: list[int]) -> UInt32s:
    return np.array([[one & 0xFFFFFFFF, one >> 32] for one in prints], np.uint32).reshape(-1, 2)


@settings(max_examples=100)
@given(st.lists(st.sets(st.integers(0, 2**32 - 1), max_size=9).map(sorted), max_size=6))
def test_fingerprints_are_majorities_of_bits(sets: list[list[int]]) -> None:
    flat = as_sets([np.array(one, np.uint32) for one in sets])
    assert simhash_fingerprints(flat).tolist() == [_fingerprint(one) for one in sets]
    assert SimHasher(3).signatures(flat).tolist() == _halves([_fingerprint(one) for one in sets]).tolist()


@pytest.mark.parametrize("size", [254, 255, 256, 510, 511, 2000])
def test_lanes_do_not_overflow(size: int) -> None:
    sets = [list(range(size)), [7], list(range(5, 5 + size))]
    flat = as_sets([np.array(one, np.uint32) for one in sets])
    assert simhash_fingerprints(flat).tolist() == [_fingerprint(one) for one in sets]


def test_a_lane_counts_to_255() -> None:
    """255 and 256 equal hashes; a lane holds one byte."""
    for size in (255, 256):
        same = as_sets([np.full(size, 3, np.uint32)])
        assert simhash_fingerprints(same).tolist() == [_fingerprint([3])]


@settings(max_examples=200)
@given(PRINTS, st.integers(0, 6), st.data())
def test_fingerprints_within_the_distance_share_a_bucket(print_: int, distance: int, data: st.DataObject) -> None:
    bits = data.draw(st.sets(st.integers(0, 63), max_size=distance))
    other = print_ ^ sum(1 << bit for bit in bits)
    left, right = SimHasher(distance).band_hashes(_halves([print_, other]))
    assert (left == right).any()


def test_any_three_differing_bits_leave_a_shared_bucket() -> None:
    """All 41,664 choices of three of 64 bits."""
    places = list(combinations(range(64), 3))
    found = SimHasher(3).band_hashes(_halves([0, *(1 << a | 1 << b | 1 << c for a, b, c in places)]))
    assert (found[1:] == found[0]).any(axis=1).all()


@pytest.mark.parametrize(
    ("distance", "tables", "bits"), [(0, 1, {64}), (1, 4, {48}), (3, 20, {31, 32, 33}), (6, 84, {21, 22})]
)
def test_tables_compare_three_blocks(distance: int, tables: int, bits: set[int]) -> None:
    hasher = SimHasher(distance)
    assert hasher.bands == tables == SimHashSection(distance=distance).tables == comb(distance + 3, 3)
    assert {int(mask).bit_count() for mask in hasher._masks} == bits
    numbers = hasher.band_hashes(_halves([5]))[0] & BAND_MASK
    assert numbers.tolist() == list(range(tables))
    assert tables < int(URL_BAND)


@pytest.mark.parametrize(("distance", "removed"), [(2, []), (3, [1]), (4, [1, 2])])
def test_fingerprints_at_the_distance_match(distance: int, removed: list[int]) -> None:
    """3 and 4 bits from the first, in both halves, 7 from each other; then a copy of the first."""
    prints = [0, 0b11 | 1 << 40, 1 << 5 | 1 << 6 | 1 << 41 | 1 << 42, 0]
    assert _removed(prints, distance) == {**dict.fromkeys(removed, (0, NEAR, NOT_COMPARED)), 3: (0, EXACT, WHOLE)}


def _removed(prints: list[int], distance: int) -> dict[int, tuple[int, int, int]]:
    """Removed document to (match, reason, similarity); equal fingerprints are equal texts."""
    section = DedupSection(simhash=SimHashSection(distance=distance))
    halves = _halves(prints)
    nodes = np.arange(len(prints), dtype=np.uint64)
    texts = np.array([prints.index(one) for one in prints], np.int64)
    ranking = RankedDocuments(nodes, texts, np.full(len(prints), 2), np.zeros(len(prints), bool))
    bands = create_hasher(section).band_hashes(halves)
    members = shared_buckets(bands.ravel(), np.repeat(nodes, bands.shape[1]))

    def sketches(asked: UInt64s) -> UInt32s:
        return halves[asked.astype(np.int64)].ravel()

    found = find_removals(ranking, members, sketches, MatchRule.from_section(section))
    rows = zip(found.node.tolist(), found.match.tolist(), found.reason.tolist(), found.similarity.tolist(), strict=True)
    return {node: (match, reason, similarity) for node, match, reason, similarity in rows}


def _all_pairs(prints: list[int], distance: int) -> set[int]:
    kept: list[int] = []
    for place, one in enumerate(prints):
        if not any((one ^ prints[k]).bit_count() <= distance for k in kept):
            kept.append(place)
    return set(range(len(prints))) - set(kept)


NEIGHBOURS = st.lists(PRINTS, min_size=1, max_size=3).flatmap(
    lambda seeds: st.lists(
        st.tuples(st.sampled_from(seeds), st.sets(st.integers(0, 63), max_size=5)).map(
            lambda made: made[0] ^ sum(1 << bit for bit in made[1])
        ),
        max_size=20,
    )
)


@settings(max_examples=200)
@given(NEIGHBOURS, st.integers(0, 6))
def test_removals_equal_those_of_comparing_all_pairs(prints: list[int], distance: int) -> None:
    found = _removed(prints, distance)
    assert found.keys() == _all_pairs(prints, distance)
    assert not found.keys() & {kept for kept, _, _ in found.values()}
    assert all((prints[node] ^ prints[kept]).bit_count() <= distance for node, (kept, _, _) in found.items())


def test_the_sketch_is_the_signature() -> None:
    section = DedupSection(simhash=SimHashSection())
    assert section.comparison == "hamming"
    texts = ["a few words of a text", "", "another text of a few words and more", "A few words; of a text!"]
    signed = sign_texts(column(texts), create_hasher(section), section.ngram, section.comparison)
    lengths = sketch_lengths(signed.shingles.astype(np.int64), create_hasher(section), section.comparison)
    assert lengths.tolist() == [2] * 4
    halves = signed.sketches.reshape(-1, 2)
    assert halves[0].tolist() == halves[3].tolist() != halves[2].tolist()
    assert signed.bands.shape == (4, 20)
    assert signed.bands[0].tolist() == signed.bands[3].tolist()


def test_every_near_duplicate_pair_of_real_pages_shares_a_bucket(shared_data: Path) -> None:
    """For 4,000 templated pages: all pairs within three bits by brute force, and removals by comparing all pairs."""
    with gzip.open(shared_data / "text" / "win32-docs-en.jsonl.gz", "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in islice(lines, 34000, 38000)]
    section = DedupSection(simhash=SimHashSection())
    signed = sign_texts(column(texts), create_hasher(section), section.ngram, section.comparison)
    halves = signed.sketches.reshape(-1, 2).astype(np.uint64)
    prints = halves[:, 0] | halves[:, 1] << np.uint64(32)
    pairs = 0
    for place, one in enumerate(prints[:-1]):
        near = place + 1 + np.flatnonzero(np.bitwise_count(prints[place + 1 :] ^ one) <= 3)
        assert (signed.bands[near] == signed.bands[place]).any(axis=1).all()
        pairs += len(near)
    assert pairs > 500
    found, expected = _removed(prints.tolist(), 3), _all_pairs(prints.tolist(), 3)
    assert len(expected) > 100
    assert found.keys() == expected

"""Buckets and components against dictionaries and union-find."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.transforms.dedup.buckets import BucketMembers, shared_buckets
from gristmill.transforms.dedup.components import batch_numbers, connected_components

ROWS = st.lists(
    st.tuples(st.integers(0, 30), st.sampled_from([0, 1, 7, 2**32, 2**32 + 1, 2**40, 9, 11, 12])), max_size=60
)


def _members(rows: list[tuple[int, int]], first_of_run: int = 0) -> BucketMembers:
    band, node = np.array(sorted(rows, key=lambda row: row[1]), np.uint64).reshape(-1, 2).T
    return shared_buckets(band, node, first_of_run)


@settings(max_examples=60, deadline=None)
@given(ROWS.map(lambda rows: list(set(rows))), st.sampled_from([0, 8, 2**32, 2**41]), st.randoms())
def test_shared_buckets(rows: list[tuple[int, int]], first_of_run: int, random: object) -> None:
    random.shuffle(rows)  # type: ignore[attr-defined]
    buckets = defaultdict(set)
    for band, node in rows:
        buckets[band].add(node)
    expected = [
        (band, node)
        for band in sorted(buckets)
        for node in sorted(buckets[band])
        if len(buckets[band]) > 1 and max(buckets[band]) >= first_of_run
    ]
    found = _members(rows, first_of_run)
    assert list(zip(found.bucket.tolist(), found.node.tolist(), strict=True)) == expected


def _union_find(rows: list[tuple[int, int]]) -> dict[int, int]:
    parent: dict[int, int] = {}

    def root(item: int) -> int:
        parent.setdefault(item, item)
        return item if parent[item] == item else root(parent[item])

    heads: dict[int, int] = {}
    for bucket, node in rows:
        left, right = sorted((root(heads.setdefault(bucket, node)), root(node)))
        parent[right] = left
    return {node: root(node) for node in parent}


@settings(max_examples=80, deadline=None)
@given(ROWS)
def test_components_equal_those_of_union_find(rows: list[tuple[int, int]]) -> None:
    members = _members(list(set(rows)))
    found = connected_components(members)
    expected = _union_find(list(zip(members.bucket.tolist(), members.node.tolist(), strict=True)))
    assert found.node.tolist() == sorted(expected)
    roots = sorted(set(expected.values()))  # the smallest node of each component, since the smaller root wins
    assert found.label.tolist() == [roots.index(expected[node]) for node in sorted(expected)]


def test_a_long_chain_is_one_component() -> None:
    rows = [(bucket, bucket + end) for bucket in range(5000) for end in (0, 1)]
    assert set(connected_components(_members(rows)).label.tolist()) == {0}


@pytest.mark.parametrize(
    ("sizes", "limit", "expected"),
    [
        ([], 10, []),
        ([4, 5, 1, 3], 10, [0, 0, 0, 1]),
        ([4, 5, 2, 3], 10, [0, 0, 0, 1]),
        ([25, 1, 1], 10, [0, 1, 1]),
        ([1, 25, 1], 10, [0, 0, 1]),
        ([1] * 5, 1, [0, 1, 2, 3, 4]),
    ],
)
def test_batch_numbers(sizes: list[int], limit: int, expected: list[int]) -> None:
    assert batch_numbers(np.array(sizes, np.int64), limit).tolist() == expected


@given(st.lists(st.integers(1, 40), min_size=1, max_size=40), st.integers(1, 50))
def test_batches_are_bounded_and_in_order(sizes: list[int], limit: int) -> None:
    found = batch_numbers(np.array(sizes, np.int64), limit)
    assert (np.diff(found) >= 0).all()
    assert sorted(set(found.tolist())) == list(range(int(found[-1]) + 1))
    sums = np.bincount(found, weights=sizes)
    assert sums.max() < limit + max(sizes)
    assert len(sums) <= 2 * sum(sizes) / limit + 1

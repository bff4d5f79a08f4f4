"""Small-stars and large-stars over edges distributed to parts, against union-find and scipy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.corpus.arrays import UInt64s
from gristmill.transforms.dedup.buckets import BucketMembers, shared_buckets
from gristmill.transforms.dedup.components import connected_components
from gristmill.transforms.dedup.stars import (
    Edges,
    LabeledNodes,
    Neighborhoods,
    assign_parts,
    bucket_stars,
    join_components,
    large_star,
    neighborhoods,
    route_edges,
    small_star,
)

Pairs = list[tuple[int, int]]

NODES = st.sampled_from([0, 1, 2, 3, 5, 8, 2**32, 2**32 + 1, 2**40, 2**40 + 7, 2**63])
PAIRS = st.lists(st.tuples(NODES, NODES).filter(lambda pair: pair[0] != pair[1]), max_size=24)


class Contracted(NamedTuple):
    """Labels by node, and the number of edges after each turn."""

    labels: dict[int, int]
    left: list[int]


def _edges(pairs: Pairs) -> Edges:
    ends = np.sort(np.array(pairs, np.uint64).reshape(-1, 2), axis=1)
    return Edges(ends[:, 1], ends[:, 0], np.zeros(len(ends), np.bool_))


def _contracted(edges: Edges, parts: int) -> Contracted:
    """Take turns until no edges remain, distributing edges to parts as rounds do."""
    labels: dict[int, int] = {}
    left: list[int] = []
    while len(edges.node):
        row, part = route_edges(edges, parts)
        made: list[Edges] = []
        for number in range(parts):
            near = neighborhoods(Edges(*(column[row[part == number]] for column in edges)), number, parts)
            star, labeled = _turn(len(left), near)
            again = labels.keys() & labeled.node.tolist()
            assert not again, "a node is labeled only once"
            labels.update(zip(labeled.node.tolist(), labeled.label.tolist(), strict=True))
            made.append(star)
        edges = Edges(*map(np.concatenate, zip(*made, strict=True)))
        left.append(len(edges.node))
    return Contracted(labels, left)


def _turn(number: int, near: Neighborhoods) -> tuple[Edges, LabeledNodes]:
    nothing = np.empty(0, np.uint64)
    return large_star(near) if number % 2 else (small_star(near), LabeledNodes(nothing, nothing))


def _union_find(pairs: Pairs) -> dict[int, int]:
    parent: dict[int, int] = {}

    def root(item: int) -> int:
        while parent.setdefault(item, item) != item:
            parent[item] = item = parent[parent[item]]
        return item

    for left, right in pairs:
        low, high = sorted((root(left), root(right)))
        parent[high] = low
    return {node: root(node) for node in list(parent)}


@settings(max_examples=150, deadline=None)
@given(PAIRS, st.integers(1, 7))
def test_labels_equal_those_of_union_find(pairs: Pairs, parts: int) -> None:
    expected = _union_find(pairs)
    found = _contracted(_edges(pairs), parts)
    assert found.labels == expected
    whole = join_components(_edges(pairs + pairs[:3]))
    assert dict(zip(whole.node.tolist(), whole.label.tolist(), strict=True)) == expected


@settings(max_examples=150, deadline=None)
@given(PAIRS, st.integers(1, 7))
def test_the_number_of_edges_never_grows(pairs: Pairs, parts: int) -> None:
    left = _contracted(_edges(sorted({tuple(sorted(pair)) for pair in pairs})), parts).left
    assert all(after <= before for before, after in zip([len(set(map(frozenset, pairs))), *left], left, strict=False))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 12)), max_size=50))
def test_bucket_stars_have_the_components_of_the_buckets(rows: Pairs) -> None:
    band, node = np.array(sorted(set(rows), key=lambda row: row[1]), np.uint64).reshape(-1, 2).T
    members = shared_buckets(band, node)
    edges = bucket_stars(members)
    assert (edges.node > edges.parent).all()
    assert len(set(edges.node.tolist())) == len(edges.node)
    assert _contracted(edges, 3).labels == _labels(members)


def _labels(members: BucketMembers) -> dict[int, int]:
    found = connected_components(members)
    _, first = np.unique(found.label, return_index=True)
    return dict(zip(found.node.tolist(), found.node[first][found.label].tolist(), strict=True))


def _same(nodes: UInt64s, edges: Edges, parts: int, turns: int) -> None:
    found, whole = _contracted(edges, parts), join_components(edges)
    assert set(found.labels) == set(nodes.tolist())
    assert dict(zip(whole.node.tolist(), whole.label.tolist(), strict=True)) == found.labels
    assert len(found.left) <= turns


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_chain_of_ten_thousand(shuffled: bool) -> None:
    nodes = np.arange(10_000, dtype=np.uint64)
    chain = np.random.default_rng(1).permutation(nodes) if shuffled else nodes
    _same(nodes, _edges(list(zip(chain[:-1].tolist(), chain[1:].tolist(), strict=True))), 4, 30)


@pytest.mark.parametrize("center", [0, 100_000, 199_999])
def test_a_star_of_two_hundred_thousand(center: int) -> None:
    """Whatever its center is, it is a star around the smallest node after a turn or two."""
    nodes = np.arange(200_000, dtype=np.uint64)
    others = np.delete(nodes, center)
    middle = np.full(len(others), center, np.uint64)
    edges = Edges(np.maximum(others, middle), np.minimum(others, middle), np.zeros(len(others), np.bool_))
    _same(nodes, edges, 4, 6)


def test_a_graph_of_a_hundred_thousand_edges() -> None:
    """About as many edges as nodes: one component with three fifths of them, and small ones of all sizes."""
    ends = np.random.default_rng(2).integers(0, 100_000, (100_000, 2), np.uint64)
    ends = np.unique(np.sort(ends[ends[:, 0] != ends[:, 1]], axis=1), axis=0)
    edges = Edges(ends[:, 1], ends[:, 0], np.zeros(len(ends), np.bool_))
    _same(np.unique(ends), edges, 5, 14)


def test_no_edges_have_no_components() -> None:
    assert _contracted(_edges([]), 3) == Contracted({}, [])
    assert len(join_components(_edges([])).node) == 0


@pytest.mark.parametrize("parts", [1, 2, 3, 1000])
def test_parts_are_about_equal_and_neighboring_rows_are_distributed(parts: int) -> None:
    nodes = np.concatenate([np.arange(50_000, dtype=np.uint64) | np.uint64(file << 32) for file in range(4)])
    counts = np.bincount(assign_parts(nodes, parts), minlength=parts)
    assert len(counts) == parts
    assert counts.min() > 0.5 * len(nodes) / parts
    assert counts.max() < 1.5 * len(nodes) / parts

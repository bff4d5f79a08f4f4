"""Connected components of more edges than one machine holds, by alternating small-stars and large-stars.

The algorithm of Kiveris, Lattanzi, Mirrokni, Rastogi and Vassilvitskii, "Connected Components in MapReduce and Beyond"
(SoCC 2014). Edges are distributed by node. In a *small-star*, every node links itself and its smaller neighbors to the
smallest of them; in a *large-star*, it links its larger neighbors to the smallest. Neither adds edges nor changes
which nodes are connected. After O(log² n) turns, usually far fewer, every component is a star around its smallest node.
See ``docs/how-deduplication-works.md`` for an example.

A component that is a star is *finished* and takes no part in later turns. To detect this, a small-star marks the edges
of *leaves*, nodes without any other edge. All edges that touch a leaf v with parent m after a small-star were created
by v itself, since the small-star of m reaches only nodes below m. So the mark still holds in the large-star: a node
that is smaller than all its neighbors, all of them leaves, knows that its component holds nothing else.

A task holds at least all neighbors of one node. So a component of n documents, once a star, takes about 100 n bytes in
one task; deciding it, which happens in one place anyway, takes several times that.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gristmill.corpus.arrays import Bools, Int64s, UInt64s
from gristmill.transforms.dedup.buckets import BucketMembers
from gristmill.transforms.dedup.components import connected_components

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)


class Edges(NamedTuple):
    """Edges from nodes to smaller nodes; arrays of one length. ``leaf``: the node has no other edge."""

    node: UInt64s
    parent: UInt64s
    leaf: Bools


class Neighborhoods(NamedTuple):
    """All edges of some nodes, seen from these: each once, sorted by (node, neighbor).

    ``leaf``: the neighbor has no other edge.
    """

    node: UInt64s
    neighbor: UInt64s
    leaf: Bools


class LabeledNodes(NamedTuple):
    """Nodes whose component is known; the label is the smallest node of the component."""

    node: UInt64s
    label: UInt64s


def assign_parts(nodes: UInt64s, parts: int) -> Int64s:
    """The part, int64 below ``parts``, of each node: by a hash, which distributes neighboring rows."""
    high = (nodes * _GOLDEN) >> _HALF
    result: Int64s = (high * np.uint64(parts) >> _HALF).astype(np.int64)
    return result


def bucket_stars(members: BucketMembers) -> Edges:
    """The components of some buckets, as stars around their smallest nodes."""
    return _unmarked_edges(*_label_nodes(members))


def join_components(edges: Edges) -> LabeledNodes:
    """The components of all edges, in one place. Edges may be given twice, and then take 230 bytes each."""
    parents = np.unique(edges.parent)
    bucket, node = np.concatenate([parents, edges.parent]), np.concatenate([parents, edges.node])
    order = np.argsort(bucket, kind="stable")
    return LabeledNodes(*_label_nodes(BucketMembers(bucket[order], node[order])))


def neighborhoods(edges: Edges, part: int, parts: int) -> Neighborhoods:
    """The neighborhoods of the nodes of ``part``. Edges may be given twice."""
    down, up = (assign_parts(ends, parts) == part for ends in (edges.node, edges.parent))
    node = np.concatenate([edges.node[down], edges.parent[up]])
    neighbor = np.concatenate([edges.parent[down], edges.node[up]])
    leaf = np.concatenate([np.zeros(np.count_nonzero(down), np.bool_), edges.leaf[up]])
    order = _distinct_pairs(node, neighbor)
    return Neighborhoods(node[order], neighbor[order], leaf[order])


def small_star(near: Neighborhoods) -> Edges:
    """Link every node and its smaller neighbors to the smallest of these, and mark leaves."""
    starts, group = _group_by_node(near.node)
    smallest = near.neighbor[starts]  # neighbors ascend
    centers = np.flatnonzero(smallest < near.node[starts])
    is_leaf = np.diff(starts, append=len(near.node))[centers] == 1
    relinked = (near.neighbor < near.node) & (near.neighbor > smallest[group])
    linked = _unmarked_edges(near.neighbor[relinked], smallest[group[relinked]])
    node = near.node[starts][centers]
    return Edges(
        np.concatenate([node, linked.node]),
        np.concatenate([smallest[centers], linked.parent]),
        np.concatenate([is_leaf, linked.leaf]),
    )


def large_star(near: Neighborhoods) -> tuple[Edges, LabeledNodes]:
    """Link every node's larger neighbors to the smallest of it and its neighbors.

    Returns the edges that remain, and the nodes of components that are finished.
    """
    starts, group = _group_by_node(near.node)
    node = near.node[starts]
    smallest = np.minimum(node, near.neighbor[starts])
    is_star = (smallest == node) & (np.logical_and.reduceat(near.leaf, starts) if len(starts) else False)
    finished = is_star[group]
    larger = (near.neighbor > near.node) & ~finished
    return (
        _unmarked_edges(near.neighbor[larger], smallest[group[larger]]),
        LabeledNodes(
            np.concatenate([node[is_star], near.neighbor[finished]]),
            np.concatenate([node[is_star], near.node[finished]]),
        ),
    )


def route_edges(edges: Edges, parts: int) -> tuple[Int64s, Int64s]:
    """(index of the edge, part): an edge goes to its parent's part and, unless it is a leaf's, to its node's part."""
    down, up = assign_parts(edges.node, parts), assign_parts(edges.parent, parts)
    twice = np.flatnonzero(~edges.leaf & (down != up))
    return np.concatenate([np.arange(len(up)), twice]), np.concatenate([up, down[twice]])


def _label_nodes(members: BucketMembers) -> tuple[UInt64s, UInt64s]:
    """The nodes of some buckets, and the smallest node of each one's component."""
    components = connected_components(members)
    _, first = np.unique(components.label, return_index=True)
    return components.node, components.node[first][components.label]


def _unmarked_edges(node: UInt64s, parent: UInt64s) -> Edges:
    """Distinct edges without self-loops, none marked as a leaf's."""
    order = _distinct_pairs(node, parent)
    order = order[node[order] != parent[order]]
    return Edges(node[order], parent[order], np.zeros(len(order), np.bool_))


def _distinct_pairs(first: UInt64s, second: UInt64s) -> Int64s:
    """Indices of the distinct pairs, in ascending order of pairs."""
    order = np.lexsort((second, first))
    first, second = first[order], second[order]
    differs = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    distinct: Int64s = order[np.insert(differs, 0, True)[: len(order)]]
    return distinct


def _group_by_node(node: UInt64s) -> tuple[Int64s, Int64s]:
    """Where each node's neighbors start, and the group number of each row."""
    starts = np.insert(node[1:] != node[:-1], 0, True)[: len(node)]
    return np.flatnonzero(starts), np.cumsum(starts) - 1

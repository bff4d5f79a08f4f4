"""Connected components of more edges than one machine holds, by stars.

The alternation of Kiveris, Lattanzi, Mirrokni, Rastogi and Vassilvitskii, "Connected Components in MapReduce and
Beyond" (SoCC 2014), over edges that are spread by node: in a small-star every node links itself and its smaller
neighbours to the smallest of them, in a large-star it links its larger neighbours to the smallest. Neither adds edges
or changes what is connected; in O(log² n) turns, mostly far fewer, every component is a star around its smallest node.

A component that is a star is *settled* at once and leaves the rounds: a small-star marks the edges of *leaves*, nodes
with no other edge. All edges that touch a leaf v with parent m after the small-star were made by v itself, since a
small-star at m reaches only nodes below m; so the mark still holds in the large-star, where a node below all its
neighbours, all of them leaves, knows that there is nothing else in its component.

A task holds all neighbours of one node at least. So a component of n documents, once a star, takes one task about 100 n
bytes; deciding over it, which is done in one place however it was found, takes several times that.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gristmill.transforms.dedup.buckets import Members
from gristmill.transforms.dedup.components import components
from gristmill.transforms.dedup.shingles import Integers, UInt64s

Flags: TypeAlias = NDArray[np.bool_]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)


class Edges(NamedTuple):
    """Edges from nodes to smaller ones; arrays of one length."""

    node: UInt64s
    parent: UInt64s
    leaf: Flags
    """The node has no other edge."""


class Arcs(NamedTuple):
    """All edges of some nodes, as these see them: ascending by (own, other), each once."""

    own: UInt64s
    other: UInt64s
    leaf: Flags
    """``other`` has no other edge."""


class Settled(NamedTuple):
    """Nodes whose component is known, and its smallest node."""

    node: UInt64s
    label: UInt64s


def parts_of(nodes: UInt64s, parts: int) -> Integers:
    """Which of ``parts`` each node belongs to, int64 below ``parts``: by a hash, which spreads neighbouring rows."""
    high = (nodes * _GOLDEN) >> _HALF
    return (high * np.uint64(parts) >> _HALF).astype(np.int64)


def forest(members: Members) -> Edges:
    """The components of some buckets as stars around their smallest nodes: they join what the buckets join."""
    return _unmarked(*_rooted(members))


def joined(edges: Edges) -> Settled:
    """All components of all edges, in one place. Edges may be given twice, and then take 230 bytes each."""
    parents = np.unique(edges.parent)
    bucket, node = np.concatenate([parents, edges.parent]), np.concatenate([parents, edges.node])
    order = np.argsort(bucket, kind="stable")
    return Settled(*_rooted(Members(bucket[order], node[order])))


def neighbourhoods(edges: Edges, part: int, parts: int) -> Arcs:
    """The arcs of the nodes of ``part``, of edges that may be given twice."""
    down, up = (parts_of(ends, parts) == part for ends in (edges.node, edges.parent))
    own = np.concatenate([edges.node[down], edges.parent[up]])
    other = np.concatenate([edges.parent[down], edges.node[up]])
    leaf = np.concatenate([np.zeros(np.count_nonzero(down), np.bool_), edges.leaf[up]])
    order = _distinct(own, other)
    return Arcs(own[order], other[order], leaf[order])


def small_star(arcs: Arcs) -> Edges:
    """Link every node and its smaller neighbours to the smallest of these; marks leaves."""
    starts, group = _groups(arcs.own)
    smallest = arcs.other[starts]  # arcs ascend
    centres = np.flatnonzero(smallest < arcs.own[starts])
    alone = np.diff(starts, append=len(arcs.own))[centres] == 1
    passed = (arcs.other < arcs.own) & (arcs.other > smallest[group])
    linked = _unmarked(arcs.other[passed], smallest[group[passed]])
    own = arcs.own[starts][centres]
    return Edges(
        np.concatenate([own, linked.node]),
        np.concatenate([smallest[centres], linked.parent]),
        np.concatenate([alone, linked.leaf]),
    )


def large_star(arcs: Arcs) -> tuple[Edges, Settled]:
    """Link every node's larger neighbours to the smallest of it and its neighbours, but for what is settled by now."""
    starts, group = _groups(arcs.own)
    own = arcs.own[starts]
    smallest = np.minimum(own, arcs.other[starts])
    done = (smallest == own) & (np.logical_and.reduceat(arcs.leaf, starts) if len(starts) else False)
    settled = done[group]
    larger = (arcs.other > arcs.own) & ~settled
    return (
        _unmarked(arcs.other[larger], smallest[group[larger]]),
        Settled(np.concatenate([own[done], arcs.other[settled]]), np.concatenate([own[done], arcs.own[settled]])),
    )


def copies(edges: Edges, parts: int) -> tuple[Integers, Integers]:
    """Where edges are sent: (index of the edge, part), to its parent's part and, unless it is a leaf, its node's."""
    down, up = parts_of(edges.node, parts), parts_of(edges.parent, parts)
    twice = np.flatnonzero(~edges.leaf & (down != up))
    return np.concatenate([np.arange(len(up)), twice]), np.concatenate([up, down[twice]])


def _rooted(members: Members) -> tuple[UInt64s, UInt64s]:
    """Nodes of some buckets and the smallest node of each one's component."""
    found = components(members)
    _, first = np.unique(found.label, return_index=True)
    return found.node, found.node[first][found.label]


def _unmarked(node: UInt64s, parent: UInt64s) -> Edges:
    """Distinct edges, no leaf known; what leads to itself is none."""
    order = _distinct(node, parent)
    order = order[node[order] != parent[order]]
    return Edges(node[order], parent[order], np.zeros(len(order), np.bool_))


def _distinct(first: UInt64s, second: UInt64s) -> Integers:
    """Indices of the distinct pairs, in ascending order of pairs."""
    order = np.lexsort((second, first))
    first, second = first[order], second[order]
    fresh = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    distinct: Integers = order[np.insert(fresh, 0, True)[: len(order)]]
    return distinct


def _groups(own: UInt64s) -> tuple[Integers, Integers]:
    """Where each node's arcs start, and the group of each arc."""
    fresh = np.insert(own[1:] != own[:-1], 0, True)[: len(own)]
    return np.flatnonzero(fresh), np.cumsum(fresh) - 1

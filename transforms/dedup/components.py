"""Connected components of the buckets: sets of documents that can be decided apart from all others.

A component decides nothing about who goes (``greedy`` does); it only says what must be looked at together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gristmill.transforms.dedup.buckets import Members
from gristmill.transforms.dedup.shingles import UInt64s


class Components(NamedTuple):
    """``node`` uint64 [n], ascending; ``label`` int64 [n], components numbered by their smallest node from 0."""

    node: UInt64s
    label: NDArray[np.int64]


def components(members: Members) -> Components:
    """Components of the graph in which the members of a bucket are joined to its first one.

    Nodes are numbered by rank among those present, so memory follows the members (about 60 bytes each), not the files.
    """
    from scipy.sparse import coo_array  # here, for it takes 0.16 s, and most processes of a run have no use for it
    from scipy.sparse.csgraph import connected_components

    nodes, number = np.unique(members.node, return_inverse=True)
    first = np.insert(members.bucket[1:] != members.bucket[:-1], 0, True)[: len(number)]
    head = number[first][np.cumsum(first) - 1]
    graph = coo_array((np.ones(len(number), np.bool_), (head, number)), shape=(len(nodes), len(nodes)))
    _, label = connected_components(graph, directed=False)
    _, smallest = np.unique(label, return_index=True)  # scipy promises no order of labels
    return Components(nodes, np.argsort(np.argsort(smallest))[label])


def batches(sizes: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """The batch of each component, int64 ascending from 0: in order, a new batch once the earlier sum passes ``limit``.

    ``sizes`` are counts of anything (documents, words). A batch holds less than ``limit`` plus its largest component.
    """
    before = np.cumsum(sizes) - sizes
    numbers: NDArray[np.int64] = np.unique(before // limit, return_inverse=True)[1]
    return numbers

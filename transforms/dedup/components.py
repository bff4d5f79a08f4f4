"""Connected components of buckets: sets of documents that can be decided independently of all others.

Components do not decide which documents are removed (``removals`` does); they only say which must be processed
together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gristmill.corpus.arrays import Int64s, UInt64s
from gristmill.transforms.dedup.buckets import BucketMembers


class Components(NamedTuple):
    """``node`` uint64 [n], ascending; ``label`` int64 [n], components numbered from 0 by their smallest node."""

    node: UInt64s
    label: Int64s


def connected_components(members: BucketMembers) -> Components:
    """The components of the graph in which every member of a bucket is joined to the bucket's first member.

    Memory is about 60 bytes a member, however large the node numbers are.
    """
    from scipy.sparse import (
        coo_array,  # imported late: it takes 0.16 s, and most processes of a run do not need it
        csgraph,
    )

    nodes, number = np.unique(members.node, return_inverse=True)
    first = np.insert(members.bucket[1:] != members.bucket[:-1], 0, True)[: len(number)]
    head = number[first][np.cumsum(first) - 1]
    graph = coo_array((np.ones(len(number), np.bool_), (head, number)), shape=(len(nodes), len(nodes)))
    _, label = csgraph.connected_components(graph, directed=False)
    _, smallest = np.unique(label, return_index=True)  # scipy does not guarantee an order of labels
    return Components(nodes, np.argsort(np.argsort(smallest))[label])


def component_batches(members: BucketMembers, documents: int) -> Iterator[BucketMembers]:
    """Split bucket members into batches of whole components, of about ``documents`` documents each."""
    if not len(members.node):
        return
    components = connected_components(members)
    batch_of_node = batch_numbers(np.bincount(components.label), documents)[components.label]
    batch = batch_of_node[np.searchsorted(components.node, members.node)]
    order = np.argsort(batch, kind="stable")
    cuts = np.searchsorted(batch[order], np.arange(1, batch.max() + 1))
    yield from (BucketMembers(members.bucket[rows], members.node[rows]) for rows in np.split(order, cuts))


def batch_numbers(sizes: Int64s, limit: int) -> Int64s:
    """Assign consecutive items of the given sizes to batches: int64, ascending from 0.

    A new batch begins when the sum of all earlier sizes passes a multiple of ``limit``, so a batch holds less than
    ``limit`` plus its largest item. Sizes count anything (documents, values).
    """
    before = np.cumsum(sizes) - sizes
    numbers: Int64s = np.unique(before // limit, return_inverse=True)[1]
    return numbers

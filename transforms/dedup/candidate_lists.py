"""Candidate lists: the kept documents with which a document is compared.

Thousands of pages of one template, each different enough to be kept, would all be compared with each other. So each
bucket has a *list* of its first ``LIST_CAPACITY`` kept documents. Kept documents beyond these are *capped*: they go to
further lists, one for each pair of the bucket with the document's bucket of the next band, and of the band after that
(``LIST_LEVELS`` in all). The lists that a document looks into, from one of its buckets on, are a *path*. A document is
compared with at most bands x ``LIST_LEVELS`` x ``LIST_CAPACITY`` others.

The lists depend on rank and buckets alone, and a document has no influence on those ranked before it. So documents that
an earlier run kept fill the lists exactly as they did then. A capped document is not compared with those that share
only its capped bucket.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gristmill.corpus.arrays import Bools, Int64s
from gristmill.transforms.dedup.buckets import BucketMembers
from gristmill.transforms.dedup.minhash import BAND_MASK, URL_BAND
from gristmill.transforms.dedup.rank import RankedDocuments

LIST_CAPACITY = 64
LIST_LEVELS = 3


class CandidateLists(NamedTuple):
    """The documents that have to be looked at, and the lists that each of them looks into.

    Attributes:
        position: Positions in rank order, ascending, of the documents that share a bucket or a URL with another.
        path_rows: The paths of document i of ``position`` are rows ``path_rows[i]`` to ``path_rows[i + 1]`` of
            ``paths``.
        paths: int64 [rows, ``LIST_LEVELS``], list numbers; -1 after the end of a path.
        capacity: Number of slots of each list.
        last_mate: For each document of ``position``, the last one (an index of ``position``) that shares a bucket.
    """

    position: Int64s
    path_rows: Int64s
    paths: Int64s
    capacity: Int64s
    last_mate: Int64s

    @property
    def compared(self) -> Bools:
        """Which documents share a bucket with another, so that their sketches may be needed."""
        return self.path_rows[1:] > self.path_rows[:-1]


def candidate_lists(ranked: RankedDocuments, members: BucketMembers, taking_part: Bools, bands: int) -> CandidateLists:
    """The lists for the documents of ``ranked`` that are ``taking_part``; other bucket members are left out."""
    present = np.isin(members.node, ranked.node[taking_part]) & (members.bucket & BAND_MASK != URL_BAND)
    order = np.argsort(ranked.node)
    position = order[np.searchsorted(ranked.node, members.node[present], sorter=order)]
    names, bucket, size = np.unique(members.bucket[present], return_inverse=True, return_counts=True)
    shared = size[bucket] > 1
    position, bucket = position[shared], bucket[shared]
    band = (names & BAND_MASK).astype(np.int64)[bucket]
    order = np.lexsort((band, position))
    position, bucket, band = position[order], bucket[order], band[order]
    documents = np.union1d(position, _sharing_url(ranked, taking_part))
    document, path_rows = np.searchsorted(documents, position), np.searchsorted(position, documents)
    last_mate = _last_mates(document, bucket, len(documents), len(size))
    paths, capacity = _paths(bucket, size, _next_band_rows(document, path_rows, band, bands))
    return CandidateLists(documents, np.append(path_rows, len(position)), paths, capacity, last_mate)


def _sharing_url(ranked: RankedDocuments, taking_part: Bools) -> Int64s:
    """Positions, ascending, of the documents taking part that share a URL with another of them."""
    if ranked.url is None:
        return np.empty(0, np.int64)
    having = np.flatnonzero(taking_part & (ranked.url >= 0))
    _, group, count = np.unique(ranked.url[having], return_inverse=True, return_counts=True)
    return having[count[group] > 1]


def _last_mates(document: Int64s, bucket: Int64s, documents: int, buckets: int) -> Int64s:
    """For each document, the last document in any of its buckets, itself if there is no other."""
    last = np.zeros(buckets, np.int64)
    np.maximum.at(last, bucket, document)
    last_mate = np.arange(documents)
    np.maximum.at(last_mate, document, last[bucket])
    return last_mate


def _next_band_rows(document: Int64s, path_rows: Int64s, band: Int64s, bands: int) -> Int64s:
    """For each row, the row of the same document and the next band; the last band's next is the first; -1 if none."""
    if not len(document):
        return document
    following = np.arange(1, len(document) + 1) % len(document)
    following = np.where(band == bands - 1, path_rows[document], following)
    follows = (document[following] == document) & (band[following] == (band + 1) % bands)
    return np.where(follows, following, -1)


def _paths(bucket: Int64s, size: Int64s, next_row: Int64s) -> tuple[Int64s, Int64s]:
    """(paths int64 [rows, ``LIST_LEVELS``], capacity of each list).

    List b of the first level is that of bucket b. A list that may become full branches by the bucket of the next band;
    a branch that only one document takes is left out.
    """
    paths = np.full((len(bucket), LIST_LEVELS), -1)
    paths[:, 0] = bucket
    list_sizes = [size]
    step = next_row
    for level in range(1, LIST_LEVELS):
        sizes = np.concatenate(list_sizes)
        row = np.flatnonzero((paths[:, level - 1] >= 0) & (step >= 0))
        row = row[sizes[paths[row, level - 1]] > LIST_CAPACITY]
        pair = paths[row, level - 1] * len(size) + bucket[step[row]]
        _, branch, count = np.unique(pair, return_inverse=True, return_counts=True)
        number = np.where(count > 1, len(sizes) + np.cumsum(count > 1) - 1, -1)
        paths[row, level] = number[branch]
        list_sizes.append(count[count > 1])
        step = np.where(step >= 0, next_row[step], -1)
    return paths, np.minimum(np.concatenate(list_sizes), LIST_CAPACITY)

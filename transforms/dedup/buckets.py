"""Buckets: the documents that share a band hash.

A bucket is named by its band hash, which is unique among all bands and partitions; so the buckets of several partitions
are put together by concatenation. A bucket of a million members is a million rows here, like any other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gristmill.transforms.dedup.shingles import UInt64s


class Members(NamedTuple):
    """Rows (bucket, node), ascending: which documents are in which bucket."""

    bucket: UInt64s
    node: UInt64s


def shared(band: UInt64s, node: UInt64s) -> Members:
    """The buckets of two members or more; the order of the rows given does not matter.

    ``band`` and ``node`` are parallel, uint64 [n]. Memory: about 40 bytes a row beyond the input.
    """
    order = np.lexsort((node, band))
    band, node = band[order], node[order]
    same = band[1:] == band[:-1]
    mates = np.append(same, False) | np.insert(same, 0, False)
    return Members(band[mates], node[mates]) if len(band) else Members(band, node)

"""The rank of documents: a total order that depends only on the documents and the recipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gristmill.corpus.arrays import Bools, Int64s, UInt64s


class RankedDocuments(NamedTuple):
    """Documents in rank order, best first; arrays of one length.

    Attributes:
        node: Names of the documents (see ``exchange``).
        text: Equal for equal text hashes. Every document without words has a number of its own.
        sketch_length: Number of values in the sketch.
        from_index: Whether an earlier run kept the document; such documents are always kept.
        url: Equal for equal canonical URLs, -1 for documents without one; None if URLs are not compared.
    """

    node: UInt64s
    text: Int64s
    sketch_length: Int64s
    from_index: Bools
    url: Int64s | None = None


_NO_DATE = "~"  # sorts after every digit

_SORT_KEYS = [
    ("generation", "ascending"),
    ("priority", "ascending"),
    ("quality", "descending"),
    ("words", "descending"),
    ("date", "ascending"),
    ("id", "ascending"),
    ("node", "ascending"),
]


def rank_documents(
    fingerprints: pa.Table,
    node: UInt64s,
    generation: Int64s,
    sketch_length: Int64s,
    priority: Sequence[str] = (),
) -> RankedDocuments:
    """Sort documents by generation (earliest first), source, quality (highest first, null last), number of words (most
    first), date (earliest first, null last), id and node.

    ``fingerprints`` (``fingerprint_schema``), ``node``, ``generation`` and ``sketch_length`` are parallel. The
    generation is 0 for documents of this run and negative for those that earlier runs kept, the oldest smallest.
    ``priority`` names sources, best first; sources that it does not name come last.
    """
    source = pc.index_in(fingerprints["source"].cast(pa.string()), value_set=pa.array(priority, pa.string()))
    keys = pa.table(
        {
            "generation": generation,
            "priority": pc.fill_null(source, len(priority)),
            "quality": pc.fill_null(fingerprints["quality"], -np.inf),
            "words": fingerprints["words"],
            "date": pc.fill_null(fingerprints["date"], _NO_DATE),
            "id": fingerprints["id"],
            "node": node,
        }
    )
    order = pc.sort_indices(keys, sort_keys=_SORT_KEYS).to_numpy()
    wordless = fingerprints["words"].to_numpy() == 0
    text = np.where(wordless, -1 - np.arange(len(node)), _codes(fingerprints["text_hash"]))
    url = _codes(fingerprints["url_hash"])[order] if "url_hash" in fingerprints.column_names else None
    return RankedDocuments(node[order], text[order], sketch_length[order], generation[order] < 0, url)


def _codes(hashes: pa.ChunkedArray) -> Int64s:
    """Numbers that are equal where the hashes are; -1 for null."""
    codes = hashes.combine_chunks().dictionary_encode().indices
    return codes.fill_null(-1).to_numpy().astype(np.int64)  # type: ignore[no-any-return]

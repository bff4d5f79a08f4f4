"""Who is kept before whom: a total order of documents that depends on nothing but the documents and the recipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gristmill.transforms.dedup.shingles import UInt64s


class Ranked(NamedTuple):
    """Documents in rank order, best first; arrays of one length."""

    node: UInt64s
    text: NDArray[np.int64]
    """Equal where the text hashes are equal and there is a word; what has no words has nothing to be equal in."""
    sketch: NDArray[np.int64]
    """Values in the sketch."""
    settled: NDArray[np.bool_]
    """Kept by an earlier run: stays, whatever it matches."""
    url: NDArray[np.int64] | None = None
    """Equal where the canonical URLs are equal, -1 where there is none; None where URLs do not count."""


_UNDATED = "~"  # after every digit

_ORDER = [
    ("generation", "ascending"),
    ("priority", "ascending"),
    ("quality", "descending"),
    ("words", "descending"),
    ("date", "ascending"),
    ("id", "ascending"),
    ("node", "ascending"),
]


def ranked(
    fingerprints: pa.Table,
    node: UInt64s,
    generation: NDArray[np.int64],
    sketch: NDArray[np.int64],
    priority: Sequence[str] = (),
) -> Ranked:
    """Rank documents: earlier generation, better source, higher quality (none last), more words, earlier date (none
    last), smaller id.

    ``fingerprints`` (``fingerprint_schema``), ``node``, ``generation`` and ``sketch`` (values in it) are parallel. A
    generation is 0 for documents of this run and negative for those of earlier ones, the oldest smallest; of these
    give only documents that were kept. ``priority`` names sources, best first; those not named come last. Of equal ids
    the smaller node goes first.
    """
    source = pc.index_in(fingerprints["source"].cast(pa.string()), value_set=pa.array(priority, pa.string()))
    keys = pa.table(
        {
            "generation": generation,
            "priority": pc.fill_null(source, len(priority)),
            "quality": pc.fill_null(fingerprints["quality"], -np.inf),
            "words": fingerprints["words"],
            "date": pc.fill_null(fingerprints["date"], _UNDATED),
            "id": fingerprints["id"],
            "node": node,
        }
    )
    order = pc.sort_indices(keys, sort_keys=_ORDER).to_numpy()
    wordless = fingerprints["words"].to_numpy() == 0
    text = np.where(wordless, -1 - np.arange(len(node)), _codes(fingerprints["text_hash"]))
    url = _codes(fingerprints["url_hash"])[order] if "url_hash" in fingerprints.column_names else None
    return Ranked(node[order], text[order], sketch[order], generation[order] < 0, url)


def _codes(hashes: pa.ChunkedArray) -> NDArray[np.int64]:
    """Numbers that are equal where the hashes are; -1 for null."""
    codes = hashes.combine_chunks().dictionary_encode().indices
    return codes.fill_null(-1).to_numpy().astype(np.int64)  # type: ignore[no-any-return]

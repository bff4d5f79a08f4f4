"""OLMo-core and Dolma: ``tokens-*.npy``, which are linked, and ``tokens-*.csv.gz``, with the documents.

In spite of their suffix, the token files have no NumPy header: ``NumpyFSLDataset`` reads headerless little-endian
uint16 or uint32. The index is the one of Dolma's ``dolma tokens``, as ``iter_document_indices`` in
``olmo_core/data/utils.py`` (ai2-olmo-core 3.0) reads it: one line per document, whose first two columns are its first
token and the token after its last.
"""

from __future__ import annotations

import gzip
from functools import partial
from typing import IO

import numpy as np

from gristmill.corpus.arrays import Int64s
from gristmill.mixing.export.export_format import ExportFolder, ExportFormat, document_ends, file_stem
from gristmill.mixing.mixed_shards import MixedShards
from gristmill.store import storage


def write(mix: MixedShards, folder: ExportFolder) -> str:
    """Link the shards and write their indexes."""
    for number, shard in enumerate(mix.shards):
        stem = file_stem(mix, number)
        folder.link(storage.join_below(mix.url, shard.path), f"{stem}.npy")
        folder.write(f"{stem}.csv.gz", partial(_write_index, document_ends(mix, shard)))
    return f"NumpyFSLDataset reads the .npy files with dtype {mix.dtype.name} and this sequence length"


def _write_index(ends: Int64s, file: IO[bytes]) -> None:
    # No name and no time in the header, so that equal shards give equal files.
    with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
        for start, end in zip(np.concatenate([[0], ends[:-1]]).tolist(), ends.tolist(), strict=True):
            packed.write(b"%d,%d\n" % (start, end))


OLMO = ExportFormat("olmo", "OLMo-core", {"uint16": "uint16", "uint32": "uint32"}, write)

"""LitData: chunks ``tokens-*.bin``, which are copied behind a header, and ``index.json``, for ``TokensLoader``.

Layout, after ``BinaryWriter._create_chunk`` in ``litdata/streaming/writer.py`` (litdata 0.2.76); numbers are
little-endian, and an item is a sequence:

    uint32    number of items, n
    uint32    [n + 1] byte at which each item starts, and at which the last ends
    tokens    of all items

The data format is ``no_header_numpy`` and the number of the type in ``_NUMPY_DTYPES_MAPPING`` of
``litdata/constants.py``.
"""

from __future__ import annotations

import json
from functools import partial

from gristmill.mixing.export.export_format import (
    ExportFolder,
    ExportFormat,
    file_stem,
    offset_table,
    token_blocks,
    write_tokens,
)
from gristmill.mixing.mixed_shards import MixedShards

_TYPE_CODES = {"uint16": 5, "uint32": 6}
_LEAF = '[1, {"type": null, "context": null, "children_spec": []}]'
"""A single array, as PyTorch's ``treespec_dumps`` describes it."""


def write(mix: MixedShards, folder: ExportFolder) -> str:
    """Write the chunks and their index."""
    chunks, sizes = [], [0]
    for number, shard in enumerate(mix.shards):
        name = f"{file_stem(mix, number)}.bin"
        header = offset_table(shard.sequences, mix.sequence_length * mix.dtype.itemsize)
        folder.write(name, partial(write_tokens, header=[header], blocks=token_blocks(mix, shard)))
        tokens = shard.sequences * mix.sequence_length
        size = len(header) + tokens * mix.dtype.itemsize
        sizes.append(size)
        chunks.append({"chunk_bytes": size, "chunk_size": shard.sequences, "dim": tokens, "filename": name})
    config = {
        "chunk_bytes": max(sizes),
        "chunk_size": None,
        "compression": None,
        "data_format": [f"no_header_numpy:{_TYPE_CODES[mix.dtype.name]}"],
        "data_spec": _LEAF,
        "encryption": None,
        "item_loader": "TokensLoader",
    }
    folder.write_bytes("index.json", json.dumps({"chunks": chunks, "config": config}, sort_keys=True).encode())
    return f"StreamingDataset reads the folder with item_loader=TokensLoader(block_size={mix.sequence_length})"


LITDATA = ExportFormat(
    "litdata",
    "LitData",
    {"uint16": "uint16", "uint32": "uint32"},
    write,
    max_file_bytes=(1 << 32) - 16,
    offset_bytes=4,
)

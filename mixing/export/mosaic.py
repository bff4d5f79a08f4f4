"""MosaicML Streaming and LLM Foundry: ``shard.*.mds``, which are copied behind a header, and ``index.json``.

Layout of a shard, after ``MDSWriter.encode_joint_shard`` in ``streaming/base/format/mds/writer.py`` (mosaicml-streaming
0.13); numbers are little-endian, and a sample is a sequence:

    uint32    number of samples, n
    uint32    [n + 1] byte at which each sample starts, and at which the last ends
    JSON      names and encodings of the columns
    samples   of one column, ``tokens``, an array of fixed type and shape and therefore without a header of its own
"""

from __future__ import annotations

import json
from functools import partial

from gristmill.mixing.export.export_format import ExportFolder, ExportFormat, offset_table, token_blocks, write_tokens
from gristmill.mixing.mixed_shards import MixedShards


def write(mix: MixedShards, folder: ExportFolder) -> str:
    """Write the shards and their index."""
    config = {
        "column_encodings": [f"ndarray:{mix.dtype.name}:{mix.sequence_length}"],
        "column_names": ["tokens"],
        "column_sizes": [mix.sequence_length * mix.dtype.itemsize],
        "compression": None,
        "format": "mds",
        "hashes": [],
        "size_limit": None,
        "version": 2,
    }
    columns = json.dumps(config, sort_keys=True).encode()
    entries = []
    for number, shard in enumerate(mix.shards):
        name = f"shard.{number:05}.mds"
        header = [offset_table(shard.sequences, mix.sequence_length * mix.dtype.itemsize, len(columns)), columns]
        folder.write(name, partial(write_tokens, header=header, blocks=token_blocks(mix, shard)))
        size = sum(map(len, header)) + shard.sequences * mix.sequence_length * mix.dtype.itemsize
        raw_data = {"basename": name, "bytes": size, "hashes": {}}
        entries.append({**config, "raw_data": raw_data, "samples": shard.sequences, "zip_data": None})
    folder.write_bytes("index.json", json.dumps({"shards": entries, "version": 2}, sort_keys=True).encode())
    return "StreamingDataset reads the folder; the column is called tokens"


MOSAIC = ExportFormat(
    "mosaic",
    "MosaicML Streaming",
    {"uint16": "uint16", "uint32": "uint32"},
    write,
    max_file_bytes=(1 << 32) - 1024,  # the description of the columns is shorter
    offset_bytes=4,
)

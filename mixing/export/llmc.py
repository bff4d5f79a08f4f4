"""llm.c: ``tokens-*.bin``, which are copied behind a header.

Layout, after ``write_datafile`` in ``dev/data/data_common.py`` of llm.c: a header of 256 little-endian int32, then the
tokens. The header has a magic number, a version, the number of tokens, and zeros. There are two kinds: the one for
GPT-2 (20240520, version 1), which ``llmc/dataloader.h`` reads, has uint16; the one for LLaMA 3 (20240801, version 7),
which ``train_llama3.py`` reads, has uint32.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from gristmill.mixing.export.export_format import ExportFolder, ExportFormat, file_stem, token_blocks, write_tokens
from gristmill.mixing.mixed_shards import MixedShards

_HEADER_INTS = 256


class _Kind(NamedTuple):
    magic: int
    version: int
    note: str


_KINDS = {
    "uint16": _Kind(20240520, 1, "the headers are those for GPT-2"),
    "uint32": _Kind(
        20240801,
        7,
        "the headers are those for LLaMA 3, which train_llama3.py reads; the header for GPT-2, which the programs in C "
        "read, has no uint32",
    ),
}


def write(mix: MixedShards, folder: ExportFolder) -> str:
    """Write a header and the tokens of each shard."""
    kind = _KINDS[mix.dtype.name]
    for number, shard in enumerate(mix.shards):
        header = np.zeros(_HEADER_INTS, "<i4")
        header[:3] = kind.magic, kind.version, shard.sequences * mix.sequence_length
        write_file = partial(write_tokens, header=[header.tobytes()], blocks=token_blocks(mix, shard))
        folder.write(f"{file_stem(mix, number)}.bin", write_file)
    return kind.note


LLMC = ExportFormat("llmc", "llm.c", {"uint16": "uint16", "uint32": "uint32"}, write, max_file_tokens=(1 << 31) - 1)

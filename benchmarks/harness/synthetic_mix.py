"""Writes a small directory of a mix stage from tokens that a test or a benchmark made up."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.mixing.build_shard import PIECE_SCHEMA


def write_mix(root: Path, tokens: npt.NDArray[Any], vocab_size: int) -> str:
    """Write a mix of one shard and return its directory, ``root``; ``tokens`` has shape (sequences, length).

    Each sequence consists of two documents, the first of which has half of its tokens, rounded down.
    """
    sequences, length = tokens.shape
    payload = tokens.astype("<u2").tobytes()
    (root / "shards").mkdir(parents=True)
    (root / "shards" / "all.bin").write_bytes(payload)
    pq.write_table(_pieces(sequences, length), root / "shards" / "all.docs.parquet")
    files = [
        {"kind": "shards", "path": "shards/all.bin", "sha256": sha256(payload).hexdigest()},
        {"kind": "shard_index", "path": "shards/all.docs.parquet"},
    ]
    facts = {"sequence_length": length, "vocab_size": vocab_size, "eos_id": 0, "dtype": "uint16"}
    unit = {"unit": "all", "facts": {"first_sequence": 0, "sequences": sequences}, "files": files}
    manifest = {"stage": "mix", "facts": {**facts, "sequences": sequences}, "units": [unit]}
    (root / "manifest.json").write_text(json.dumps(manifest))
    return str(root)


def _pieces(sequences: int, length: int) -> pa.Table:
    starts = [start for first in range(0, sequences * length, length) for start in (first, first + length // 2)]
    rows = [
        {
            "id": start.to_bytes(16, "big"),
            "source": "texts",
            "group": "texts",
            "offset": 0,
            "start": start,
            "end": end,
            "copy": 0,
        }
        for start, end in zip(starts, [*starts[1:], sequences * length], strict=True)
    ]
    return pa.Table.from_pylist(rows, PIECE_SCHEMA)

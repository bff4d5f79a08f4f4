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
from gristmill.tokenization.token_batch import token_dtype


def write_mix(root: Path, tokens: npt.NDArray[Any], vocab_size: int, sequences_per_shard: int | None = None) -> str:
    """Write a mix and return its directory, ``root``; ``tokens`` has shape (sequences, length).

    Without ``sequences_per_shard`` there is one shard, ``all``. Each sequence consists of two documents, the first of
    which has half of its tokens, rounded down.
    """
    sequences, length = tokens.shape
    dtype = token_dtype(vocab_size)
    (root / "shards").mkdir(parents=True)
    per_shard = sequences_per_shard or sequences
    units = [
        _write_shard(
            root,
            f"shard-{first // per_shard:05}" if sequences_per_shard else "all",
            first,
            tokens[first : first + per_shard].astype(dtype),
        )
        for first in range(0, sequences, per_shard)
    ]
    facts = {"sequence_length": length, "vocab_size": vocab_size, "eos_id": 0, "dtype": dtype.name}
    manifest = {"stage": "mix", "facts": {**facts, "sequences": sequences}, "units": units}
    (root / "manifest.json").write_text(json.dumps(manifest))
    return str(root)


def _write_shard(root: Path, unit: str, first: int, tokens: npt.NDArray[Any]) -> dict[str, Any]:
    payload = tokens.tobytes()
    (root / "shards" / f"{unit}.bin").write_bytes(payload)
    pq.write_table(_pieces(*tokens.shape), root / "shards" / f"{unit}.docs.parquet")
    files = [
        {"kind": "shards", "path": f"shards/{unit}.bin", "sha256": sha256(payload).hexdigest()},
        {"kind": "shard_index", "path": f"shards/{unit}.docs.parquet"},
    ]
    return {"unit": unit, "facts": {"first_sequence": first, "sequences": len(tokens)}, "files": files}


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

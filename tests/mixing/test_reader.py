"""Reading mixed shards: sequences across shards, tracing, and damaged directories."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gristmill.errors import InputError
from gristmill.mixing.build_shard import PIECE_SCHEMA
from gristmill.mixing.mixed_shards import MixedShards

LENGTH = 4
ROWS = (3, 3, 1)
TOKENS = np.arange(sum(ROWS) * LENGTH, dtype="<u2").reshape(-1, LENGTH)


def pieces(first: int, rows: int) -> pa.Table:
    """Return two pieces per sequence, split after its first token; documents are numbered across all shards."""
    numbers = np.arange(2 * first, 2 * (first + rows))
    starts = [row * LENGTH + place for row in range(rows) for place in (0, 1)]
    return pa.table(
        {
            "id": pa.array([int(number).to_bytes(16, "big") for number in numbers], pa.binary(16)),
            "source": pa.array(["web"] * len(numbers)).dictionary_encode(),
            "group": pa.array(["web/en"] * len(numbers)).dictionary_encode(),
            "offset": pa.array(numbers * 10),
            "start": starts,
            "end": [*starts[1:], rows * LENGTH],
            "copy": pa.array([0] * len(numbers), pa.int32()),
        },
        schema=PIECE_SCHEMA,
    )


def write_mix(root: Path) -> dict[str, Any]:
    (root / "shards").mkdir(parents=True)
    units = []
    for number, rows in enumerate(ROWS):
        first = sum(ROWS[:number])
        payload = TOKENS[first : first + rows].tobytes()
        name = f"shards/shard-{number:05}-{number}"
        (root / f"{name}.bin").write_bytes(payload)
        pq.write_table(pieces(first, rows), root / f"{name}.docs.parquet")
        digest = sha256(payload).hexdigest()
        entry = {
            "kind": "shards",
            "path": f"{name}.bin",
            "rows": rows * LENGTH,
            "bytes": len(payload),
            "sha256": digest,
        }
        index = {"kind": "shard_index", "path": f"{name}.docs.parquet", "rows": 2 * rows, "bytes": 0, "sha256": ""}
        facts = {"first_sequence": first, "sequences": rows}
        units.append({"unit": f"shard-{number:05}", "facts": facts, "files": [index, entry]})
    facts = {"sequence_length": LENGTH, "vocab_size": 300, "eos_id": 1, "dtype": "uint16", "sequences": sum(ROWS)}
    manifest = {"stage": "mix", "key": "k", "facts": facts, "units": units}
    write_manifest(root, manifest)
    return manifest


def write_manifest(root: Path, manifest: dict[str, Any]) -> None:
    (root / "manifest.json").write_text(json.dumps(manifest))


def test_any_range_of_sequences_can_be_read(tmp_path: Path) -> None:
    write_mix(tmp_path / "mix")
    shards = MixedShards.open(str(tmp_path / "mix"), verify=True)
    assert (len(shards), shards.sequence_length, shards.vocab_size, shards.eos_id) == (7, 4, 300, 1)
    assert shards.digest == sha256((tmp_path / "mix" / "manifest.json").read_bytes()).hexdigest()
    for first in range(8):
        for count in range(8 - first):
            tokens = shards.tokens(first, count)
            assert tokens.dtype == shards.dtype == np.uint16
            assert tokens.shape == (count, LENGTH)
            assert (tokens == TOKENS[first : first + count]).all()
            assert tokens.flags.writeable
    for first, count in ((-1, 1), (0, 8), (7, 1), (3, -1)):
        with pytest.raises(IndexError):
            shards.tokens(first, count)
    assert (pickle.loads(pickle.dumps(shards)).tokens(2, 3) == TOKENS[2:5]).all()


def test_a_sequence_is_traced_to_its_documents(tmp_path: Path) -> None:
    write_mix(tmp_path / "mix")
    shards = MixedShards.open(str(tmp_path / "mix"))
    for position in range(7):
        rows = shards.documents(position).to_pylist()
        assert [int.from_bytes(row["id"], "big") for row in rows] == [2 * position, 2 * position + 1]
        assert [(row["start"], row["end"], row["offset"]) for row in rows] == [
            (0, 1, 20 * position),
            (1, 4, 20 * position + 10),
        ]
    for position in (-1, 7):
        with pytest.raises(IndexError):
            shards.documents(position)


def test_shards_are_read_from_other_filesystems(tmp_path: Path) -> None:
    write_mix(tmp_path / "mix")
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "mix"), "/reader-test/mix", recursive=True)
    try:
        shards = MixedShards.open("memory://reader-test/mix", verify=True)
        assert (shards.tokens(1, 5) == TOKENS[1:6]).all()
        assert shards.documents(4).num_rows == 2
    finally:
        memory.rm("/reader-test", recursive=True)


def test_damaged_directories_are_rejected(tmp_path: Path) -> None:
    root = tmp_path / "mix"
    with pytest.raises(InputError, match="completed mix stage"):
        MixedShards.open(str(root))
    manifest = write_mix(root)
    path = root / "shards" / "shard-00001-1.bin"
    payload = path.read_bytes()
    for wrong_size in (payload[:-1], payload + b"x"):
        path.write_bytes(wrong_size)
        with pytest.raises(InputError, match=r"shard-00001-1\.bin.* bytes instead of 24"):
            MixedShards.open(str(root))
    path.write_bytes(b"x" + payload[1:])
    MixedShards.open(str(root))
    with pytest.raises(InputError, match=r"shard-00001-1\.bin.*corrupt"):
        MixedShards.open(str(root), verify=True)
    path.unlink()
    with pytest.raises(InputError, match=r"shard-00001-1\.bin.*missing"):
        MixedShards.open(str(root))
    path.write_bytes(payload)
    write_manifest(root, manifest | {"stage": "tokenize"})
    with pytest.raises(InputError, match="stage 'tokenize'"):
        MixedShards.open(str(root))
    write_manifest(root, manifest | {"units": manifest["units"][:2]})
    with pytest.raises(InputError, match="6 of 7 sequences"):
        MixedShards.open(str(root))
    write_manifest(root, manifest | {"units": manifest["units"][1:]})
    with pytest.raises(InputError, match="is out of sequence"):
        MixedShards.open(str(root))


def test_a_shard_truncated_after_opening_is_reported(tmp_path: Path) -> None:
    write_mix(tmp_path / "mix")
    shards = MixedShards.open(str(tmp_path / "mix"))
    path = tmp_path / "mix" / shards.shards[0].path
    path.write_bytes(path.read_bytes()[:-1])
    assert (shards.tokens(0, 2) == TOKENS[:2]).all()
    with pytest.raises(InputError, match="is truncated"):
        shards.tokens(0, 3)


def test_a_gpu_node_needs_neither_beam_nor_tokenizers() -> None:
    program = (
        "import sys\n"
        "from gristmill.mixing import build_shard, global_order, mix_plan, mix_section, mixed_shards, group_stream\n"
        "from gristmill.mixing import token_balance, write_shard\n"
        "print({'apache_beam', 'tokenizers'} & sys.modules.keys())"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert run.stdout.strip() == "set()"

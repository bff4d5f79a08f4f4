"""A tiny mix with a pattern that a model learns in a second of training."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gristmill.mixing.build_shard import PIECE_SCHEMA
from gristmill.training.model_section import ModelSection
from gristmill.training.train_section import ScheduleSection, TrainSection
from tests.training.fake_commands import FakeCommands

LENGTH, VOCABULARY, SEQUENCES = 17, 32, 80

TINY = TrainSection(
    model=ModelSection(dim=16, layers=2, heads=2),
    batch_sequences=4,
    micro_batch=2,
    lr=0.02,
    schedule=ScheduleSection(warmup_tokens=136),
    log_every=1,
)


@pytest.fixture
def mix(tmp_path: Path) -> str:
    """The directory of a mix stage: 80 sequences that count up in threes, each from a random start."""
    starts = np.random.default_rng(0).integers(0, VOCABULARY, (SEQUENCES, 1))
    tokens = (starts + 3 * np.arange(LENGTH)) % VOCABULARY
    return write_mix(tmp_path / "mix", tokens.astype("<u2").tobytes())


def write_mix(root: Path, payload: bytes) -> str:
    (root / "shards").mkdir(parents=True)
    (root / "shards" / "all.bin").write_bytes(payload)
    pq.write_table(_pieces(), root / "shards" / "all.docs.parquet")
    files = [
        {"kind": "shards", "path": "shards/all.bin", "sha256": sha256(payload).hexdigest()},
        {"kind": "shard_index", "path": "shards/all.docs.parquet"},
    ]
    facts = {"sequence_length": LENGTH, "vocab_size": VOCABULARY, "eos_id": 0, "dtype": "uint16"}
    unit = {"unit": "all", "facts": {"first_sequence": 0, "sequences": SEQUENCES}, "files": files}
    manifest = {"stage": "mix", "facts": {**facts, "sequences": SEQUENCES}, "units": [unit]}
    (root / "manifest.json").write_text(json.dumps(manifest))
    return str(root)


def _pieces() -> pa.Table:
    """The shard index: two documents in each sequence, one of 8 tokens and one of 9."""
    starts = [start for first in range(0, SEQUENCES * LENGTH, LENGTH) for start in (first, first + 8)]
    rows = [
        {"id": start.to_bytes(16, "big"), "source": "texts", "offset": 0, "start": start, "end": end, "copy": 0}
        for start, end in zip(starts, [*starts[1:], SEQUENCES * LENGTH], strict=True)
    ]
    return pa.Table.from_pylist(rows, PIECE_SCHEMA)


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCommands:
    """Fake cluster commands, first on the PATH."""
    return FakeCommands(tmp_path / "bin", monkeypatch)

"""A run's folder on an object store: the same bytes as on a disk, and a killed run resumes from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="TORCH MISSING: pip install 'gristmill[train]'")

from gristmill.errors import InputError
from gristmill.mixing.mixed_shards import MixedShards
from gristmill.store import storage
from gristmill.training.launch.local_launch import train_locally
from gristmill.training.train_loop import train
from gristmill.training.train_section import TrainSection
from tests.training.conftest import TINY

SECTION = TINY.model_copy(update={"checkpoint_every": 4})
OUTCOME = ("metrics.jsonl", "result.json", "run.json", "model/config.json", "model/model.safetensors")


class InterruptedRunError(Exception):
    """Raised by a test to interrupt a run."""


def run(mix: str, out: str, until: int | None = None, section: TrainSection = SECTION) -> list[int]:
    """Train, until the report of step ``until`` if given, and return the reported steps."""
    steps: list[int] = []

    def report(row: dict[str, Any]) -> None:
        steps.append(row["step"])
        if row["step"] == until:
            raise InterruptedRunError

    train(section, MixedShards.open(mix), out, report)
    return steps


def test_resumed_run_on_a_store_equals_a_run_on_a_disk(mix: str, tmp_path: Path, storage_root: str) -> None:
    run(mix, str(tmp_path / "whole"))
    out = storage.join(storage_root, "runs", "a")
    with pytest.raises(InterruptedRunError):
        run(mix, out, until=9)
    assert [path for path, _ in storage.glob(out, "checkpoints/*/complete.json")] == [
        f"checkpoints/step-{step:08}/complete.json" for step in (4, 8)
    ]
    stale = storage.join(out, "checkpoints", "step-00000009", "__0_0.distcp")
    storage.create(stale, b"half")  # an incomplete checkpoint
    assert not storage.exists(storage.join(out, "result.json"))
    assert run(mix, out) == list(range(8, 20))
    assert not storage.exists(stale)
    for name in OUTCOME:
        assert storage.read_bytes(storage.join(out, name)) == (tmp_path / "whole" / name).read_bytes()
    speeds = storage.read_bytes(storage.join(out, "speed.jsonl")).splitlines()
    assert [json.loads(line)["step"] for line in speeds][-12:] == list(range(8, 20))
    assert len(storage.glob(out, "checkpoints/*/complete.json")) == 2
    with pytest.raises(InputError, match=r"/runs/a holds a run with train\.seed = 0, not 1: "):
        run(mix, out, section=SECTION.model_copy(update={"seed": 1}))


@pytest.mark.slow
def test_two_processes_read_from_and_write_to_a_store(mix: str, tmp_path: Path, s3_server: Any) -> None:
    section = SECTION.model_copy(update={"processes": 2, "steps": 5})
    bucket = s3_server.new_bucket()
    for name in ("manifest.json", "shards/all.bin"):
        storage.create(f"{bucket}/mix/{name}", Path(mix, name).read_bytes())
    out = f"{bucket}/run"
    remote = train_locally(section, f"{bucket}/mix", out, 5, lambda row: None)
    assert remote == train_locally(section, mix, str(tmp_path / "run"), 5, lambda row: None)
    files = {path.rpartition("/")[2] for path, _ in storage.glob(out, "checkpoints/step-00000005/*")}
    assert files == {".metadata", "__0_0.distcp", "__1_0.distcp", "complete.json"}
    for name in OUTCOME:
        assert storage.read_bytes(storage.join(out, name)) == (tmp_path / "run" / name).read_bytes()

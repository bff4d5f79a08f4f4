"""A tiny mix with a pattern that a model learns in a second of training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.harness.synthetic_mix import write_mix
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
    return write_mix(tmp_path / "mix", tokens, VOCABULARY)


def log_rows(out: Path, name: str = "metrics.jsonl") -> list[dict[str, Any]]:
    """The rows of a log of the run in ``out``."""
    return [json.loads(line) for line in (out / name).read_text().splitlines()]


def losses(out: Path) -> list[float]:
    """The loss of every step of the run in ``out``."""
    return [row["loss"] for row in log_rows(out)]


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCommands:
    """Fake cluster commands, first on the PATH."""
    return FakeCommands(tmp_path / "bin", monkeypatch)

"""The script for rare GPU machines runs everywhere: a quick run on this host's device measures every row."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

pytest.importorskip("torch", reason="TORCH MISSING: pip install 'gristmill[train]'")

PARTS = ("machine", "peaks", "attention", "ladder", "sizes", "plain_loop", "resume")


@pytest.mark.slow
def test_every_row_is_measured() -> None:
    command = [sys.executable, "-m", "benchmarks", "trainer_gpu", "--quick", "--seconds", "600"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"part"')]
    assert tuple(dict.fromkeys(row["part"] for row in rows)) == PARTS
    assert [row for row in rows if "failed" in row or "skipped" in row] == []
    assert rows[-1]["differing_losses"] == 0
    ladder = [row for row in rows if row["part"] == "ladder"]
    assert all(row["ms"] > 0 and row["predicted_ms"] > 0 for row in ladder)
    assert "ladder_muon_tokens_per_s" in json.loads(done.stdout.splitlines()[-1])

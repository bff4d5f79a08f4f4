"""Runs in processes of their own, under torchrun: killed outright, shared by two, refused."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="TORCH MISSING: pip install 'gristmill[train]'")

from gristmill.errors import RunError
from gristmill.mixing.reader import MixedShards
from gristmill.training.__main__ import main
from gristmill.training.launch.local import cause, torchrun_command, train
from gristmill.training.loop import train as train_here
from tests.training.conftest import TINY

SECTION = TINY.model_copy(update={"checkpoint_every": 3})

LAUNCHER = """
import os, signal, sys
from gristmill.training.launch.local import train
from gristmill.training.loop import train as train_here
from gristmill.training.train_section import TrainSection

def die(row):
    if row["step"] >= 10:
        os.kill(os.getpid(), signal.SIGKILL)

train(TrainSection.model_validate_json(sys.argv[1]), sys.argv[2], sys.argv[3], die)
"""


def losses(out: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_the_command() -> None:
    command = torchrun_command(SECTION.model_copy(update={"processes": 2}), "s.json", "s3://mix", "out")
    assert " ".join(command[1:]) == (
        "-m torch.distributed.run --standalone --nproc-per-node 2 -m gristmill.training"
        " --section s.json --shards s3://mix --out out"
    )


def test_a_run_whose_launcher_was_killed_ends_as_one_that_was_not(mix: str, tmp_path: Path) -> None:
    """SIGKILL, so that nobody can tidy up; the trainer that it leaves behind must not be in the next one's way."""
    one = {"batch_sequences": 1, "micro_batch": 1, "checkpoint_every": 8}  # 80 steps: time enough to die in
    section = SECTION.model_copy(update=one)
    command = [sys.executable, "-c", LAUNCHER, section.model_dump_json(), mix, str(tmp_path / "killed")]
    assert subprocess.run(command).returncode == -signal.SIGKILL
    rows: list[dict[str, Any]] = []
    train(section, mix, str(tmp_path / "killed"), rows.append)
    assert rows[0]["step"] in range(8, 80, 8)  # from a checkpoint, not from the start
    train_here(section, MixedShards.open(mix), str(tmp_path / "whole"), lambda row: None)
    for name in ("metrics.jsonl", "result.json", "model/model.safetensors"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_faults_are_one_sentence(mix: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"^training failed: no .*manifest\.json: give the directory of a finished mix"):
        train(SECTION, str(tmp_path / "none"), str(tmp_path / "out"), lambda row: None)


def test_the_cause_of_a_silent_end() -> None:
    assert cause(" RuntimeError: gloo \n") == "RuntimeError: gloo"
    told = "  exitcode  : -9 (pid: 7)  (SIGKILL)\n  traceback : Signal 9 (SIGKILL) received by PID 7\n==="
    assert cause(told).startswith("a process was ended by SIGKILL (")
    others = (
        "Failures:\n  traceback : Signal 15 (SIGTERM) received by PID 8\n-----\nRoot Cause (first observed failure):\n"
    )
    assert cause(others + told).startswith("a process was ended by SIGKILL (")


@pytest.mark.parametrize(
    ("section", "fault"),
    [
        (
            '{"batch_sequences": 81, "micro_batch": 81}',
            "1 steps of 81 sequences need 81 sequences, but the mix holds 80",
        ),
        ('{"lr": -1, "stepz": 3}', "is no `train` section: lr: Input should be greater than 0; stepz: Extra inputs"),
    ],
)
def test_a_process_alone_says_its_fault_in_a_line_of_json(
    mix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    section: str,
    fault: str,
) -> None:
    (tmp_path / "section.json").write_text(section)
    paths = ["--section", str(tmp_path / "section.json"), "--shards", mix, "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["training", *paths])
    assert main() == 1
    assert fault in json.loads(capsys.readouterr().out)["error"]


@pytest.mark.slow
def test_two_processes_repeat_themselves_and_are_close_to_one(mix: str, tmp_path: Path) -> None:
    one = SECTION.model_copy(update={"checkpoint_every": 100})
    two = one.model_copy(update={"processes": 2})
    for section, name in ((one, "one"), (two, "two"), (two, "again")):
        train(section, mix, str(tmp_path / name), lambda row: None)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-4)
    assert (tmp_path / "two" / "metrics.jsonl").read_bytes() == (tmp_path / "again" / "metrics.jsonl").read_bytes()

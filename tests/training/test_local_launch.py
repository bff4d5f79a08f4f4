"""Runs in separate processes under torchrun: killed, with two processes, and with errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="TORCH MISSING: pip install 'gristmill[train]'")

from gristmill.errors import RunError
from gristmill.mixing.mixed_shards import MixedShards
from gristmill.training.__main__ import main
from gristmill.training.launch.local_launch import failure_reason, torchrun_command, train_locally
from gristmill.training.train_loop import train
from gristmill.training.train_section import ScheduleSection
from tests.listeners import Listener, listeners, needs_proc
from tests.training.conftest import TINY, log_rows, losses

SECTION = TINY.model_copy(update={"checkpoint_every": 3})

LAUNCHER = """
import os, signal, sys
from gristmill.training.launch.local_launch import train_locally
from gristmill.training.train_loop import train
from gristmill.training.train_section import ScheduleSection
from gristmill.training.train_section import TrainSection

def die(row):
    if row["step"] >= 24:
        os.kill(os.getpid(), signal.SIGKILL)

train_locally(TrainSection.model_validate_json(sys.argv[1]), sys.argv[2], sys.argv[3], 80, die)
"""


def test_the_command() -> None:
    command = torchrun_command(SECTION.model_copy(update={"processes": 2}), "s.json", "s3://mix", "out", "/tmp/meet")
    assert " ".join(command[1:]) == (
        "-m torch.distributed.run --nnodes=1 --nproc-per-node=2 --local-addr=127.0.0.1 --rdzv-backend=c10d"
        " --rdzv-endpoint=/tmp/meet --rdzv-conf=store_type=file -m gristmill.training"
        " --section s.json --shards s3://mix --out out"
    )


def test_run_resumed_after_a_killed_launcher_equals_an_uninterrupted_run(mix: str, tmp_path: Path) -> None:
    """SIGKILL leaves no chance to clean up; the trainer that is left running must not block the next run."""
    small_batches = {
        "batch_sequences": 1,
        "micro_batch": 1,
        "checkpoint_every": 8,
    }  # 80 steps: enough time to be killed
    section = SECTION.model_copy(update=small_batches)
    command = [sys.executable, "-c", LAUNCHER, section.model_dump_json(), mix, str(tmp_path / "killed")]
    assert subprocess.run(command).returncode == -signal.SIGKILL
    rows: list[dict[str, Any]] = []
    train_locally(section, mix, str(tmp_path / "killed"), 80, rows.append)
    assert rows[0]["step"] in range(8, 80, 8)  # from a checkpoint, not from the start
    train(section, MixedShards.open(mix), str(tmp_path / "whole"), lambda row: None)
    for name in ("metrics.jsonl", "result.json", "model/model.safetensors"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_errors_are_one_sentence(mix: str, tmp_path: Path) -> None:
    message = r"^training failed: .*manifest\.json does not exist: pass the directory of a completed mix stage"
    with pytest.raises(RunError, match=message):
        train_locally(SECTION, str(tmp_path / "none"), str(tmp_path / "out"), 20, lambda row: None)


def test_failure_reason_is_the_signal_of_the_first_failure() -> None:
    assert failure_reason(" RuntimeError: gloo \n") == "RuntimeError: gloo"
    first = "  exitcode  : -9 (pid: 7)  (SIGKILL)\n  traceback : Signal 9 (SIGKILL) received by PID 7\n==="
    assert failure_reason(first).startswith("a process was killed by SIGKILL (")
    others = (
        "Failures:\n  traceback : Signal 15 (SIGTERM) received by PID 8\n-----\nRoot Cause (first observed failure):\n"
    )
    assert failure_reason(others + first).startswith("a process was killed by SIGKILL (")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            '{"batch_sequences": 81, "micro_batch": 81}',
            "1 steps of 81 sequences need 81 sequences, but the mix holds 80",
        ),
        (
            '{"lr": -1, "stepz": 3}',
            "is not a valid `train` section: lr: Input should be greater than 0; stepz: Extra inputs",
        ),
    ],
)
def test_single_process_prints_its_error_as_a_line_of_json(
    mix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    section: str,
    message: str,
) -> None:
    (tmp_path / "section.json").write_text(section)
    paths = ["--section", str(tmp_path / "section.json"), "--shards", mix, "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["training", *paths])
    assert main() == 1
    assert message in json.loads(capsys.readouterr().out)["error"]


@needs_proc
def test_two_processes_listen_on_loopback_only(mix: str, tmp_path: Path) -> None:
    seen: set[Listener] = set()
    section = SECTION.model_copy(update={"processes": 2})
    train_locally(section, mix, str(tmp_path / "out"), 20, lambda row: seen.update(listeners([os.getpid()])))
    trainers = {each for each in seen if "gristmill.training" in each.command}
    assert trainers  # gloo's, through which the processes exchange tensors
    assert {each for each in trainers if not each.is_loopback} == set()


@pytest.mark.slow
def test_two_processes_are_reproducible_and_agree_with_one(mix: str, tmp_path: Path) -> None:
    one = SECTION.model_copy(update={"checkpoint_every": 100})
    two = one.model_copy(update={"processes": 2})
    for section, name in ((one, "one"), (two, "two"), (two, "again")):
        train_locally(section, mix, str(tmp_path / name), 20, lambda row: None)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-4)
    assert (tmp_path / "two" / "metrics.jsonl").read_bytes() == (tmp_path / "again" / "metrics.jsonl").read_bytes()


@pytest.mark.slow
def test_a_run_resumed_in_other_layouts_equals_an_undisturbed_one(mix: str, tmp_path: Path) -> None:
    """Two processes, then one with another micro-batch, then two again, each time for more steps."""
    schedule = ScheduleSection(shape="constant", warmup_tokens=0)
    steady = SECTION.model_copy(update={"schedule": schedule, "lr": 0.005})
    train_locally(steady, mix, str(tmp_path / "whole"), 20, lambda row: None)
    for steps, processes, micro_batch in ((7, 2, 2), (12, 1, 1), (20, 2, 1)):
        layout = {"steps": steps, "processes": processes, "micro_batch": micro_batch}
        section = steady.model_copy(update=layout)
        assert train_locally(section, mix, str(tmp_path / "moved"), steps, lambda row: None)["steps"] == steps
    assert losses(tmp_path / "moved") == pytest.approx(losses(tmp_path / "whole"), rel=1e-5)
    events = log_rows(tmp_path / "moved", "events.jsonl")
    assert [(row["event"], row["step"]) for row in events] == [("start", 0), ("change", 7), ("change", 12)]
    assert events[1]["changed"] == {"steps": [7, 12], "micro_batch": [2, 1], "processes": [2, 1]}

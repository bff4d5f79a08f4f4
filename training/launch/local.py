"""Start the trainer as processes of its own, and follow it. Free of torch: this runs where the pipeline runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Any

from gristmill.errors import InputError, RunError
from gristmill.store import storage
from gristmill.training.train_section import TrainSection

_TAIL = 2000

ENVIRONMENT = {
    "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",  # or workers may find the port of the agent's store taken
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # cuBLAS repeats itself only with a workspace of fixed size
}


PATIENCE = 1800
"""Seconds that hosts of one run wait for each other: pods are scheduled, and images pulled, one after the other."""


def trainer_arguments(section: str, shards: str, out: str) -> list[str]:
    """What each process is told, by URL."""
    return ["-m", "gristmill.training", "--section", section, "--shards", shards, "--out", out]


def torchrun_command(section: TrainSection, section_path: str, shards: str, out: str) -> list[str]:
    """The command that trains on this host with ``section.processes`` processes; it finds itself a free port."""
    return [
        *(sys.executable, "-m", "torch.distributed.run"),
        *("--standalone", "--nproc-per-node", str(section.processes)),
        *trainer_arguments(section_path, shards, out),
    ]


def train(
    section: TrainSection, shards: str, out: str, on_progress: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Train on the mix at the URL ``shards``, on from the last checkpoint at the URL ``out``; the result.

    ``on_progress`` is given a row of the metrics with ``steps``, ``tokens_per_s`` and perhaps ``mfu`` every
    ``log_every`` steps (``step`` counts from 0). The result is ``{"steps", "sequences", "tokens", "first_loss",
    "last_loss", "parameters"}``. Raises InputError if torch is not installed, RunError with one sentence if training
    fails.
    """
    if find_spec("torch") is None or find_spec("safetensors") is None:
        raise InputError("training needs PyTorch and safetensors: pip install 'gristmill[train]'")
    with TemporaryDirectory(prefix="gristmill-") as folder:
        section_path = Path(folder, "section.json")
        section_path.write_text(section_json(section))
        _follow(torchrun_command(section, str(section_path), shards, out), on_progress)
    result = finished(out)
    if result is None:
        raise RunError(f"training left no result in {out}: run again to go on")
    return result


def finished(out: str) -> dict[str, Any] | None:
    """The result of the run in the folder at the URL ``out``; None where it is not done."""
    try:
        result: dict[str, Any] = json.loads(storage.read_bytes(storage.join(out, "result.json")))
    except FileNotFoundError:
        return None
    return result


def section_json(section: TrainSection) -> str:
    """What the trainer is given: the section without where it is started."""
    return section.model_dump_json(exclude={"launch"})


def _follow(command: list[str], on_progress: Callable[[dict[str, Any]], None]) -> None:
    """Run ``command`` and pass on the JSON lines that it prints; raises RunError if it fails."""
    fault = None
    with TemporaryFile() as stderr:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, env={**os.environ, **ENVIRONMENT}
        )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith(b"{"):
                    row = json.loads(line)
                    fault = fault or row.get("error")
                    if "step" in row:
                        on_progress(row)
            status = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
        if status:
            raise RunError(f"training failed: {fault or cause(_tail(stderr)) or f'exit status {status}'}")


def cause(stderr: str) -> str:
    """Why a run failed, of which no process could tell: the signal that torchrun names, or all that it says.

    The other processes are ended with SIGTERM after the first failure; what came first is under "Root Cause".
    """
    killed = re.search(r"Signal \d+ \((SIG[A-Z]+)\) received", stderr.rpartition("Root Cause")[2])
    if killed is None:
        return stderr.strip()
    return f"a process was ended by {killed[1]} (if memory ran out, lower train.micro_batch); run again to go on"


def _tail(file: IO[bytes]) -> str:
    file.seek(max(file.seek(0, os.SEEK_END) - _TAIL, 0))
    return file.read().decode(errors="replace")

"""Runs the trainer with torchrun on this host and follows it. Does not import torch: the pipeline may lack it."""

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
from gristmill.training.launch.run_result import read_result
from gristmill.training.launch.trainer_command import STORE_FILE, TRAINER_ENVIRONMENT, section_json, trainer_arguments
from gristmill.training.train_section import TrainSection

_TAIL_BYTES = 2000


def train_locally(
    section: TrainSection, shards: str, out: str, steps: int, on_progress: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Train for ``steps`` steps on the mix at the URL ``shards``, from the last checkpoint in ``out`` if there is one.

    ``on_progress`` is called every ``log_every`` steps with a row of the metrics, ``steps`` and the speed (see
    ``throughput``); ``step`` counts from 0. Returns the content of ``result.json``. Raises InputError if torch is not
    installed, RunError with one sentence if training fails.
    """
    if find_spec("torch") is None or find_spec("safetensors") is None:
        raise InputError("training needs PyTorch and safetensors: pip install 'gristmill[train]'")
    with TemporaryDirectory(prefix="gristmill-") as folder:
        section_path = Path(folder, "section.json")
        section_path.write_text(section_json(section))
        command = torchrun_command(section, str(section_path), shards, out, str(Path(folder, "rendezvous")))
        _follow(command, local_environment(folder), on_progress)
    result = read_result(out, steps)
    if result is None:
        raise RunError(f"training ended without a result in {out}: run the same command again to resume")
    return result


def torchrun_command(section: TrainSection, section_path: str, shards: str, out: str, rendezvous: str) -> list[str]:
    """Return the command that trains on this host with ``section.processes`` processes.

    They meet through the new file ``rendezvous``: ``--standalone`` would open a port on all addresses.
    """
    return [
        *(sys.executable, "-m", "torch.distributed.run"),
        *("--nnodes=1", f"--nproc-per-node={section.processes}", "--local-addr=127.0.0.1"),
        *("--rdzv-backend=c10d", f"--rdzv-endpoint={rendezvous}", "--rdzv-conf=store_type=file"),
        *trainer_arguments(section_path, shards, out),
    ]


def local_environment(folder: str) -> dict[str, str]:
    """Return the environment of torchrun, whose processes use the new folder ``folder`` and the loopback interface."""
    interface = "lo0" if sys.platform == "darwin" else "lo"
    return {
        **os.environ,
        **TRAINER_ENVIRONMENT,
        STORE_FILE: str(Path(folder, "store")),
        "GLOO_SOCKET_IFNAME": interface,
        "NCCL_SOCKET_IFNAME": f"={interface}",
    }


def _follow(command: list[str], environment: dict[str, str], on_progress: Callable[[dict[str, Any]], None]) -> None:
    """Run ``command`` and pass the JSON lines that it prints to ``on_progress``. Raises RunError if it fails."""
    reported = None
    with TemporaryFile() as stderr:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environment,
        )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith(b"{"):
                    row = json.loads(line)
                    reported = reported or row.get("error")
                    if "notice" in row:
                        sys.stderr.write(f"train: {row['notice']}\n")
                    if "step" in row:
                        on_progress(row)
            status = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
        if status:
            reason = reported or failure_reason(_tail(stderr)) or f"exit status {status}"
            raise RunError(f"training failed: {reason}")


def failure_reason(stderr: str) -> str:
    """Return why a run failed if no process reported an error: the signal that torchrun names, or all of its output.

    After the first failure torchrun ends the other processes with SIGTERM; the first failure is under "Root Cause".
    """
    match = re.search(r"Signal \d+ \((SIG[A-Z]+)\) received", stderr.rpartition("Root Cause")[2])
    if match is None:
        return stderr.strip()
    return (
        f"a process was killed by {match[1]} (if memory ran out, lower train.micro_batch); run the same command "
        "again to resume"
    )


def _tail(file: IO[bytes]) -> str:
    file.seek(max(file.seek(0, os.SEEK_END) - _TAIL_BYTES, 0))
    return file.read().decode(errors="replace")

"""Fake cluster commands: each records its arguments and input, and prints what the test wants."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest


class FakeCommands:
    """A folder of fake commands that is first on the PATH."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        folder.mkdir()
        patch.setenv("PATH", f"{folder}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")

    def add(self, name: str, output: str = "", status: int = 0, body: str = "") -> None:
        """Add a command that records its arguments and input, then runs ``body``, or prints ``output`` and exits."""
        stream = 2 if status else 1
        record = shlex.quote(str(self.folder / name))
        end = f"printf '%s\\n' {shlex.quote(output)} >&{stream}; exit {status}"
        lines = ["#!/bin/bash", f'printf "%s\\n" "$*" >> {record}.calls', f"cat > {record}.stdin", body or end]
        (self.folder / name).write_text("\n".join(lines) + "\n")
        (self.folder / name).chmod(0o755)

    def calls(self, name: str) -> list[str]:
        """Return the arguments of each call."""
        path = self.folder / f"{name}.calls"
        return path.read_text().splitlines() if path.exists() else []

    def stdin(self, name: str) -> str:
        """Return the input of the last call."""
        return (self.folder / f"{name}.stdin").read_text()


def run_batch_script(fakes: FakeCommands, script: str, nodes: int) -> subprocess.CompletedProcess[str]:
    """Run a batch script with an ``srun`` that starts one task per node, all on this host."""
    fakes.add("scontrol", "\n".join(["localhost"] * nodes))
    fakes.add(
        "srun",
        body=f"""shift
        for task in $(seq 0 {nodes - 1}); do SLURM_PROCID=$task "$@" & tasks+=($!); done
        for task in "${{tasks[@]}}"; do wait "$task" || exit 1; done""",
    )
    environment = {**os.environ, "SLURM_JOB_ID": str(os.getpid()), "SLURM_JOB_NODELIST": "localhost"}
    (fakes.folder / "job.sh").write_text(script)
    command = ["bash", str(fakes.folder / "job.sh")]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, env=environment, capture_output=True, text=True, timeout=300
    )

"""Commands of a cluster, faked: what each is given is kept, and what it says is the test's."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest


class Fakes:
    """A folder of commands that comes first on PATH."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        folder.mkdir()
        patch.setenv("PATH", f"{folder}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")

    def add(self, name: str, says: str = "", status: int = 0, body: str = "") -> None:
        """A command that keeps its arguments and its input, then runs ``body``, or says ``says`` and ends so."""
        stream = 2 if status else 1
        kept = shlex.quote(str(self.folder / name))
        end = f"printf '%s\\n' {shlex.quote(says)} >&{stream}; exit {status}"
        lines = ["#!/bin/bash", f'printf "%s\\n" "$*" >> {kept}.calls', f"cat > {kept}.stdin", body or end]
        (self.folder / name).write_text("\n".join(lines) + "\n")
        (self.folder / name).chmod(0o755)

    def calls(self, name: str) -> list[str]:
        """The arguments of each call."""
        path = self.folder / f"{name}.calls"
        return path.read_text().splitlines() if path.exists() else []

    def stdin(self, name: str) -> str:
        """What the last call read."""
        return (self.folder / f"{name}.stdin").read_text()


def run_as_slurm_would(fakes: Fakes, script: str, nodes: int) -> subprocess.CompletedProcess[str]:
    """Run a batch script with an ``srun`` that starts one task a node, all of them here."""
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

"""Runs the commands of a cluster, such as kubectl or sbatch."""

from __future__ import annotations

import subprocess
from typing import NamedTuple

from gristmill.errors import InputError


class CommandResult(NamedTuple):
    """Exit status and output of a command."""

    status: int
    stdout: str
    stderr: str


def run_command(command: list[str], stdin: str | None = None) -> CommandResult:
    """Run a command without a shell. Raises InputError if it cannot be started."""
    options = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    try:
        result = subprocess.run(command, capture_output=True, text=True, errors="replace", **options)  # type: ignore[call-overload]
    except OSError as error:
        raise InputError(
            f"train.launch: cannot start {command[0]!r}, {error.strerror}: install it, or correct train.launch"
        ) from None
    return CommandResult(result.returncode, result.stdout, result.stderr)


def last_line(text: str) -> str:
    """Return the last line that is not blank, stripped; empty if there is none."""
    return next((line.strip() for line in reversed(text.split("\n")) if line.strip()), "")

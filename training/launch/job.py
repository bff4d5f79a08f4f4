"""A run that is handed over to other hosts, and the commands that do it."""

from __future__ import annotations

import subprocess
from typing import NamedTuple

from gristmill.errors import InputError


class Job(NamedTuple):
    """Where all that a run needs lies: URLs, or absolute paths that the hosts of the run see too."""

    name: str
    """The same for the same run, so that a cluster can tell."""
    section: str
    shards: str
    out: str


class Order(NamedTuple):
    """What submits a run: a command, what it reads, and the ending of the file in which that is kept."""

    command: list[str]
    stdin: str | None = None
    suffix: str = ""


class Ran(NamedTuple):
    """A command that has ended."""

    status: int
    stdout: str
    stderr: str


def run(command: list[str], stdin: str | None = None) -> Ran:
    """Run a command without a shell. Raises InputError if it cannot be started."""
    given = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", **given)  # type: ignore[call-overload]
    except OSError as error:
        raise InputError(
            f"train.launch: cannot start {command[0]!r}, {error.strerror}: install it, or correct train.launch"
        ) from None
    return Ran(done.returncode, done.stdout, done.stderr)


def last_line(text: str) -> str:
    """The last line that is not blank; empty where there is none."""
    lines = text.split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")

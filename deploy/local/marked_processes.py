"""Finds the processes of a cluster by a variable in their environment, which their child processes inherit.

This also finds an executor whose worker was killed, or a Python worker whose pool was, under any parent and in any
session. The environment is read from /proc.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

MARK = "GRISTMILL_LOCAL_CLUSTER"


def marked(folder: Path) -> list[int]:
    """Return the running processes of the cluster in ``folder``."""
    mark = f"{MARK}={folder}".encode()
    return [pid for pid in _pids() if pid != os.getpid() and mark in _environment(pid) and _is_running(pid)]


def end(folder: Path, grace: float) -> list[int]:
    """Terminate the cluster's processes, kill them after ``grace`` seconds, and return those that remain."""
    _signal(marked(folder), signal.SIGTERM)
    if not _wait_until_gone(folder, grace):
        _signal(marked(folder), signal.SIGKILL)
        _wait_until_gone(folder, grace)
    return marked(folder)


def _wait_until_gone(folder: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while marked(folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # exited meanwhile, or owned by another user
        return []


def _is_running(pid: int) -> bool:
    """Whether a process is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False

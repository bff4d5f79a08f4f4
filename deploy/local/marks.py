"""Processes that belong to a cluster, found by a mark in their environment, which whatever they start inherits.

So an executor whose worker was killed, or a Python worker whose pool was, is found as well: under any parent, in any
session. The mark is read from /proc.
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
    """Living processes of the cluster in ``folder``."""
    mark = f"{MARK}={folder}".encode()
    return [pid for pid in _pids() if pid != os.getpid() and mark in _environment(pid) and _lives(pid)]


def end(folder: Path, grace: float) -> list[int]:
    """Ask the cluster's processes to end, kill those still there after ``grace`` seconds; those left, if any."""
    _signal(marked(folder), signal.SIGTERM)
    if not _gone(folder, grace):
        _signal(marked(folder), signal.SIGKILL)
        _gone(folder, grace)
    return marked(folder)


def _gone(folder: Path, seconds: float) -> bool:
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
    except OSError:  # ended meanwhile, or somebody else's
        return []


def _lives(pid: int) -> bool:
    """Whether a process is more than an entry that its parent has not read yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False

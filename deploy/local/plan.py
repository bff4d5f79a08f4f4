"""What a cluster consists of, as plain values; the engines' modules make it, the supervisor runs it."""

from __future__ import annotations

import random
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from gristmill.errors import RunError

HOST = "127.0.0.1"

POOL = "worker-pool"

# Below the ports that Linux gives to outgoing connections (32768 and up): one of those could take the port of a process
# while it is being started again.
_PORTS = range(20_000, 32_000)


class Process(NamedTuple):
    """One process of a cluster: the part that it plays, its command, and what it needs in its environment."""

    role: str
    command: list[str]
    environment: dict[str, str]


class Folder(NamedTuple):
    """Where a cluster keeps what is its own."""

    path: Path

    @property
    def configuration(self) -> Path:
        return self.path / "conf"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def scratch(self) -> Path:
        """What the processes write while they run; removed by ``stop``."""
        return self.path / "tmp"

    @property
    def profile(self) -> Path:
        return self.path / "runner.yaml"

    @property
    def plan(self) -> Path:
        return self.path / "plan.json"

    @property
    def processes(self) -> Path:
        return self.path / "processes.json"

    @property
    def lock(self) -> Path:
        """Held by the supervisor as long as it lives."""
        return self.path / "lock"

    def log(self, role: str) -> Path:
        return self.logs / f"{role}.log"


@dataclass(frozen=True)
class Plan:
    """A cluster that is to be started."""

    processes: list[Process]
    files: dict[str, str] = field(repr=False)
    """Configuration files by name, in the folder's ``conf``."""
    profile: dict[str, Any]
    """What a run must know: ``gristmill run --runner FOLDER/runner.yaml``."""
    health: str
    """URL of the state that ``slots`` reads."""
    slots: Callable[[Any], int]
    """Slots, or cores, that the workers known to the engine offer."""
    pool: int
    """Port of the worker pool."""


def free_ports(names: Sequence[str], candidates: Sequence[int] = _PORTS) -> dict[str, int]:
    """A port for each name on which nobody listens on this machine."""
    found: list[int] = []
    for port in random.sample(candidates, len(candidates)):
        if len(found) == len(names):
            break
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", port))
            except OSError:
                continue
        found.append(port)
    if len(found) < len(names):
        raise RunError(
            f"fewer than {len(names)} of the ports {candidates[0]} to {candidates[-1]} are free: end what uses them"
        )
    return dict(zip(names, found, strict=True))


def gc_log(folder: Folder, role: str) -> str:
    """The option that notes every garbage collection of a JVM: what its heap held before and after."""
    return f"-Xlog:gc:file={folder.logs / role}-gc-%p.log:uptime:filecount=0"


def worker_pool(port: int) -> Process:
    """The pool that starts Python workers, with this interpreter: where Gristmill is, since this is its checkout."""
    command = [sys.executable, "-m", "gristmill.runners.worker_pool", "--port", str(port)]
    return Process(POOL, command, {})

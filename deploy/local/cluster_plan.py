"""What a cluster consists of, as plain values, and helpers to plan one."""

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

# Below the ports that Linux uses for outgoing connections (32768 and up), which could take the port of a process while
# it restarts.
_PORTS = range(20_000, 32_000)


class Process(NamedTuple):
    """One process of a cluster: its role, its command, and its environment variables."""

    role: str
    command: list[str]
    environment: dict[str, str]


class Folder(NamedTuple):
    """The folder of a cluster, and the files in it."""

    path: Path

    @property
    def configuration(self) -> Path:
        return self.path / "conf"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def scratch(self) -> Path:
        """Temporary files of the processes; deleted by ``stop``."""
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
        """Held by the supervisor while it runs."""
        return self.path / "lock"

    def log(self, role: str) -> Path:
        return self.logs / f"{role}.log"


@dataclass(frozen=True)
class Plan:
    """A cluster to start."""

    processes: list[Process]
    files: dict[str, str] = field(repr=False)
    """Configuration files by name, in the folder's ``conf``."""
    profile: dict[str, Any]
    """The profile for ``gristmill run --runner FOLDER/runner.yaml``."""
    health: str
    """URL of the cluster state from which ``slots`` reads."""
    slots: Callable[[Any], int]
    """Returns the number of slots, or cores, of the registered workers from that state."""
    pool: int
    """Port of the worker pool."""


def free_ports(names: Sequence[str], candidates: Sequence[int] = _PORTS) -> dict[str, int]:
    """Return a free port of this machine for each name."""
    ports: list[int] = []
    for port in random.sample(candidates, len(candidates)):
        if len(ports) == len(names):
            break
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", port))
            except OSError:
                continue
        ports.append(port)
    if len(ports) < len(names):
        raise RunError(
            f"fewer than {len(names)} of the ports {candidates[0]} to {candidates[-1]} are free: stop the processes "
            "that use them"
        )
    return dict(zip(names, ports, strict=True))


def gc_log(folder: Folder, role: str) -> str:
    """Return the JVM option that logs each garbage collection with the heap size before and after."""
    return f"-Xlog:gc:file={folder.logs / role}-gc-%p.log:uptime:filecount=0"


def worker_pool(port: int) -> Process:
    """Return the pool that starts Python workers with this interpreter, which has Gristmill installed."""
    command = [sys.executable, "-m", "gristmill.runners.worker_pool", "--port", str(port)]
    return Process(POOL, command, {})

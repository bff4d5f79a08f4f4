"""Local Flink and Spark clusters, and the memory of a run by the part that its processes play."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness.process_cost import resident_bytes_by_pid
from benchmarks.harness.real_data import REPOSITORY

ENGINES = ("embedded", "flink", "spark")

_SAMPLE_SECONDS = 0.25
_PYTHON_WORKER = re.compile(r"gristmill\.runners\.(pool_worker|fork_server_process) ")


class LocalCluster(NamedTuple):
    """A running cluster: its profile for ``--runner``, and the process id of its supervisor."""

    profile: str
    pid: int


@contextmanager
def local_cluster(engine: str, slots: int) -> Iterator[LocalCluster | None]:
    """Start a cluster of ``deploy.local`` with ``slots`` slots; yields None for the embedded runner, which has none."""
    if engine == "embedded":
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="gristmill-cluster-") as folder:
        _deploy_local("start", engine, folder, "--slots", str(slots))
        try:
            status = json.loads(_deploy_local("status", engine, folder))
            yield LocalCluster(str(Path(folder, "runner.yaml")), status["supervisor"])
        finally:
            _deploy_local("stop", engine, folder)


class PeakMemory(NamedTuple):
    """The peak of resident memory, in MB, of each part of a run."""

    driver: float
    jvms: float
    python: float


class MemoryMonitor(threading.Thread):
    """Samples the memory of the driver's and the cluster's processes; shared pages count in every process."""

    def __init__(self, driver: int, cluster: LocalCluster | None) -> None:
        super().__init__(daemon=True)
        self._roots = {driver, *([cluster.pid] if cluster else [])}
        self._driver = driver
        self._stopped = threading.Event()
        self._peaks: dict[str, int] = defaultdict(int)

    def run(self) -> None:
        while not self._stopped.wait(_SAMPLE_SECONDS):
            totals: dict[str, int] = defaultdict(int)
            for pid, resident in resident_bytes_by_pid(self._roots).items():
                totals[self._part(pid)] += resident
            for part, total in totals.items():
                self._peaks[part] = max(self._peaks[part], total)

    def stop(self) -> PeakMemory:
        """Stop sampling and return the peaks."""
        self._stopped.set()
        self.join()
        return PeakMemory(*(self._peaks[part] / 1e6 for part in PeakMemory._fields))

    def _part(self, pid: int) -> str:
        try:
            command = Path("/proc", str(pid), "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # the process has ended
            return "none"
        if pid == self._driver:
            return "driver"
        if command.partition(" ")[0].endswith("java"):
            return "jvms"
        return "python" if _PYTHON_WORKER.search(command) else "none"


@contextmanager
def monitor_memory(driver: int, cluster: LocalCluster | None) -> Iterator[MemoryMonitor]:
    """Sample memory until the context ends."""
    monitor = MemoryMonitor(driver, cluster)
    monitor.start()
    try:
        yield monitor
    finally:
        monitor._stopped.set()


def _deploy_local(verb: str, engine: str, folder: str, *options: str) -> str:
    command = [sys.executable, "-m", "deploy.local", verb, engine, "--folder", folder, *options]
    completed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if completed.returncode:
        raise SystemExit(completed.stderr.strip())
    return completed.stdout

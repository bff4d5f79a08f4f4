"""Engines under measurement: local clusters, and the memory of a run's processes by the part that they play."""

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

from measure import processes

REPOSITORY = Path(__file__).resolve().parent.parent
ENGINES = ("embedded", "flink", "spark")

_LOOK_SECONDS = 0.25
_WORKER = re.compile(r"gristmill\.pipelines\.runners\.(pool|embedded)_worker ")


class Cluster(NamedTuple):
    """A cluster that runs: the profile for ``--runner``, and its supervisor's process."""

    profile: str
    pid: int


@contextmanager
def cluster(engine: str, slots: int) -> Iterator[Cluster | None]:
    """A local cluster of ``deploy.local`` with so many slots; None for the embedded runner, which needs none."""
    if engine == "embedded":
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="gristmill-cluster-") as folder:
        _local("start", engine, folder, "--slots", str(slots))
        try:
            yield Cluster(str(Path(folder, "runner.yaml")), json.loads(_local("status", engine, folder))["supervisor"])
        finally:
            _local("stop", engine, folder)


class Peak(NamedTuple):
    """The most resident memory seen at a time, in MB, of a part of a run."""

    driver: float
    jvms: float
    python: float


class Watch(threading.Thread):
    """Looks at a run's processes, and a cluster's, a few times a second; what is shared counts in each process."""

    def __init__(self, driver: int, cluster: Cluster | None) -> None:
        super().__init__(daemon=True)
        self.roots = {driver, *([cluster.pid] if cluster else [])}
        self.driver = driver
        self.over = threading.Event()
        self.most: dict[str, int] = defaultdict(int)

    def run(self) -> None:
        while not self.over.wait(_LOOK_SECONDS):
            now: dict[str, int] = defaultdict(int)
            for pid, resident in processes(self.roots).items():
                now[self._part(pid)] += resident
            for part, size in now.items():
                self.most[part] = max(self.most[part], size)

    def stop(self) -> Peak:
        self.over.set()
        self.join()
        return Peak(*(self.most[part] / 1e6 for part in Peak._fields))

    def _part(self, pid: int) -> str:
        try:
            command = Path("/proc", str(pid), "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return "none"
        if pid == self.driver:
            return "driver"
        if command.partition(" ")[0].endswith("java"):
            return "jvms"
        return "python" if _WORKER.search(command) else "none"


@contextmanager
def watching(driver: int, cluster: Cluster | None) -> Iterator[Watch]:
    watch = Watch(driver, cluster)
    watch.start()
    try:
        yield watch
    finally:
        watch.over.set()


def _local(verb: str, engine: str, folder: str, *more: str) -> str:
    command = [sys.executable, "-m", "deploy.local", verb, engine, "--folder", folder, *more]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.strip())
    return done.stdout

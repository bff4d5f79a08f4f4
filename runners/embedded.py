"""The embedded runner: Beam's FnApiRunner, in this process or on worker processes of this machine.

Beam itself is in ``fn_api``, imported with the first pipeline: until then a nursery of workers imports it beside us.
"""

from __future__ import annotations

from gristmill.runners.fork_server import ForkServer
from gristmill.runners.runner import Build, StageRunner


class EmbeddedStageRunner(StageRunner):
    """At most ``workers`` processes; one is this process."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._nursery: ForkServer | None = None

    def __enter__(self) -> EmbeddedStageRunner:
        self._ready()
        return self

    def run(self, name: str, build: Build, units: int) -> None:
        from gristmill.runners.fn_api import run_pipeline

        workers = min(self.workers, units)
        run_pipeline(build, workers, self._ready() if workers > 1 else None)

    def close(self) -> None:
        if self._nursery:
            self._nursery.close()
            self._nursery = None

    def _ready(self) -> ForkServer | None:
        if self._nursery is None and self.workers > 1:
            self._nursery = ForkServer()
        return self._nursery

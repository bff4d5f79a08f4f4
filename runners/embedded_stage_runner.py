"""The embedded runner: Beam's FnApiRunner, in this process or with worker processes on this machine.

The code that imports Beam is in ``fn_api_pipeline``, loaded with the first pipeline: until then the fork server imports
Beam at the same time as this process does other work.
"""

from __future__ import annotations

from gristmill.runners.fork_server import ForkServer
from gristmill.runners.stage_runner import Build, StageRunner


class EmbeddedStageRunner(StageRunner):
    """Uses at most ``workers`` processes; with one worker, this process."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._fork_server: ForkServer | None = None

    def __enter__(self) -> EmbeddedStageRunner:
        self._start_fork_server()
        return self

    def run(self, name: str, build: Build, units: int) -> None:
        from gristmill.runners.fn_api_pipeline import run_pipeline

        workers = min(self.workers, units)
        run_pipeline(build, workers, self._start_fork_server() if workers > 1 else None)

    def close(self) -> None:
        if self._fork_server:
            self._fork_server.close()
            self._fork_server = None

    def _start_fork_server(self) -> ForkServer | None:
        """Return the fork server, started if it is not running yet; None if there is only one worker."""
        if self._fork_server is None and self.workers > 1:
            self._fork_server = ForkServer()
        return self._fork_server

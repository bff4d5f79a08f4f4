"""``--runner embedded``: this machine, with nothing to install."""

from __future__ import annotations

from os import cpu_count
from typing import Literal

from gristmill.runners.runner_profile import RunnerProfile
from gristmill.runners.stage_runner import StageRunner


class EmbeddedProfile(RunnerProfile):
    """Beam's FnApiRunner, in this process or with worker processes on this machine."""

    runner: Literal["embedded"] = "embedded"

    def open_runner(self, work: str, workers: int | None = None) -> StageRunner:
        from gristmill.runners.embedded_stage_runner import EmbeddedStageRunner

        return EmbeddedStageRunner(workers or cpu_count() or 1)

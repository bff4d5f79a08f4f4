"""``--runner prism``: Beam's own portable runner on this machine, to test that pipelines are portable."""

from __future__ import annotations

from functools import partial
from typing import Literal

from pydantic import Field

from gristmill.runners.runner_profile import Endpoint, RunnerProfile
from gristmill.runners.stage_runner import StageRunner


class PrismProfile(RunnerProfile):
    """Prism on this machine. It tests the portability of a pipeline and is not meant for large inputs."""

    runner: Literal["prism"] = "prism"
    location: str | None = Field(
        None,
        description="Path of a Prism that listens on loopback only, as `python -m deploy.local part prism` builds it; "
        "if unset, Beam downloads its own, which is refused on a machine with a network.",
    )
    job_endpoint: Endpoint | None = Field(None, description="Address of a Prism that is already running.")

    def open_runner(self, work: str, workers: int | None = None) -> StageRunner:
        from gristmill.runners.portable_stage_runner import PortableStageRunner
        from gristmill.runners.prism_service import start_prism

        return PortableStageRunner(partial(start_prism, self, workers), work, 1)

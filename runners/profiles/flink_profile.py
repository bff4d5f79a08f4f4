"""``--runner flink``: a Flink cluster, or a small one inside the job server."""

from __future__ import annotations

from functools import partial
from typing import Literal

from pydantic import Field

from gristmill.runners import cluster_slots
from gristmill.runners.profiles.job_server_profile import JobServerProfile
from gristmill.runners.runner_profile import Endpoint
from gristmill.runners.stage_runner import StageRunner


class FlinkProfile(JobServerProfile):
    """A Flink cluster; with the master ``[local]``, a small one inside the job server."""

    runner: Literal["flink"] = "flink"
    master: Endpoint | Literal["[local]"] = Field(
        "[local]", description="REST address of the JobManager; [local] runs a small cluster inside the job server."
    )
    version: str = Field("1.20", description="Version of Flink. Flink 2.x stores groups differently.")

    @property
    def is_local(self) -> bool:
        return self.master == "[local]"

    def read_slots(self) -> cluster_slots.Slots:
        return cluster_slots.flink_slots(self.master, self.version)

    def open_runner(self, work: str, workers: int | None = None) -> StageRunner:
        from gristmill.runners.flink_service import start_flink
        from gristmill.runners.portable_stage_runner import PortableStageRunner

        return PortableStageRunner(partial(start_flink, self, workers), work, self.jobs_tried)

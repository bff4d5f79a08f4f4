"""``--runner spark``: a Spark cluster, or a small one inside the job server."""

from __future__ import annotations

from functools import partial
from typing import Literal

from pydantic import Field

from gristmill.errors import InputError
from gristmill.runners import cluster_slots
from gristmill.runners.profiles.job_server_profile import JobServerProfile
from gristmill.runners.runner_profile import Endpoint
from gristmill.runners.stage_runner import StageRunner


class SparkProfile(JobServerProfile):
    """A Spark 3 cluster; with the master ``local[N]``, a small one inside the job server."""

    runner: Literal["spark"] = "spark"
    master: str = Field(
        "local",
        pattern=r"^(local(\[[\d*]+\])?|spark://[^\s/]+:\d+|k8s://\S+|yarn)$",
        description="URL of the master; local runs a small cluster with --workers threads inside the job server.",
    )
    ui: Endpoint | None = Field(
        None, description="Web address of the standalone master, from which the number of cores is read."
    )
    properties: dict[str, str] = Field({}, description="Spark properties of the driver and the executors.")

    @property
    def is_local(self) -> bool:
        return self.master.startswith("local")

    def read_slots(self) -> cluster_slots.Slots:
        if self.ui is None:
            raise InputError(f"the slots of the Spark cluster at {self.master} are unknown: set `ui`")
        return cluster_slots.spark_slots(self.ui)

    def open_runner(self, work: str, workers: int | None = None) -> StageRunner:
        from gristmill.runners.portable_stage_runner import PortableStageRunner
        from gristmill.runners.spark_service import start_spark

        return PortableStageRunner(partial(start_spark, self, workers), work, self.jobs_tried)

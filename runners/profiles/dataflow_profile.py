"""``--runner dataflow``: Google Cloud Dataflow."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gristmill.runners.runner_profile import RunnerProfile
from gristmill.runners.stage_runner import StageRunner


class DataflowProfile(RunnerProfile):
    """Google Cloud Dataflow; each stage is one batch job."""

    runner: Literal["dataflow"] = "dataflow"
    project: str = Field(description="Google Cloud project.")
    region: str = Field(description="Region of the workers; the bucket of the work directory should be in it too.")
    temp: str = Field(pattern="^gs://", description="Folder for Dataflow's temporary files.")
    image: str = Field(description="Worker image that contains Gristmill and its models and lists.")
    machine_type: str = Field("n2-standard-8", description="Machine type of the workers.")
    disk_gb: int = Field(100, ge=30, description="Disk size of a worker, in GB: scratch space for units in progress.")
    service_account: str | None = Field(None, description="Service account of the workers.")
    network: str | None = Field(None, description="VPC network.")
    subnetwork: str | None = Field(None, description="Subnetwork, as a path or URL.")
    public_ips: bool = Field(False, description="Whether workers have public IP addresses; they do not need any.")
    beam: list[str] = Field([], description="Further Beam pipeline options, passed on unchanged.")

    def open_runner(self, work: str, workers: int | None = None) -> StageRunner:
        from gristmill.runners.dataflow_stage_runner import DataflowStageRunner

        return DataflowStageRunner(self, work, workers)

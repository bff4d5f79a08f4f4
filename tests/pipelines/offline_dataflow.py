"""Beam's Dataflow translation and client without Google Cloud: the functions that send requests are replaced."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

_MISSING = "DATAFLOW NOT TESTED: apache-beam[gcp] and gcsfs are not installed; pip install -e '.[gcp]'"


def require_gcp() -> None:
    """Skip the test if Google Cloud's packages are not installed."""
    pytest.importorskip("apache_beam.runners.dataflow.internal.apiclient", reason=_MISSING)
    pytest.importorskip("gcsfs", reason=_MISSING)


@dataclass
class Cloud:
    """The requests sent: files by URL, jobs, and state changes (job id, state).

    ``state`` is the state that jobs report, ``running`` the id of a job that is already active under the same name.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    jobs: list[Any] = field(default_factory=list)
    state_changes: list[tuple[str, str]] = field(default_factory=list)
    state: str = "JOB_STATE_DONE"
    running: str | None = None

    @property
    def job(self) -> Any:
        """The only job that was submitted."""
        (job,) = self.jobs
        return job


def patch_cloud(patch: pytest.MonkeyPatch) -> Cloud:
    """Replace the functions that send requests to Google Cloud; skip the test if its packages are not installed."""
    require_gcp()
    from apache_beam.options.pipeline_options import GoogleCloudOptions
    from apache_beam.runners.dataflow.internal import apiclient
    from google.auth import credentials
    from google.cloud import dataflow

    cloud = Cloud()
    client = apiclient.DataflowApplicationClient

    def stage_file(self: Any, folder: str, name: str, stream: Any, *args: Any, **options: Any) -> None:
        cloud.files[f"{folder}/{name}"] = stream.read()

    def submit(self: Any, job: Any) -> Any:
        if cloud.running:
            raise apiclient.DataflowJobAlreadyExistsError(f"There is already active job named {job.proto.name}")
        cloud.jobs.append(job)
        return dataflow.Job(id="2026-11-21_job", current_state=dataflow.JobState[cloud.state])

    def get_job(self: Any, job: str) -> Any:
        return dataflow.Job(id=job, current_state=dataflow.JobState[cloud.state])

    def modify(self: Any, job: str, state: str) -> bool:
        cloud.state_changes.append((job, state))
        return True

    patch.setattr(client, "stage_file", stage_file)
    patch.setattr(client, "submit_job_description", submit)
    patch.setattr(client, "get_job", get_job)
    patch.setattr(client, "job_id_for_name", lambda self, name: cloud.running)
    patch.setattr(client, "modify_job_state", modify)
    patch.setattr(apiclient, "get_service_credentials", lambda options: None)
    patch.setattr(apiclient, "create_storage_client", lambda *args: None)
    patch.setattr(GoogleCloudOptions, "_warn_if_soft_delete_policy_enabled", lambda self, name: None)
    patch.setattr("google.auth.default", lambda: (credentials.AnonymousCredentials(), "some-project"))
    return cloud

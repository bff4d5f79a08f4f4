"""Google Cloud Dataflow: the pipeline of each stage is one batch job.

A job's name contains the work directory's digest and the stage, and Dataflow does not run two jobs with the same name
at a time. So a new launcher finds the job that a killed launcher left, waits for it, and then runs the units that are
still pending.

Dataflow's portable runner (v2, the only one for Python) starts one Python process per vCPU of a worker. Each process
gets one thread and so one bundle at a time: our transforms hold Python's lock, so a second bundle in the same process
would only take memory. The alternative, ``no_use_multiple_sdk_containers``, starts one process per worker: that needs
less memory for models, which all threads share, but uses only one core, so it is never set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from gristmill.errors import InputError, RunError
from gristmill.runners.job_errors import RETRY_HINT, job_error
from gristmill.runners.profiles.dataflow_profile import DataflowProfile
from gristmill.runners.stage_runner import Build, StageRunner, WorkersLostError, job_prefix, quiet_beam_logs

_MAX_MACHINES = 1000
"""Machines of one job; Dataflow's default limit."""

_VCPUS = re.compile(r"-(\d+)(?:-\d+)?(?:-[a-z]+)?$")
_LOST = re.compile(r"lost contact|disconnect|preempt|RESOURCE_POOL_EXHAUSTED", re.IGNORECASE)


class DataflowStageRunner(StageRunner):
    """Uses at most ``workers`` Python processes, on as many machines as are needed to have that many vCPUs."""

    tries = 2  # Dataflow itself tries every bundle four times

    def __init__(self, profile: DataflowProfile, work: str, workers: int | None) -> None:
        """Raises InputError if a job could not start, before anything is sent."""
        check(work)
        self.profile, self.work, self.workers = profile, work, workers

    def run(self, name: str, build: Build, units: int) -> None:
        with quiet_beam_logs():
            submitted = self.submit(name, build, units)
            self._wait(submitted.result)
        if not submitted.is_new:
            raise WorkersLostError(f"the job that an earlier launcher left has ended; {RETRY_HINT}")

    def submit(self, name: str, build: Build, units: int) -> Submitted:
        """Submit the pipeline without waiting for its end. Raises InputError if Dataflow rejects it."""
        from apache_beam.runners.dataflow.dataflow_runner import DataflowPipelineResult
        from apache_beam.runners.dataflow.internal.apiclient import DataflowJobAlreadyExistsError

        options = PipelineOptions(self.options(name, units))
        with _submission_errors(self.profile):
            try:
                pipeline = beam.Pipeline(options=options)
            except ValueError as error:  # Beam rejected the options
                raise InputError(f"invalid Dataflow profile: {' '.join(str(error).split())}") from error
        build(pipeline)
        with _submission_errors(self.profile):
            try:
                return Submitted(pipeline.run(), True)
            except DataflowJobAlreadyExistsError:
                client = pipeline.runner.dataflow_client
                job = client.get_job(client.job_id_for_name(self.job_name(name)))
                return Submitted(DataflowPipelineResult(job, pipeline.runner, pipeline.options), False)

    def options(self, name: str, units: int) -> list[str]:
        """Return Beam's options for the job of stage ``name`` over ``units`` units."""
        profile = self.profile
        optional = {
            "service_account_email": profile.service_account,
            "network": profile.network,
            "subnetwork": profile.subnetwork,
        }
        return [
            "--runner=DataflowRunner",
            f"--project={profile.project}",
            f"--region={profile.region}",
            f"--temp_location={profile.temp}",
            f"--staging_location={profile.temp}",
            f"--job_name={self.job_name(name)}",
            f"--labels=gristmill-work={job_prefix(self.work)}",
            f"--labels=gristmill-stage={name}",
            f"--sdk_container_image={profile.image}",
            "--sdk_location=container",  # the image has everything: nothing is staged or installed
            "--no_save_main_session",
            "--experiments=disable_logging_submission_environment",
            f"--machine_type={profile.machine_type}",
            f"--disk_size_gb={profile.disk_gb}",
            f"--max_num_workers={self._machines(units)}",
            "--number_of_worker_harness_threads=1",
            "--use_public_ips" if profile.public_ips else "--no_use_public_ips",
            *[f"--{option}={value}" for option, value in optional.items() if value],
            "--no_pipeline_type_check",
            *profile.beam,
        ]

    def job_name(self, stage: str) -> str:
        """Return the name of a stage's job, the same for every launcher of the work directory."""
        return f"{job_prefix(self.work)}-{stage}"

    def _machines(self, units: int) -> int:
        match = _VCPUS.search(self.profile.machine_type)
        vcpus = int(match[1]) if match else 1
        return min(ceil(min(self.workers or units, units) / vcpus), _MAX_MACHINES)

    def _wait(self, result: Any) -> None:
        from apache_beam.runners.dataflow.dataflow_runner import DataflowRuntimeException

        page = job_page(self.profile, result.job_id())
        try:
            result.wait_until_finish()
        except DataflowRuntimeException as error:
            raise failed_job_error(error, page) from error
        except KeyboardInterrupt:
            try:
                result.cancel()
            except Exception as error:
                raise RunError(f"the job could not be cancelled and is still running: {page} ({error})") from error
            raise
        except Exception as error:
            raise RunError(
                f"lost contact with the job, which is still running: {page} ({error}); {RETRY_HINT}"
            ) from error


class Submitted(NamedTuple):
    """A running job: Beam's result, and whether this launcher started it or found it running."""

    result: Any
    is_new: bool


def check(work: str) -> None:
    """Raises InputError if packages, credentials or a bucket are missing, without a request to Google Cloud."""
    try:
        import gcsfs  # noqa: F401
        from apache_beam.runners.dataflow.internal import apiclient  # noqa: F401
        from google import auth
        from google.auth.exceptions import DefaultCredentialsError
    except ImportError as error:
        raise InputError(
            f"Dataflow needs packages that are not installed ({error}): pip install 'gristmill[gcp]'"
        ) from error
    if not work.startswith("gs://"):
        raise InputError(f"Dataflow's workers cannot see {work}: set --work to gs://BUCKET/FOLDER")
    try:
        auth.default()
    except DefaultCredentialsError as error:
        raise InputError(
            "no Google Cloud credentials found: run `gcloud auth application-default login`, or set "
            "GOOGLE_APPLICATION_CREDENTIALS to a key file"
        ) from error


def job_page(profile: DataflowProfile, job: str) -> str:
    """Return the URL of a job's page in the Google Cloud console."""
    return f"https://console.cloud.google.com/dataflow/jobs/{profile.region}/{job}?project={profile.project}"


def failed_job_error(error: Exception, page: str) -> InputError | RunError:
    """Return the exception to raise for a job that failed or was cancelled."""
    state, _, message = str(error).partition("Error:\n")
    where = f" (job page: {page})"
    if "CANCELLED" in state:
        return RunError(f"the job was cancelled; {RETRY_HINT}{where}")
    if "No module named 'gristmill'" in message:
        return InputError(
            f"the worker image does not contain Gristmill: build it from deploy/image and set `image`{where}"
        )
    if "Traceback (most recent call last)" in message:
        return job_error(error, where)
    reason = " ".join(message.split())
    if _LOST.search(reason):
        return WorkersLostError(f"Dataflow lost workers: {reason}{where}")
    return RunError(f"the Dataflow job failed: {reason}{where}")


@contextmanager
def _submission_errors(profile: DataflowProfile) -> Iterator[None]:
    """Turn the errors of a submission to Google Cloud into an InputError or RunError with one sentence."""
    from google.api_core.exceptions import ClientError, GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except GoogleAuthError as error:
        raise InputError(
            f"Google Cloud rejected the credentials ({error}): run `gcloud auth application-default login`"
        ) from error
    except ClientError as error:
        raise InputError(
            f"Dataflow rejected the job: {error.message}; check that the names in the profile are right and that the "
            "account may use them (roles: deploy/dataflow/README.md)"
        ) from error
    except GoogleAPICallError as error:
        raise RunError(f"Dataflow does not answer: {error.message}; {RETRY_HINT}") from error
    except OSError as error:
        raise InputError(f"cannot write to {profile.temp}: {' '.join(str(error).split())}") from error

"""Google Cloud Dataflow: the pipeline of each stage is one batch job.

A job's name tells the work directory and the stage, and Dataflow lets no two jobs of one name run at a time. So a
launcher that starts over finds the job that a killed one left, waits for it, and goes on with what it left undone.

Dataflow's portable runner (v2, the only one for Python) starts one Python process for each vCPU of a worker. Each gets
one thread, for one bundle at a time: our steps hold Python's lock, so that a second bundle in the same process would
only take memory. The other way, ``no_use_multiple_sdk_containers``, is one process for a whole worker: less memory for
models that all threads share, but one core's worth of work; we never want it.
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
from gristmill.runners.job_errors import GOES_ON, fault
from gristmill.runners.profile import Dataflow
from gristmill.runners.runner import Build, StageRunner, WorkersLostError, jobs_of, quiet

_MOST_MACHINES = 1000
"""Of one job; what Dataflow allows by default."""

_VCPUS = re.compile(r"-(\d+)(?:-\d+)?(?:-[a-z]+)?$")
_LOST = re.compile(r"lost contact|disconnect|preempt|RESOURCE_POOL_EXHAUSTED", re.IGNORECASE)


class DataflowStageRunner(StageRunner):
    """At most ``workers`` Python processes, on as many machines as have so many vCPUs."""

    tries = 2  # Dataflow itself tries every bundle four times

    def __init__(self, profile: Dataflow, work: str, workers: int | None) -> None:
        """Raises InputError where a job could not start, before anything is sent."""
        check(work)
        self.profile, self.work, self.workers = profile, work, workers

    def run(self, name: str, build: Build, units: int) -> None:
        with quiet():
            submitted = self.submit(name, build, units)
            self._wait(submitted.result)
        if not submitted.ours:
            raise WorkersLostError(f"the job that an earlier launcher left has ended; {GOES_ON}")

    def submit(self, name: str, build: Build, units: int) -> Submitted:
        """Hand the pipeline over and return. Raises InputError where Dataflow does not take it."""
        from apache_beam.runners.dataflow.dataflow_runner import DataflowPipelineResult
        from apache_beam.runners.dataflow.internal.apiclient import DataflowJobAlreadyExistsError

        options = PipelineOptions(self.options(name, units))
        with _refusals(self.profile):
            try:
                pipeline = beam.Pipeline(options=options)
            except ValueError as error:  # what Beam finds wrong with the options
                raise InputError(f"Dataflow's profile: {' '.join(str(error).split())}") from error
        build(pipeline)
        with _refusals(self.profile):
            try:
                return Submitted(pipeline.run(), True)
            except DataflowJobAlreadyExistsError:
                client = pipeline.runner.dataflow_client
                job = client.get_job(client.job_id_for_name(self.job_name(name)))
                return Submitted(DataflowPipelineResult(job, pipeline.runner, pipeline.options), False)

    def options(self, name: str, units: int) -> list[str]:
        """Beam's options for the job of stage ``name`` over so many units."""
        profile = self.profile
        given = {
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
            f"--labels=gristmill-work={jobs_of(self.work)}",
            f"--labels=gristmill-stage={name}",
            f"--sdk_container_image={profile.image}",
            "--sdk_location=container",  # everything is in the image: nothing is staged, nothing installed
            "--no_save_main_session",
            "--experiments=disable_logging_submission_environment",
            f"--machine_type={profile.machine_type}",
            f"--disk_size_gb={profile.disk_gb}",
            f"--max_num_workers={self._machines(units)}",
            "--number_of_worker_harness_threads=1",
            "--use_public_ips" if profile.public_ips else "--no_use_public_ips",
            *[f"--{option}={value}" for option, value in given.items() if value],
            "--no_pipeline_type_check",
            *profile.beam,
        ]

    def job_name(self, stage: str) -> str:
        return f"{jobs_of(self.work)}-{stage}"

    def _machines(self, units: int) -> int:
        found = _VCPUS.search(self.profile.machine_type)
        vcpus = int(found[1]) if found else 1
        return min(ceil(min(self.workers or units, units) / vcpus), _MOST_MACHINES)

    def _wait(self, result: Any) -> None:
        from apache_beam.runners.dataflow.dataflow_runner import DataflowRuntimeException

        page = job_page(self.profile, result.job_id())
        try:
            result.wait_until_finish()
        except DataflowRuntimeException as error:
            raise told(error, page) from error
        except KeyboardInterrupt:
            try:
                result.cancel()
            except Exception as error:
                raise RunError(f"the job could not be cancelled and goes on: {page} ({error})") from error
            raise
        except Exception as error:
            raise RunError(f"lost sight of the job, which goes on: {page} ({error}); {GOES_ON}") from error


class Submitted(NamedTuple):
    """A job under way: Beam's result, and whether this launcher started it or found it running."""

    result: Any
    ours: bool


def check(work: str) -> None:
    """Raises InputError for what can be known to be missing without asking Google Cloud."""
    try:
        import gcsfs  # noqa: F401
        from apache_beam.runners.dataflow.internal import apiclient  # noqa: F401
        from google import auth
        from google.auth.exceptions import DefaultCredentialsError
    except ImportError as error:
        raise InputError(
            f"Dataflow needs packages that are not here ({error}): pip install 'gristmill[gcp]'"
        ) from error
    if not work.startswith("gs://"):
        raise InputError(f"Dataflow's workers do not see {work}: give --work as gs://BUCKET/FOLDER")
    try:
        auth.default()
    except DefaultCredentialsError as error:
        raise InputError(
            "no Google Cloud credentials are found: run `gcloud auth application-default login`, or set "
            "GOOGLE_APPLICATION_CREDENTIALS to a key's file"
        ) from error


def job_page(profile: Dataflow, job: str) -> str:
    """The console's page of a job."""
    return f"https://console.cloud.google.com/dataflow/jobs/{profile.region}/{job}?project={profile.project}"


def told(error: Exception, page: str) -> InputError | RunError:
    """What to raise for a job that ended otherwise than well."""
    state, _, said = str(error).partition("Error:\n")
    where = f" (the job's page: {page})"
    if "CANCELLED" in state:
        return RunError(f"the job was cancelled; the same command goes on from here{where}")
    if "No module named 'gristmill'" in said:
        return InputError(f"the worker image has no Gristmill: build it from deploy/image, set `image`{where}")
    if "Traceback (most recent call last)" in said:
        return fault(error, where)
    reason = " ".join(said.split())
    if _LOST.search(reason):
        return WorkersLostError(f"Dataflow lost workers: {reason}{where}")
    return RunError(f"Dataflow gave the job up: {reason}{where}")


@contextmanager
def _refusals(profile: Dataflow) -> Iterator[None]:
    """Turn what Google Cloud answers to a submission into a sentence."""
    from google.api_core.exceptions import ClientError, GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except GoogleAuthError as error:
        raise InputError(
            f"Google Cloud does not take the credentials ({error}): run `gcloud auth application-default login`"
        ) from error
    except ClientError as error:
        raise InputError(
            f"Dataflow does not take the job: {error.message}; see that the profile's names are right and that the "
            f"account may use them (roles: deploy/dataflow/README.md)"
        ) from error
    except GoogleAPICallError as error:
        raise RunError(f"Dataflow does not answer: {error.message}; {GOES_ON}") from error
    except OSError as error:
        raise InputError(f"cannot write to {profile.temp}: {' '.join(str(error).split())}") from error

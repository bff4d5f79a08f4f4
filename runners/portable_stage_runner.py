"""The runner of Prism, Flink and Spark: Beam's portable runners, with one job server for all pipelines of a run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import cached_property, partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, NamedTuple

import apache_beam as beam
import grpc
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.portable_runner import PortableRunner
from apache_beam.runners.runner import PipelineState

from gristmill.errors import InputError, RunError
from gristmill.runners.job_errors import RETRY_HINT, job_error
from gristmill.runners.stage_runner import Build, StageRunner, WorkersLostError, job_prefix, quiet_beam_logs
from gristmill.runners.staged_artifacts import stage_only_dependencies
from gristmill.runners.worker_probe import probing

PROBE_TIMEOUT_SECONDS = 300


class Service(NamedTuple):
    """A running job server: the Beam runner to use with it, its workers, and the options of a job by its workers."""

    runner: type[PortableRunner]
    workers: int
    options: Callable[[int], list[str]]


Start = Callable[[str, ExitStack, Path], Service]
"""Checks the cluster and starts what is missing; called with the prefix of job names, a stack that ends what was
started, and a folder for logs."""


class PortableStageRunner(StageRunner):
    """Starts nothing before the first pipeline runs, so that a run in which everything is complete needs no cluster."""

    def __init__(self, start: Start, work: str, tries: int) -> None:
        self.start, self.work, self.tries = start, work, tries
        self._stack = ExitStack()
        self._log_folder = Path(mkdtemp(prefix="gristmill-runner-"))
        self._failed = False

    def run(self, name: str, build: Build, units: int) -> None:
        try:
            self._submit(self._service, name, build, units)
        except (InputError, RunError):
            self._failed = True
            raise

    def close(self) -> None:
        self._stack.close()
        if not self._failed or not any(log.stat().st_size for log in self._log_folder.glob("*.log")):
            shutil.rmtree(self._log_folder, ignore_errors=True)

    @cached_property
    def _service(self) -> Service:
        """The job server, started and tested with a small job at the first use."""
        with ExitStack() as stack:
            service = self.start(job_prefix(self.work), stack, self._log_folder)
            with probing(self.work) as probe:
                build = partial(probe.pipeline, service.workers)
                self._submit(service, "probe", build, service.workers, PROBE_TIMEOUT_SECONDS)
            self._stack = stack.pop_all()
        return service

    def _submit(self, service: Service, name: str, build: Build, units: int, timeout: int | None = None) -> None:
        workers = min(service.workers, units)
        job_name = f"{job_prefix(self.work)}-{name}"
        options = [*service.options(workers), f"--job_name={job_name}", "--no_pipeline_type_check"]
        pipeline = beam.Pipeline(runner=stage_only_dependencies(service.runner()), options=PipelineOptions(options))
        with quiet_beam_logs():
            build(pipeline)
            try:
                state = _wait_for_end(pipeline.run(), timeout)
            except (RuntimeError, grpc.RpcError) as error:
                raise self._job_error(error) from error
        if state != PipelineState.DONE:
            raise InputError(
                f"a small test job did not finish within {timeout} s: check that the cluster has free slots, and that "
                "its worker pool (or image) starts a Python that has Gristmill installed; the logs are in "
                f"{self._log_folder}"
            )

    def _job_error(self, error: Exception) -> InputError | RunError:
        if isinstance(error, grpc.RpcError):
            return RunError(f"the job server exited or does not answer; {RETRY_HINT} (its log: {self._log_folder})")
        text = str(error)
        if "No module named 'gristmill'" in text:
            return InputError(
                "the cluster's Python workers do not have Gristmill: start their pool from an environment that has it "
                "(python -m gristmill.runners.worker_pool), or use an image that has it"
            )
        result = job_error(error, f" (logs: {self._log_folder})")
        if "Traceback (most recent call last)" in text or isinstance(result, InputError):
            return result
        return WorkersLostError(str(result))


def _wait_for_end(result: Any, timeout: int | None) -> Any:
    """Return the state of a job at its end, or after ``timeout`` seconds; a job that is not done then is cancelled."""
    state = None
    try:
        state = result.wait_until_finish(timeout and timeout * 1000)
    finally:
        if state != PipelineState.DONE:
            with suppress(grpc.RpcError):
                result.cancel()
    return state

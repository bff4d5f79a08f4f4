"""Prism, Flink and Spark: Beam's portable runners, through one job server for all pipelines of a run."""

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
from gristmill.runners.job_errors import GOES_ON, fault
from gristmill.runners.probe import probing
from gristmill.runners.runner import Build, StageRunner, WorkersLostError, jobs_of, quiet

PROBE_SECONDS = 300


class Service(NamedTuple):
    """A job server that is up: the Beam runner to use it with, and the options of a job of so many workers."""

    runner: type[PortableRunner]
    workers: int
    options: Callable[[int], list[str]]


Start = Callable[[str, ExitStack, Path], Service]
"""Check the cluster and start what is missing, to end with the stack: given the jobs' prefix and a folder for logs."""


class PortableStageRunner(StageRunner):
    """Starts nothing before the first pipeline comes, so that a run in which all stands needs no cluster."""

    def __init__(self, start: Start, work: str, tries: int) -> None:
        self.start, self.work, self.tries = start, work, tries
        self._stack = ExitStack()
        self._folder = Path(mkdtemp(prefix="gristmill-runner-"))
        self._failed = False

    def run(self, name: str, build: Build, units: int) -> None:
        try:
            self._submit(self._service, name, build, units)
        except (InputError, RunError):
            self._failed = True
            raise

    def close(self) -> None:
        self._stack.close()
        if not self._failed or not any(log.stat().st_size for log in self._folder.glob("*.log")):
            shutil.rmtree(self._folder, ignore_errors=True)

    @cached_property
    def _service(self) -> Service:
        with ExitStack() as stack:
            service = self.start(jobs_of(self.work), stack, self._folder)
            with probing(self.work) as probe:
                small = partial(probe.pipeline, service.workers)
                self._submit(service, "probe", small, service.workers, PROBE_SECONDS)
            self._stack = stack.pop_all()
        return service

    def _submit(self, service: Service, name: str, build: Build, units: int, seconds: int | None = None) -> None:
        workers = min(service.workers, units)
        options = [*service.options(workers), f"--job_name={jobs_of(self.work)}-{name}", "--no_pipeline_type_check"]
        pipeline = beam.Pipeline(runner=service.runner(), options=PipelineOptions(options))
        with quiet():
            build(pipeline)
            try:
                state = _end_of(pipeline.run(), seconds)
            except (RuntimeError, grpc.RpcError) as error:
                raise self._told(error) from error
        if state != PipelineState.DONE:
            raise InputError(
                f"a small job did not end within {seconds} s: see that the cluster has free slots, and that its worker "
                f"pool (or image) starts a python that has Gristmill in it; what was said is in {self._folder}"
            )

    def _told(self, error: Exception) -> InputError | RunError:
        if isinstance(error, grpc.RpcError):
            return RunError(f"the job server has ended or does not answer; {GOES_ON} (what it said: {self._folder})")
        said = str(error)
        if "No module named 'gristmill'" in said:
            return InputError(
                "the cluster's Python workers have no Gristmill: start their pool from an environment that has it "
                "(python -m gristmill.runners.worker_pool), or use an image with it"
            )
        told = fault(error, f" (what was said: {self._folder})")
        if "Traceback (most recent call last)" in said or isinstance(told, InputError):
            return told
        return WorkersLostError(str(told))


def _end_of(result: Any, seconds: int | None) -> Any:
    """The state of a job at its end, or after so many seconds. A job that is not done when we leave is cancelled."""
    state = None
    try:
        state = result.wait_until_finish(seconds and seconds * 1000)
    finally:
        if state != PipelineState.DONE:
            with suppress(grpc.RpcError):
                result.cancel()
    return state

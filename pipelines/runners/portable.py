"""Prism, Flink and Spark: Beam's portable runners, through one job server for all pipelines of a run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property, partial
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.portable_runner import PortableRunner
from apache_beam.runners.runner import PipelineState

from gristmill.corpus.errors import InputError, RunError
from gristmill.pipelines.runners.engine import Build, Engine, WorkersLostError, jobs_of, quiet
from gristmill.pipelines.runners.faults import fault
from gristmill.pipelines.runners.probe import probing

_PROBE_SECONDS = 180


class Service(NamedTuple):
    """A job server that is up: the Beam runner to use it with, and the options of a job of so many workers."""

    runner: type[PortableRunner]
    workers: int
    options: Callable[[int], list[str]]


Start = Callable[[str, ExitStack, Path], Service]
"""Check the cluster and start what is missing, to end with the stack: given the jobs' prefix and a folder for logs."""


class PortableEngine(Engine):
    """Starts nothing before the first pipeline comes, so that a run in which all stands needs no cluster."""

    def __init__(self, start: Start, work: str, tries: int) -> None:
        self.start, self.work, self.tries = start, work, tries
        self._stack = ExitStack()
        self._folder = Path(mkdtemp(prefix="gristmill-runner-"))
        self._failed = False

    def run(self, name: str, build: Build, units: int) -> None:
        with self._kept_where_it_fails():
            self._submit(name, build, units)

    def close(self) -> None:
        self._stack.close()
        if not self._failed:
            shutil.rmtree(self._folder, ignore_errors=True)

    @cached_property
    def _service(self) -> Service:
        service = self.start(jobs_of(self.work), self._stack, self._folder)
        with probing(self.work) as probe:
            self._wait(service, "probe", partial(probe.pipeline, service.workers), service.workers, _PROBE_SECONDS)
        return service

    def _submit(self, name: str, build: Build, units: int) -> None:
        self._wait(self._service, name, build, units, None)

    def _wait(self, service: Service, name: str, build: Build, units: int, seconds: int | None) -> None:
        workers = min(service.workers, units)
        options = [*service.options(workers), f"--job_name={jobs_of(self.work)}-{name}", "--no_pipeline_type_check"]
        pipeline = beam.Pipeline(runner=service.runner(), options=PipelineOptions(options))
        with quiet():
            build(pipeline)
            result = pipeline.run()
            try:
                state = result.wait_until_finish(seconds and seconds * 1000)
            except RuntimeError as error:
                raise self._told(error) from error
            except BaseException:
                result.cancel()
                raise
            if state != PipelineState.DONE:
                result.cancel()
                raise InputError(
                    f"a small job did not end within {seconds} s: see that the cluster has free slots, and that its "
                    "worker pool (or image) starts a python that has Gristmill in it; what was said is in "
                    f"{self._folder}"
                )

    def _told(self, error: RuntimeError) -> InputError | RunError:
        said = str(error)
        if "No module named 'gristmill'" in said:
            return InputError(
                "the cluster's Python workers have no Gristmill: start their pool from an environment that has it "
                "(python -m gristmill.pipelines.runners.worker_pool), or use an image with it"
            )
        told = fault(error, f" (what was said: {self._folder})")
        if "Traceback (most recent call last)" in said or isinstance(told, InputError):
            return told
        return WorkersLostError(str(told))

    @contextmanager
    def _kept_where_it_fails(self) -> Iterator[None]:
        try:
            yield
        except (InputError, RunError):
            self._failed = True
            raise

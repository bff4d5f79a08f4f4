"""Beam's FnApiRunner over one pipeline."""

from __future__ import annotations

import json
import os
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import FrameType
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.portability.fn_api_runner.worker_handlers import GrpcWorkerHandler, WorkerHandler
from apache_beam.transforms.environments import EmbeddedPythonEnvironment, Environment, python_sdk_capabilities

from gristmill.errors import RunError
from gristmill.runners.fork_server import READY, ForkServer, Order, ask
from gristmill.runners.job_errors import fault
from gristmill.runners.runner import Build, quiet

_FORKED = "gristmill:env:forked:v1"


def run_pipeline(build: Build, workers: int, nursery: ForkServer | None) -> None:
    """Run a pipeline on so many workers of ``nursery``, or in this process where there is none.

    The runner is named, since Beam's ``DirectRunner`` tries another first and falls back silently. Raises InputError
    where that is what a worker raised, else RunError, with the cause in one sentence; what worker processes said is
    then kept in a log that the sentence names.
    """
    with NamedTemporaryFile(prefix="gristmill-workers-", suffix=".log", delete=False) as file:
        log = Path(file.name)
    kept = False
    options = PipelineOptions([f"--direct_num_workers={workers}", "--no_pipeline_type_check"])
    environment = Forked(nursery.handle, str(log)) if nursery else EmbeddedPythonEnvironment.default()
    pipeline = beam.Pipeline(runner=FnApiRunner(environment), options=options)
    hook, threading.excepthook = threading.excepthook, partial(_to_log, log)  # Beam's threads that watch the workers
    try:
        with quiet(), _interruptible(log):
            build(pipeline)
            pipeline.run().wait_until_finish()
    except Exception as error:
        if not log.exists():
            raise KeyboardInterrupt from error
        kept = log.stat().st_size > 0
        raise fault(error, f" (what the workers said: {log})" if kept else "") from error
    finally:
        threading.excepthook = hook
        if not kept:
            log.unlink(missing_ok=True)


@Environment.register_urn(_FORKED, bytes)
class Forked(Environment):  # type: ignore[misc]
    """Worker processes that a nursery forks. It means something in this process only, as its descriptor does."""

    def __init__(self, handle: int, log: str) -> None:
        super().__init__(capabilities=python_sdk_capabilities(), artifacts=())
        self.payload = json.dumps([handle, log]).encode()

    def to_runner_api_parameter(self, context: Any) -> tuple[str, bytes]:
        return _FORKED, self.payload

    @staticmethod
    def from_runner_api_parameter(payload: bytes, *others: Any) -> Forked:
        return Forked(*json.loads(payload))


@WorkerHandler.register_environment(_FORKED, bytes)
class _ForkedWorkerHandler(GrpcWorkerHandler):  # type: ignore[misc]
    """One worker process, and a thread that hears of its end."""

    def __init__(self, payload: bytes, *others: Any) -> None:
        super().__init__(*others)
        self._handle, self._log = json.loads(payload)

    def start_worker(self) -> None:
        lifeline = ask(self._handle, Order(self.worker_id, self.control_address, self._log))
        self._ending = threading.Thread(target=self._hear, args=(lifeline,), daemon=True)
        self._ending.start()

    def stop_worker(self) -> None:
        self._ending.join()

    def _hear(self, lifeline: int) -> None:
        """Let the pipeline fail where the worker ends before it should: without this the runner would wait for ever."""
        with os.fdopen(lifeline, "rb") as pipe:
            if pipe.read() != READY:
                self.control_conn.abort(RunError("a worker process was ended; the same command goes on from here"))


@contextmanager
def _interruptible(log: Path) -> Iterator[None]:
    """Take the workers' log away at an interrupt, which ends them; Beam would wait for them, perhaps for ever."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        log.unlink(missing_ok=True)
        signal.default_int_handler(number, frame)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _to_log(log: Path, raised: threading.ExceptHookArgs) -> None:
    if log.exists():
        with suppress(OSError), log.open("a") as file:
            traceback.print_exception(raised.exc_type, raised.exc_value, raised.exc_traceback, file=file)

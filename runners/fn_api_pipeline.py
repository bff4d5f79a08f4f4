"""Runs one pipeline on Beam's FnApiRunner, in this process or on worker processes of a fork server."""

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
from apache_beam.runners.portability.fn_api_runner.worker_handlers import WorkerHandler
from apache_beam.transforms.environments import EmbeddedPythonEnvironment, Environment, python_sdk_capabilities

from gristmill.errors import RunError
from gristmill.runners.fork_server import ACKNOWLEDGEMENT, ForkServer, WorkerRequest, fork_worker
from gristmill.runners.job_errors import RETRY_HINT, job_error
from gristmill.runners.private_grpc_server import PrivateWorkerHandler, use_private_server
from gristmill.runners.stage_runner import Build, quiet_beam_logs

_FORKED = "gristmill:env:forked:v1"
use_private_server(_FORKED)


def run_pipeline(build: Build, workers: int, fork_server: ForkServer | None) -> None:
    """Run a pipeline with ``workers`` workers of ``fork_server``, or in this process if that is None.

    The runner is FnApiRunner by name, since Beam's ``DirectRunner`` tries another one first and falls back silently.
    Raises the InputError that a worker raised, and RunError for any other failure, with the cause in one sentence; the
    output of the worker processes is then kept in a log that the sentence names.
    """
    with NamedTemporaryFile(prefix="gristmill-workers-", suffix=".log", delete=False) as file:
        log = Path(file.name)
    keep_log = False
    options = PipelineOptions([f"--direct_num_workers={workers}", "--no_pipeline_type_check"])
    environment = (
        ForkedEnvironment(fork_server.handle, str(log)) if fork_server else EmbeddedPythonEnvironment.default()
    )
    pipeline = beam.Pipeline(runner=FnApiRunner(environment), options=options)
    hook, threading.excepthook = threading.excepthook, partial(_write_to_log, log)  # for Beam's worker-watching threads
    try:
        with quiet_beam_logs(), _interruptible(log):
            build(pipeline)
            pipeline.run().wait_until_finish()
    except Exception as error:
        if not log.exists():
            raise KeyboardInterrupt from error
        keep_log = log.stat().st_size > 0
        raise job_error(error, f" (output of the workers: {log})" if keep_log else "") from error
    finally:
        threading.excepthook = hook
        if not keep_log:
            log.unlink(missing_ok=True)


@Environment.register_urn(_FORKED, bytes)
class ForkedEnvironment(Environment):  # type: ignore[misc]
    """Worker processes that a fork server starts. Valid in this process only, as its file descriptor is."""

    def __init__(self, handle: int, log: str) -> None:
        super().__init__(capabilities=python_sdk_capabilities(), artifacts=())
        self.payload = json.dumps([handle, log]).encode()

    def to_runner_api_parameter(self, context: Any) -> tuple[str, bytes]:
        return _FORKED, self.payload

    @staticmethod
    def from_runner_api_parameter(payload: bytes, *others: Any) -> ForkedEnvironment:
        return ForkedEnvironment(*json.loads(payload))


@WorkerHandler.register_environment(_FORKED, bytes)
class _ForkedWorkerHandler(PrivateWorkerHandler):
    """One worker process, and a thread that waits for its end."""

    def __init__(self, payload: bytes, *others: Any) -> None:
        super().__init__(*others)
        self._handle, self._log = json.loads(payload)

    def start_worker(self) -> None:
        pipe = fork_worker(self._handle, WorkerRequest(self.worker_id, self.control_address, self._log))
        self._exit_watcher = threading.Thread(target=self._watch_exit, args=(pipe,), daemon=True)
        self._exit_watcher.start()

    def stop_worker(self) -> None:
        self._exit_watcher.join()

    def _watch_exit(self, pipe_fd: int) -> None:
        """Fail the pipeline if the worker exits early; without this the runner would wait forever."""
        with os.fdopen(pipe_fd, "rb") as pipe:
            if pipe.read() != ACKNOWLEDGEMENT:
                self.control_conn.abort(RunError(f"a worker process was killed; {RETRY_HINT}"))


@contextmanager
def _interruptible(log: Path) -> Iterator[None]:
    """Delete the workers' log on an interrupt, which ends them; Beam would wait for them, perhaps forever."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        log.unlink(missing_ok=True)
        signal.default_int_handler(number, frame)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _write_to_log(log: Path, raised: threading.ExceptHookArgs) -> None:
    if log.exists():
        with suppress(OSError), log.open("a") as file:
            traceback.print_exception(raised.exc_type, raised.exc_value, raised.exc_traceback, file=file)

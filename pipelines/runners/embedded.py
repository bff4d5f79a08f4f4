"""The embedded runner: Beam's FnApiRunner, in this process or on worker processes of this machine."""

from __future__ import annotations

import os
import shlex
import signal
import sys
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
from apache_beam.transforms.environments import EmbeddedPythonEnvironment, SubprocessSDKEnvironment

from gristmill.pipelines.runners.engine import Build, Engine, quiet
from gristmill.pipelines.runners.faults import fault


class EmbeddedEngine(Engine):
    """At most ``workers`` processes; one is this process."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, name: str, build: Build, units: int) -> None:
        _run(build, min(self.workers, units))


def _run(build: Build, workers: int) -> None:
    """The runner is named, since Beam's ``DirectRunner`` tries another first and falls back silently. Raises InputError
    where that is what a worker raised, else RunError, with the cause in one sentence; what worker processes said is
    then kept in a log that the sentence names.
    """
    with NamedTemporaryFile(prefix="gristmill-workers-", suffix=".log", delete=False) as file:
        log = Path(file.name)
    kept = False
    options = PipelineOptions([f"--direct_num_workers={workers}", "--no_pipeline_type_check"])
    pipeline = beam.Pipeline(runner=FnApiRunner(_environment(workers, log)), options=options)
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


def _environment(workers: int, log: Path) -> Any:
    if workers == 1:
        return EmbeddedPythonEnvironment.default()
    place = shlex.quote(str(log))
    worker = f"{shlex.quote(sys.executable)} -m gristmill.pipelines.runners.embedded_worker {os.getpid()} {place}"
    return SubprocessSDKEnvironment.from_command_string(f"trap '' INT; exec {worker} 2>>{place}")

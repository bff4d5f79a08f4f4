"""Where Beam pipelines run: profiles of options that are known to work."""

from __future__ import annotations

import builtins
import logging
import os
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.environments import EmbeddedPythonEnvironment, SubprocessSDKEnvironment

from gristmill.corpus.errors import InputError, RunError

_RAISED = re.compile(r"^(?:[\w.]*\.)?(\w+(?:Error|Exception|Interrupt)|Arrow\w+): (.+)$", re.MULTILINE)
_NOISE = re.compile(r"\s*\[(?:while running|ptransform).*|\[errno \d+\] ", re.DOTALL | re.IGNORECASE)

GOES_ON = "once that is mended, the same command goes on from here"


def run_embedded(build: Callable[[beam.Pipeline], Any], workers: int) -> None:
    """Run a pipeline on the embedded runner: in this process, or on ``workers`` processes of this machine.

    The runner is named, since Beam's ``DirectRunner`` tries another first and falls back silently. Raises InputError
    where that is what a worker raised, else RunError, with the cause in one sentence; what worker processes said is
    then kept in a log that the sentence names.
    """
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)  # its tracebacks come to us as exceptions
    with NamedTemporaryFile(prefix="gristmill-workers-", suffix=".log", delete=False) as file:
        log = Path(file.name)
    kept = False
    options = PipelineOptions([f"--direct_num_workers={workers}", "--no_pipeline_type_check"])
    pipeline = beam.Pipeline(runner=FnApiRunner(_environment(workers, log)), options=options)
    try:
        build(pipeline)
        pipeline.run().wait_until_finish()
    except Exception as error:
        kept = log.stat().st_size > 0
        raise fault(error, f" (what the workers said: {log})" if kept else "") from error
    finally:
        if not kept:
            log.unlink()


def fault(error: BaseException, said: str = "") -> InputError | RunError:
    """What to raise for an error that came out of a pipeline, followed by ``said``."""
    kind, message = cause(error)
    if kind == "InputError":
        return InputError(message)
    if kind == "RunError":
        return RunError(message + said)
    if issubclass(getattr(builtins, kind, Exception), OSError):
        return RunError(f"{message}; {GOES_ON}{said}")
    return RunError(f"{kind}: {message}{said}")


def cause(error: BaseException) -> tuple[str, str]:
    """The innermost reason of what a pipeline raised: the name of the exception, and what it says.

    From another process Beam hands over a worker's traceback as one long text; in this one, the error itself, with the
    name of the step put behind its message.
    """
    kind, message = type(error).__name__, str(error)
    while found := _RAISED.findall(message):
        kind, message = found[-1]
    return kind, " ".join(_NOISE.sub("", message).split())


def _environment(workers: int, log: Path) -> Any:
    if workers == 1:
        return EmbeddedPythonEnvironment.default()
    worker = f"{shlex.quote(sys.executable)} -m gristmill.pipelines.worker {os.getpid()}"
    return SubprocessSDKEnvironment.from_command_string(f"exec {worker} 2>>{shlex.quote(str(log))}")

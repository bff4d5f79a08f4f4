"""Where Beam pipelines run: profiles of options that are known to work."""

from __future__ import annotations

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

from gristmill.corpus.errors import RunError

_RAISED = re.compile(r"^(?:[\w.]*\.)?(\w+(?:Error|Exception|Interrupt)|Arrow\w+): (?=(.+)$)", re.MULTILINE)
_BEAM_ADDS = re.compile(r"\s*\[(?:while running|ptransform).*", re.DOTALL)


def run_embedded(build: Callable[[beam.Pipeline], Any], workers: int) -> None:
    """Run a pipeline on the embedded runner: in this process, or on ``workers`` processes of this machine.

    The runner is named, since Beam's ``DirectRunner`` tries another first and falls back silently. Raises InputError
    where that is what a worker raised, else RunError, with the cause in one sentence; what worker processes said is
    then kept in a log that the sentence names.
    """
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)  # its tracebacks come to us as exceptions
    with NamedTemporaryFile(prefix="gristmill-workers-", suffix=".log", delete=False) as file:
        log = Path(file.name)
    options = PipelineOptions([f"--direct_num_workers={workers}", "--no_pipeline_type_check"])
    pipeline = beam.Pipeline(runner=FnApiRunner(_environment(workers, log)), options=options)
    try:
        build(pipeline)
        pipeline.run().wait_until_finish()
    except Exception as error:
        said = f" (what the workers said: {log})" if log.stat().st_size else ""
        raise fault(error, said) from error
    finally:
        if not log.stat().st_size:
            log.unlink()


def fault(error: BaseException, said: str = "") -> InputError | RunError:
    """What to raise for an error that came out of a pipeline, followed by ``said``."""
    kind, message = cause(error)
    if kind == "InputError":
        return InputError(message + said)
    if kind == "RunError":
        return RunError(message + said)
    if kind == "OSError" and _REMEDIES.search(message):
        message = f"{message}; make room, and the same command goes on from here"
    return RunError(f"{kind}: {message}{said}")


def cause(error: BaseException) -> tuple[str, str]:
    """The innermost reason, kind and message, of what a pipeline raised.

    From another process Beam hands over a worker's traceback as one long text; in this one, the error itself with the
    name of the step put behind its message.
    """
    kind, message = type(error).__name__, str(error)
    while found := _RAISED.findall(message):
        kind, message = found[-1]
    return kind, " ".join(_BEAM_ADDS.sub("", message).split())


def _environment(workers: int, log: Path) -> Any:
    if workers == 1:
        return EmbeddedPythonEnvironment.default()
    worker = f"{shlex.quote(sys.executable)} -m gristmill.pipelines.worker {os.getpid()}"
    return SubprocessSDKEnvironment.from_command_string(f"exec {worker} 2>>{shlex.quote(str(log))}")

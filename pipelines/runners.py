"""Where Beam pipelines run: profiles of options that are known to work."""

from __future__ import annotations

import logging
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

_CAUSE = re.compile(r"^(?:[\w.]*\.)?(\w+(?:Error|Exception|Interrupt)): (.+)$", re.MULTILINE)


def run_embedded(build: Callable[[beam.Pipeline], Any], workers: int) -> None:
    """Run a pipeline on the embedded runner: in this process, or on ``workers`` processes of this machine.

    The runner is named, since Beam's ``DirectRunner`` tries another first and falls back silently. Raises RunError with
    the cause in one sentence; what worker processes said is then kept in a log that the sentence names.
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
        raise RunError(cause(error) + said) from error
    log.unlink()


def cause(error: BaseException) -> str:
    """The innermost reason in a worker's traceback, which Beam hands over as one long text."""
    found = _CAUSE.findall(str(error))
    if not found:
        return f"{type(error).__name__}: {error}"
    kind, message = found[-1]
    message = re.split(r" \[while running| \[ptransform", message)[0].strip()
    return message if kind in {"RunError", "InputError"} else f"{kind}: {message}"


def _environment(workers: int, log: Path) -> Any:
    if workers == 1:
        return EmbeddedPythonEnvironment.default()
    worker = f"{shlex.quote(sys.executable)} -m gristmill.pipelines.worker"
    return SubprocessSDKEnvironment.from_command_string(f"exec {worker} 2>>{shlex.quote(str(log))}")

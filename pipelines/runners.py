"""Where Beam pipelines run: profiles of options that are known to work."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from gristmill.corpus.errors import RunError

_CAUSE = re.compile(r"^(?:[\w.]*\.)?(\w+(?:Error|Exception|Interrupt)): (.+)$", re.MULTILINE)


def run_embedded(build: Callable[[beam.Pipeline], Any], workers: int) -> None:
    """Run a pipeline on the embedded runner: in this process, or on ``workers`` processes of this machine.

    The runner is named (Beam's ``DirectRunner`` tries another first and falls back silently). Raises RunError with the
    cause in one sentence.
    """
    options = PipelineOptions(
        [
            f"--direct_num_workers={workers}",
            f"--direct_running_mode={'multi_processing' if workers > 1 else 'in_memory'}",
            "--no_pipeline_type_check",
        ]
    )
    pipeline = beam.Pipeline(runner=FnApiRunner(), options=options)
    build(pipeline)
    try:
        pipeline.run().wait_until_finish()
    except Exception as error:
        raise RunError(cause(error)) from error


def cause(error: BaseException) -> str:
    """The innermost reason in a worker's traceback, which Beam hands over as one long text."""
    found = _CAUSE.findall(str(error))
    if not found:
        return f"{type(error).__name__}: {error}"
    kind, message = found[-1]
    message = re.split(r" \[while running| \[ptransform", message)[0].strip()
    return message if kind in {"RunError", "InputError"} else f"{kind}: {message}"

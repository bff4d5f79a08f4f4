"""Turns the exception of a failed pipeline into an InputError or RunError with one sentence."""

from __future__ import annotations

import builtins
import re

from gristmill.errors import InputError, RunError

RETRY_HINT = "run the same command again to resume"
RESUME_HINT = f"fix this, then {RETRY_HINT}"

_RAISED = re.compile(r"^(?:[\w.]*\.)?(\w+(?:Error|Exception|Interrupt)|Arrow\w+): (.+)$", re.MULTILINE)
_NOISE = re.compile(r"\s*\[(?:while running|ptransform).*|\[errno \d+\] ", re.DOTALL | re.IGNORECASE)


def job_error(error: BaseException, suffix: str = "") -> InputError | RunError:
    """Return the exception to raise for ``error``, which a pipeline raised; ``suffix`` is appended to a RunError."""
    kind, message = root_cause(error)
    if kind == "InputError":
        return InputError(message)
    if kind == "RunError":
        return RunError(message + suffix)
    if issubclass(getattr(builtins, kind, Exception), OSError):
        return RunError(f"{message}; {RESUME_HINT}{suffix}")
    return RunError(f"{kind}: {message}{suffix}")


def root_cause(error: BaseException) -> tuple[str, str]:
    """Return the class name and the message of the innermost exception of a failed pipeline.

    From another process, Beam passes on the worker's traceback as text; in this process it raises the error itself,
    with the name of the step appended to the message.
    """
    kind, message = type(error).__name__, str(error)
    while found := _RAISED.findall(message):
        kind, message = found[-1]
    return kind, " ".join(_NOISE.sub("", message).split())

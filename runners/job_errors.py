"""From what comes out of a pipeline that failed to one sentence."""

from __future__ import annotations

import builtins
import re

from gristmill.errors import InputError, RunError

GOES_ON = "once that is mended, the same command goes on from here"

_RAISED = re.compile(r"^(?:[\w.]*\.)?(\w+(?:Error|Exception|Interrupt)|Arrow\w+): (.+)$", re.MULTILINE)
_NOISE = re.compile(r"\s*\[(?:while running|ptransform).*|\[errno \d+\] ", re.DOTALL | re.IGNORECASE)


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

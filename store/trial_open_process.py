"""The child process of ``gristmill.store.trial_open``: opens one file under limits and reports on standard output.

Its arguments are the module and the name of a function, the path that the function is called with, and the limits in
seconds and bytes. It imports only what it needs, so that it starts quickly.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

OPENED = b"opened"
"""What the child reports if the file could be opened."""

OUT_OF_MEMORY = 77
"""The child's exit status after a MemoryError."""

_FILE_BYTES = 1 << 16
_GRACE_SECONDS = 5  # the parent waits for the wall-clock limit itself, unless it has ended


def main() -> None:
    module, function, path, seconds, memory = sys.argv[1:]
    report = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    _limit(int(seconds), int(memory))
    try:
        getattr(import_module(module), function)(path)
        message = OPENED
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except BaseException as error:  # a panic in Rust raises a BaseException
        message = (str(error) or type(error).__name__).encode("utf-8", "replace")
    os.write(report, message)
    os._exit(0)  # without the destructors of what may be damaged


def _limit(seconds: int, memory: int) -> None:
    """Limits time, memory and written files, and makes the kernel kill this process first when memory runs out."""
    signal.alarm(seconds + _GRACE_SECONDS)
    limits = {
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_DATA: memory,
        resource.RLIMIT_FSIZE: _FILE_BYTES,
        resource.RLIMIT_CORE: 0,
    }
    for limit, wanted in limits.items():
        hard = resource.getrlimit(limit)[1]
        least = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(limit, (least, hard if limit == resource.RLIMIT_CPU else least))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")

"""``python -m gristmill.runners.fork_server_process FD``: the fork server of the embedded runner's workers.

It imports what workers need and forks one for each request that arrives over the socket ``FD``; ``fork_server`` holds
the other end. It has no threads, so that a forked process inherits a consistent state.

A worker is Beam's own, except that it exits with its launcher and when the launcher deletes the worker's log. Beam's
workers notice that their launcher was killed only when they next talk to it, and some never do. They also print an
error before they report it to the launcher: if printing fails, on a full disk, the launcher would wait forever.
"""

from __future__ import annotations

import gc
import io
import json
import logging
import os
import signal
import socket
import sys
from contextlib import suppress
from functools import partial
from importlib import import_module

from gristmill import transforms
from gristmill.runners.fork_server import ACKNOWLEDGEMENT, MAX_REQUEST_BYTES, WorkerRequest
from gristmill.runners.parent_watch import exit_with_parent

PRELOADED_MODULES = (
    "apache_beam.runners.worker.sdk_worker",
    "gristmill.pipelines.stages",
    "gristmill.tokenization.tokenization_beam",
)
"""Imported before the first fork; by name, since ``runners`` must not depend on ``pipelines``."""


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the launcher receives it too, and decides when this process ends
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # exit statuses are not needed: workers report through their pipes
    sys.stderr = _LossyStderr()
    logging.basicConfig(level=logging.ERROR)  # before Beam is imported, which warns about packages it does not need
    for module in PRELOADED_MODULES:
        import_module(module)
    for name in transforms.__all__:  # type: ignore[attr-defined]  # its stub declares no __all__
        getattr(transforms, name)  # imports its module
    gc.freeze()  # the collector no longer touches objects that all workers share, so their pages stay shared
    serve(socket.socket(fileno=int(sys.argv[1])))


def serve(requests: socket.socket) -> None:
    """Fork a worker for each request, until the launcher exits."""
    while True:
        message, fds, _, _ = socket.recv_fds(requests, MAX_REQUEST_BYTES, 1)
        if not message:
            return
        if os.fork() == 0:
            try:
                requests.close()
                run_worker(WorkerRequest(*json.loads(message)), fds[0])
            finally:
                os._exit(0)
        os.close(fds[0])
        requests.sendall(ACKNOWLEDGEMENT)


def run_worker(request: WorkerRequest, pipe: int) -> None:
    """Run a worker until the launcher no longer needs it."""
    from apache_beam.runners.portability.fn_api_runner.worker_handlers import STATE_CACHE_SIZE_MB
    from apache_beam.runners.worker.sdk_worker import SdkHarness

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # extraction engines have child processes of their own
    with suppress(OSError):
        os.dup2(os.open(request.log, os.O_WRONLY | os.O_APPEND), 2)
    exit_with_parent(os.getppid(), partial(os.path.exists, request.log))
    harness = SdkHarness(request.control_address, worker_id=request.worker, state_cache_size=STATE_CACHE_SIZE_MB << 20)
    harness.run()
    os.write(pipe, ACKNOWLEDGEMENT)


class _LossyStderr(io.TextIOBase):
    """Standard error, redirected to the log; output that does not fit on the disk is discarded."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            os.write(2, text.encode("utf-8", "replace"))
        return len(text)


if __name__ == "__main__":
    main()

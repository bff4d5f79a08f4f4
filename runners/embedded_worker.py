"""``python -m gristmill.runners.embedded_worker FD``: the worker processes of the embedded runner.

It imports what workers need and forks one at each order that comes over the socket ``FD``, whose other end ``nursery``
holds. It has no thread of its own, so that a fork has all that it was forked from.

A worker is Beam's own, but it ends with its launcher, and when that takes the worker's log away. Beam's workers notice
a launcher that was killed only when they next speak to it, and some never do. And before they tell the launcher of an
error they print it: where that fails, on a full disk, the launcher waits for ever.
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

from gristmill.runners.fork_server import READY, REQUEST_BYTES, Order
from gristmill.runners.parent_watch import end_with

PRELOADED = ("apache_beam.runners.worker.sdk_worker", "gristmill.pipelines.stages")
"""Imported before the first fork, by name: `runners` does not depend on `pipelines`."""


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the launcher hears it too, and says when this is to end
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how workers ended: their pipes tell
    sys.stderr = _Stderr()
    logging.basicConfig(level=logging.ERROR)  # before Beam is imported, which warns of what it does not need
    for module in PRELOADED:
        import_module(module)
    gc.freeze()  # what all workers share is never looked through, so its pages stay shared
    serve(socket.socket(fileno=int(sys.argv[1])))


def serve(orders: socket.socket) -> None:
    """Fork a worker at each order, until the launcher is gone."""
    while True:
        request, fds, _, _ = socket.recv_fds(orders, REQUEST_BYTES, 1)
        if not request:
            return
        if os.fork() == 0:
            try:
                orders.close()
                work(Order(*json.loads(request)), fds[0])
            finally:
                os._exit(0)
        os.close(fds[0])
        orders.sendall(READY)


def work(order: Order, lifeline: int) -> None:
    """Be a worker until the launcher needs it no more."""
    from apache_beam.runners.portability.fn_api_runner.worker_handlers import STATE_CACHE_SIZE_MB
    from apache_beam.runners.worker.sdk_worker import SdkHarness

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # engines have children of their own
    with suppress(OSError):
        os.dup2(os.open(order.log, os.O_WRONLY | os.O_APPEND), 2)
    end_with(os.getppid(), partial(os.path.exists, order.log))
    harness = SdkHarness(order.control_address, worker_id=order.worker, state_cache_size=STATE_CACHE_SIZE_MB << 20)
    harness.run()
    os.write(lifeline, READY)


class _Stderr(io.TextIOBase):
    """Standard error, which goes to the log, but loses what does not fit on the disk."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            os.write(2, text.encode("utf-8", "replace"))
        return len(text)


if __name__ == "__main__":
    main()

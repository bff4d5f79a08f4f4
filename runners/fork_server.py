"""A process that has imported what workers need, and from which they are forked: a start takes 20 ms, not seconds.

Workers are forked from it, never from the launcher, which has threads. It is started with the engine, so that it
imports Beam while the launcher does, and ends with the launcher, however that ends: at the end of its input. Its other
side is ``embedded_worker``.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import NamedTuple

from gristmill.errors import RunError

REQUEST_BYTES = 1 << 16
READY = b"."
"""The answer to a request; and what a worker says when it ends because it was told to."""


class Order(NamedTuple):
    """A worker that is asked for: its name, whom it is to work for, and the file that it lives by and writes to."""

    worker: str
    control_address: str
    log: str


class ForkServer:
    """The process, from when it is made until ``close``."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gristmill.runners.embedded_worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    @property
    def handle(self) -> int:
        """The descriptor of this side's socket, for ``ask``."""
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()
        self._process.wait()


def ask(handle: int, order: Order) -> int:
    """Have a worker forked; a descriptor on which ``READY`` comes once it ends as it should, and then the end.

    Raises RunError where there is no nursery any more.
    """
    ours, theirs = os.pipe()
    try:
        with socket.socket(fileno=os.dup(handle)) as nursery:
            socket.send_fds(nursery, [json.dumps(order).encode()], [theirs])
            if nursery.recv(1) == READY:
                return ours
    except OSError:
        pass
    finally:
        os.close(theirs)
    os.close(ours)
    raise RunError("the process that starts workers is gone: see what it said above, or run with --workers 1")

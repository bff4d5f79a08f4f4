"""A process that imports everything that workers need and then forks them: a fork takes 20 ms, an import seconds.

Workers are forked from it and never from the launcher, which has threads. It is started together with the runner, so
that it imports Beam while the launcher does, and exits with the launcher, however that ends: at the end of its input.
``fork_server_process`` is the code that runs in it.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import NamedTuple

from gristmill.errors import RunError

MAX_REQUEST_BYTES = 1 << 16
ACKNOWLEDGEMENT = b"."
"""The reply to a request; and what a worker writes when it exits because it was asked to."""


class WorkerRequest(NamedTuple):
    """A request for a worker: its name, the address of the runner, and its log. It exits when the log is deleted."""

    worker: str
    control_address: str
    log: str


class ForkServer:
    """The process, running from construction until ``close``."""

    def __init__(self) -> None:
        self._socket, child_socket = socket.socketpair()
        with child_socket:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gristmill.runners.fork_server_process", str(child_socket.fileno())],
                pass_fds=[child_socket.fileno()],
                stdin=subprocess.DEVNULL,
            )

    @property
    def handle(self) -> int:
        """The file descriptor of this end of the socket, for ``fork_worker``."""
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()
        self._process.wait()


def fork_worker(handle: int, request: WorkerRequest) -> int:
    """Fork a worker and return a pipe to read from: ``ACKNOWLEDGEMENT`` before its end means a regular exit.

    Raises RunError if the fork server is no longer running.
    """
    read_end, write_end = os.pipe()
    try:
        with socket.socket(fileno=os.dup(handle)) as server:
            socket.send_fds(server, [json.dumps(request).encode()], [write_end])
            if server.recv(1) == ACKNOWLEDGEMENT:
                return read_end
    except OSError:
        pass
    finally:
        os.close(write_end)
    os.close(read_end)
    raise RunError("the process that starts workers has exited: see its output above, or run with --workers 1")

"""Server processes that a runner starts, such as a job server or a worker pool. They end with the launcher."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gristmill.errors import InputError, RunError
from gristmill.runners.parent_watch import with_parent_watch

START_TIMEOUT_SECONDS = 120.0
_POLL_SECONDS = 0.1
_LOG_TAIL_CHARACTERS = 300


def free_port() -> int:
    """Return a port of this machine on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_listening(endpoint: str, timeout: float = 3.0) -> bool:
    """Whether a server accepts connections at ``host:port``."""
    host, _, port = endpoint.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout):
            return True
    except OSError:
        return False


def is_exposed(port: int) -> bool:
    """Whether a server on ``port`` of this machine also accepts connections at an address other than loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # of a network for documentation; sends nothing, but selects an interface
        except OSError:
            return False  # this machine has no network
        return is_listening(f"{probe.getsockname()[0]}:{port}")


def check_endpoint(what: str, endpoint: str, remedy: str) -> None:
    """Raises InputError if nothing listens at ``host:port``."""
    if not is_listening(endpoint):
        raise InputError(f"no {what} answers at {endpoint}: {remedy}")


@contextmanager
def serving(what: str, command: list[str], endpoint: str, log: Path) -> Iterator[None]:
    """Run ``command`` as a server: enter the block once it listens at ``endpoint``, terminate it at the end.

    Raises RunError, with the end of its output, if it exits before that or does not listen in time.
    """
    with open(log, "ab") as file:
        try:
            process = subprocess.Popen(
                with_parent_watch(list(map(str, command))), stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )
        except OSError as error:
            raise InputError(f"{what} cannot be started: {error}") from error
    try:
        _wait_until_listening(what, process, endpoint, log)
        yield
    finally:
        process.terminate()
        process.wait()


def _wait_until_listening(what: str, process: subprocess.Popen[bytes], endpoint: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not is_listening(endpoint):
        if process.poll() is not None:
            raise RunError(f"{what} exited at once: {_tail(log)} (full output: {log})")
        if time.monotonic() > deadline:
            raise RunError(f"{what} does not answer at {endpoint} after {START_TIMEOUT_SECONDS:.0f} s; see {log}")
        time.sleep(_POLL_SECONDS)


def _tail(log: Path) -> str:
    return " ".join(log.read_text(errors="replace")[-_LOG_TAIL_CHARACTERS:].split())

"""Processes that an engine starts for a run: a job server, a worker pool. They end with the launcher."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gristmill.errors import InputError, RunError
from gristmill.runners.parent_watch import with_parent_watch

_SECONDS = 0.1
_TAIL = 300
START_SECONDS = 120.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(endpoint: str, seconds: float = 3.0) -> bool:
    """Whether somebody listens at ``host:port``."""
    host, _, port = endpoint.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), seconds):
            return True
    except OSError:
        return False


@contextmanager
def serving(what: str, command: list[str], endpoint: str, log: Path) -> Iterator[None]:
    """``command`` running, from when it answers at ``endpoint`` to the end of the block.

    Raises RunError, with the last of what it said, where it ends before that, or says nothing for long.
    """
    with open(log, "ab") as file:
        try:
            process = subprocess.Popen(
                with_parent_watch(list(map(str, command))), stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )
        except OSError as error:
            raise InputError(f"{what} cannot be started: {error}") from error
    try:
        _await(what, process, endpoint, log)
        yield
    finally:
        process.terminate()
        process.wait()


def _await(what: str, process: subprocess.Popen[bytes], endpoint: str, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while not answers(endpoint):
        if process.poll() is not None:
            raise RunError(f"{what} ended at once: {_tail(log)} (all that it said: {log})")
        if time.monotonic() > until:
            raise RunError(f"{what} does not answer at {endpoint} after {START_SECONDS:.0f} s; see {log}")
        time.sleep(_SECONDS)


def _tail(log: Path) -> str:
    return " ".join(log.read_text(errors="replace")[-_TAIL:].split())

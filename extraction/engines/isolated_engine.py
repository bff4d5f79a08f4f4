"""Runs an engine in a child process, which a page may hang or crash without harming the worker.

The child is started for the first page, by ``subprocess`` (forking a process with threads is unsafe), and reused. It
receives pages one by one over a socket pair, as length-prefixed messages, which costs 0.05 ms for a page of 10 KB.
Meanwhile the worker watches the clock and the child's resident memory, and kills the child if it exceeds either bound.
A limit on address space alone would not do: under one, libxml2 and lexbor may continue with half a tree and Rust
aborts, so a page's outcome would depend on chance. The child has such a limit (``RLIMIT_DATA``, twice the bound), but
only against allocations that grow faster than they can be watched.

A page on which the child died is tried once more, in a new child. Only if that one dies too is the page to blame: it is
refused as ``crash``, ``memory`` or ``timeout``. These causes are not counted limits, so they may differ on another
machine; see ``gristmill.extraction.quarantine``.

The child ends with its worker, however the worker ends: at the end of its input, or, if it hangs, by its own alarm.
"""

from __future__ import annotations

import json
import os
import pickle
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import Pipe
from pathlib import Path
from typing import NamedTuple

from gristmill.errors import RunError
from gristmill.extraction.engines.extraction_engine import ExtractionEngine, PageRefused

TEXT, REFUSED = b"T", b"R"
"""The first byte of a response: main text follows, or cause and detail as JSON."""

SEPARATOR = "\n"
"""Separates the URL of a page, which may be empty, from its HTML."""

OUT_OF_MEMORY = 77
"""The child's exit status after a MemoryError."""

START_SECONDS = 120
_POLL_SECONDS = 0.05
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class ProcessBounds(NamedTuple):
    """Maximum wall time in seconds, and maximum resident memory in bytes, of a child for one page."""

    seconds: float
    memory: int


class IsolatedEngine:
    """The engine returned by ``load``, in a child process, which runs from the first page until ``close``."""

    def __init__(self, load: Callable[[], ExtractionEngine], bounds: ProcessBounds) -> None:
        self._load = load
        self._bounds = bounds
        self._child: _Child | None = None

    def __call__(self, html: str, url: str | None = None) -> str:
        page = f"{(url or '').replace(SEPARATOR, '')}{SEPARATOR}{html}".encode("utf-8", "surrogatepass")
        response = self._send(page)
        if isinstance(response, _Death):
            response = self._send(page)
        if isinstance(response, _Death):
            raise PageRefused(response.cause, response.detail)
        kind, content = response[:1], response[1:]
        if kind == REFUSED:
            raise PageRefused(*json.loads(content))
        return content.decode("utf-8", "surrogatepass")

    def close(self) -> None:
        if self._child:
            self._child.end()
            self._child = None

    def _send(self, page: bytes) -> bytes | _Death:
        """The child's response. A child that did not respond, for whatever reason, is not used again."""
        child = self._child or _Child(self._load, self._bounds)
        self._child = None
        try:
            response = child.request(page, self._bounds.seconds)
        except BaseException:
            child.end()
            raise
        if isinstance(response, _Death):
            child.end()
        else:
            self._child = child
        return response


class _Death(NamedTuple):
    cause: str
    detail: str


class _Child:
    """One process of ``gristmill.extraction.engines.extraction_process``."""

    def __init__(self, load: Callable[[], ExtractionEngine], bounds: ProcessBounds) -> None:
        """Raises RunError if the process does not start."""
        self._memory = bounds.memory
        self._pipe, child_pipe = Pipe()
        self._poll = select.poll()  # reused: Connection.poll creates a selector on every call
        self._poll.register(self._pipe, select.POLLIN)
        with child_pipe:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gristmill.extraction.engines.extraction_process", str(child_pipe.fileno())],
                pass_fds=[child_pipe.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "PYTHONHASHSEED": "0"},  # makes the order of sets reproducible
            )
        ready = self.request(pickle.dumps((load, bounds)), START_SECONDS)
        if isinstance(ready, _Death):
            self.end()
            raise RunError(
                f"an extraction process did not start ({ready.detail}); its error message is in the worker's log"
            )

    def request(self, message: bytes, seconds: float) -> bytes | _Death:
        deadline = time.monotonic() + seconds
        try:
            self._pipe.send_bytes(message)
            while not self._poll.poll(_POLL_SECONDS * 1e3):
                if time.monotonic() > deadline:
                    return _Death("timeout", f"no answer in {seconds:g} s")
                if _resident(self._process.pid) > self._memory:
                    return _Death("memory", f"more than {self._memory:,} bytes of memory")
            return self._pipe.recv_bytes()
        except (EOFError, OSError):
            return self._death()

    def end(self) -> None:
        self._pipe.close()
        self._process.kill()
        self._process.wait()

    def _death(self) -> _Death:
        """Why the child ended. SIGKILL comes from the kernel, which kills the child first when memory runs out."""
        status = self._process.wait()
        if status in (OUT_OF_MEMORY, -signal.SIGKILL):
            return _Death("memory", "memory ran out")
        if status < 0:
            return _Death("crash", f"the extraction process was ended by {signal.Signals(-status).name}")
        return _Death("crash", f"the extraction process ended with status {status}")


def _resident(pid: int) -> int:
    """Resident bytes of a process; 0 if it has ended, or if the system has no ``/proc`` (it is not Linux)."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0

"""An engine in a child process, which a page may hang or bring down without harm to the worker.

The child is started with the first page, by ``subprocess`` (a fork of a process with threads is unsafe), and reused. It
is asked page by page over a pair of sockets, in messages of bytes with their length before them, which costs 0.05 ms
for a page of 10 KB. While it works, the worker watches the clock and the child's resident memory, and kills it where it
takes too much of either. A limit on address space would be no watch: under one, libxml2 and lexbor may go on with half
a tree and Rust aborts, so that a page's fate would be one of chance. The child has such a limit (``RLIMIT_DATA``, twice
the bound), but only against what grows too fast to be watched.

A page on which the child died is asked once more, alone in a fresh child. What counts as the page's own fault is
only what happens there again; then it is refused as ``crash``, ``memory`` or ``timeout``. None of these is counted, so
none is certain to happen on another machine: ``gristmill.extraction.quarantine``.

The child ends with its worker, however that ends: at the end of its input, or, where it hangs, by an alarm of its own.
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
from gristmill.extraction.engines.engine import ExtractionEngine, Refused

TEXT, REFUSED = b"T", b"R"
"""The first byte of an answer: main text follows, or cause and detail in JSON."""

PARTING = "\n"
"""What stands between the URL of a page, which may be empty, and its HTML."""

OUT_OF_MEMORY = 77
"""The child's exit status where it could not have memory."""

START_SECONDS = 120
_LOOK_SECONDS = 0.05
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Bounds(NamedTuple):
    """The most that one page may take of a child: seconds of wall time, and bytes of resident memory."""

    seconds: float
    memory: int


class Isolated:
    """The engine that ``load`` makes, in a child process. Holds no child before the first page and after ``close``."""

    def __init__(self, load: Callable[[], ExtractionEngine], bounds: Bounds) -> None:
        self._load = load
        self._bounds = bounds
        self._child: _Child | None = None

    def __call__(self, html: str, url: str | None = None) -> str:
        page = f"{(url or '').replace(PARTING, '')}{PARTING}{html}".encode("utf-8", "surrogatepass")
        answer = self._ask(page)
        if isinstance(answer, _Death):
            answer = self._ask(page)
        if isinstance(answer, _Death):
            raise Refused(answer.cause, answer.detail)
        kind, content = answer[:1], answer[1:]
        if kind == REFUSED:
            raise Refused(*json.loads(content))
        return content.decode("utf-8", "surrogatepass")

    def close(self) -> None:
        if self._child:
            self._child.end()
            self._child = None

    def _ask(self, page: bytes) -> bytes | _Death:
        """The child's answer. A child that gave none, for whatever reason, is not asked again."""
        child = self._child or _Child(self._load, self._bounds)
        self._child = None
        try:
            answer = child.ask(page, self._bounds.seconds)
        except BaseException:
            child.end()
            raise
        if isinstance(answer, _Death):
            child.end()
        else:
            self._child = child
        return answer


class _Death(NamedTuple):
    cause: str
    detail: str


class _Child:
    """One process of ``gristmill.extraction.engines.child_process``."""

    def __init__(self, load: Callable[[], ExtractionEngine], bounds: Bounds) -> None:
        """Raises RunError where no process comes up."""
        self._memory = bounds.memory
        self._pipe, theirs = Pipe()
        self._heard = select.poll()  # one for all pages: Connection.poll makes a selector at each call
        self._heard.register(self._pipe, select.POLLIN)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gristmill.extraction.engines.child_process", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "PYTHONHASHSEED": "0"},  # the order of sets is no chance
            )
        ready = self.ask(pickle.dumps((load, bounds)), START_SECONDS)
        if isinstance(ready, _Death):
            self.end()
            raise RunError(
                f"an extraction process did not start ({ready.detail}): what it said stands in the worker's log"
            )

    def ask(self, message: bytes, seconds: float) -> bytes | _Death:
        deadline = time.monotonic() + seconds
        try:
            self._pipe.send_bytes(message)
            while not self._heard.poll(_LOOK_SECONDS * 1e3):
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
        """Why the child ended by itself. SIGKILL is the kernel's, which ends the child first where memory runs out."""
        status = self._process.wait()
        if status in (OUT_OF_MEMORY, -signal.SIGKILL):
            return _Death("memory", "memory ran out")
        if status < 0:
            return _Death("crash", f"the extraction process was ended by {signal.Signals(-status).name}")
        return _Death("crash", f"the extraction process ended with status {status}")


def _resident(pid: int) -> int:
    """Resident bytes of a process; 0 where the system does not tell (it is not Linux), or the process is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0

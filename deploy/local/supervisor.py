"""``python -m deploy.local.supervisor FOLDER``: keeps a cluster's processes running, as Kubernetes would.

A process that died takes what it started with it, as a container does, and comes back with the same command and the
same ports after a pause: one second, twice as long each time that it did not last, 30 at most.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TextIO

from deploy.local.plan import Folder, Process

_LASTED_SECONDS = 60.0
_GRACE_SECONDS = 10.0


@dataclass
class _Run:
    """A process and its current life."""

    process: Process
    child: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    failures: int = 0
    started: float = 0.0
    due: float = field(default_factory=time.monotonic)


def pause(failures: int) -> float:
    """Seconds before a process is started again that has failed so often in a row."""
    return min(30.0, 2.0 ** min(failures - 1, 5))


class Supervisor:
    """Keeps the processes of a cluster running until it is told to end."""

    def __init__(self, folder: Folder, processes: list[Process]) -> None:
        self._folder = folder
        self._runs = [_Run(process) for process in processes]
        self._over = threading.Event()

    def end(self) -> None:
        self._over.set()

    def run(self) -> None:
        """Start, watch, start again; and end them all, in whatever way this ends."""
        try:
            while not self._over.is_set():
                if sum(self._tend(run) for run in self._runs):
                    self._write()
                self._over.wait(0.2)
        finally:
            self._end_all()

    def _tend(self, run: _Run) -> bool:
        """Start a process that is due, or take note that one died; whether anything changed."""
        if run.child is None:
            if time.monotonic() < run.due:
                return False
            self._start(run)
            return True
        if not _ended(run.child):
            return False
        self._say(f"{run.process.role} (pid {run.child.pid}) ended with {_reap(run.child)}")
        self._again(run)
        return True

    @staticmethod
    def _again(run: _Run) -> None:
        """Have a process started again that ended, or could not be started."""
        now = time.monotonic()
        run.child = None
        run.restarts += 1
        run.failures = run.failures + 1 if now - run.started < _LASTED_SECONDS else 1
        run.due = now + pause(run.failures)

    def _start(self, run: _Run) -> None:
        role, command, environment = run.process
        run.started = time.monotonic()
        with self._folder.log(role).open("ab") as log:
            try:
                run.child = subprocess.Popen(
                    command,
                    env={**os.environ, **environment},
                    cwd=self._folder.scratch,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                log.write(f"{error}\n".encode())
                self._again(run)
                return
        self._say(f"{role} runs (pid {run.child.pid})")

    def _end_all(self) -> None:
        children = [run.child for run in self._runs if run.child is not None]
        for child in children:
            child.terminate()
        deadline = time.monotonic() + _GRACE_SECONDS
        while not all(_ended(child) for child in children) and time.monotonic() < deadline:
            time.sleep(0.05)
        for child in children:
            _reap(child)
        self._say("ended")

    def _write(self) -> None:
        """Tell who runs, in one step: a reader sees the state before or after."""
        text = json.dumps({"supervisor": os.getpid(), "processes": [_told(run) for run in self._runs]}, indent=1)
        beside = self._folder.processes.with_suffix(".new")
        beside.write_text(text + "\n")
        beside.replace(self._folder.processes)

    @staticmethod
    def _say(message: str) -> None:
        print(f"{time.strftime('%F %T')} {message}", flush=True)


def _told(run: _Run) -> dict[str, str | int | None]:
    return {"role": run.process.role, "pid": run.child.pid if run.child else None, "restarts": run.restarts}


def _ended(child: subprocess.Popen[bytes]) -> bool:
    """Whether a process has ended; its number is not given to another until ``_reap`` has been called."""
    return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _reap(child: subprocess.Popen[bytes]) -> int:
    """Kill what is left of a process's session and take its exit status."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    return child.wait()


def locked(folder: Folder) -> TextIO | None:
    """The folder's lock, to be kept open; None where a supervisor holds it."""
    file = folder.lock.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def main() -> int:
    folder = Folder(Path(sys.argv[1]))
    lock = locked(folder)
    if lock is None:
        print(f"{folder.path}: a supervisor runs already", flush=True)
        return 1
    supervisor = Supervisor(folder, [Process(*each) for each in json.loads(folder.plan.read_text())])

    def ended(number: int, frame: FrameType | None) -> None:
        supervisor.end()

    signal.signal(signal.SIGTERM, ended)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    supervisor.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""``python -m deploy.local.supervisor FOLDER``: keeps the processes of a cluster running, as Kubernetes would.

When a process exits, its child processes are killed, as in a container, and it is restarted with the same command and
ports after a delay: one second, doubled each time that it exits soon after a restart, up to 30.
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

from deploy.local.cluster_plan import Folder, Process

_STABLE_SECONDS = 60.0
_GRACE_SECONDS = 10.0


@dataclass
class _Run:
    """A process and the state of its current child."""

    process: Process
    child: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    failures: int = 0
    started: float = 0.0
    due: float = field(default_factory=time.monotonic)


def pause(failures: int) -> float:
    """Return the delay in seconds before a restart after ``failures`` consecutive failures."""
    return min(30.0, 2.0 ** min(failures - 1, 5))


class Supervisor:
    """Keeps the processes of a cluster running until ``end`` is called."""

    def __init__(self, folder: Folder, processes: list[Process]) -> None:
        self._folder = folder
        self._runs = [_Run(process) for process in processes]
        self._stopped = threading.Event()

    def end(self) -> None:
        """Make ``run`` stop all processes and return."""
        self._stopped.set()

    def run(self) -> None:
        """Start the processes and restart those that exit; stop all of them at the end, also after an error."""
        try:
            while not self._stopped.is_set():
                if sum(self._check(run) for run in self._runs):
                    self._write()
                self._stopped.wait(0.2)
        finally:
            self._end_all()

    def _check(self, run: _Run) -> bool:
        """Start a process that is due, or notice that it exited. Returns whether anything changed."""
        if run.child is None:
            if time.monotonic() < run.due:
                return False
            self._start(run)
            return True
        if not _ended(run.child):
            return False
        self._log(f"{run.process.role} (pid {run.child.pid}) exited with {_reap(run.child)}")
        self._schedule_restart(run)
        return True

    @staticmethod
    def _schedule_restart(run: _Run) -> None:
        """Schedule the restart of a process that exited or could not be started."""
        now = time.monotonic()
        run.child = None
        run.restarts += 1
        run.failures = run.failures + 1 if now - run.started < _STABLE_SECONDS else 1
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
                self._schedule_restart(run)
                return
        self._log(f"{role} started (pid {run.child.pid})")

    def _end_all(self) -> None:
        children = [run.child for run in self._runs if run.child is not None]
        for child in children:
            child.terminate()
        deadline = time.monotonic() + _GRACE_SECONDS
        while not all(_ended(child) for child in children) and time.monotonic() < deadline:
            time.sleep(0.05)
        for child in children:
            _reap(child)
        self._log("stopped")

    def _write(self) -> None:
        """Write the status file atomically."""
        text = json.dumps({"supervisor": os.getpid(), "processes": [_describe(run) for run in self._runs]}, indent=1)
        temporary = self._folder.processes.with_suffix(".new")
        temporary.write_text(text + "\n")
        temporary.replace(self._folder.processes)

    @staticmethod
    def _log(message: str) -> None:
        print(f"{time.strftime('%F %T')} {message}", flush=True)


def _describe(run: _Run) -> dict[str, str | int | None]:
    return {"role": run.process.role, "pid": run.child.pid if run.child else None, "restarts": run.restarts}


def _ended(child: subprocess.Popen[bytes]) -> bool:
    """Whether a process has exited; its pid is not reused before ``_reap`` is called."""
    return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _reap(child: subprocess.Popen[bytes]) -> int:
    """Kill the remaining processes of a process's session and return its exit status."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    return child.wait()


def acquire_lock(folder: Folder) -> TextIO | None:
    """Return the folder's lock, which must be kept open; None if a supervisor holds it."""
    file = folder.lock.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def main() -> int:
    folder = Folder(Path(sys.argv[1]))
    lock = acquire_lock(folder)
    if lock is None:
        print(f"{folder.path}: a supervisor is already running", flush=True)
        return 1
    supervisor = Supervisor(folder, [Process(*each) for each in json.loads(folder.plan.read_text())])

    def stop(number: int, frame: FrameType | None) -> None:
        supervisor.end()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    supervisor.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())

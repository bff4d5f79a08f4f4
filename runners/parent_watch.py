"""Processes that exit when their parent does, even if the parent is killed with SIGKILL.

``python -m gristmill.runners.parent_watch PID COMMAND…`` runs any other command (a job server, say) in this way.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

_POLL_SECONDS = 0.5
_GRACE_SECONDS = 10.0


def exit_with_parent(parent: int, is_needed: Callable[[], bool] = lambda: True) -> None:
    """Start a thread that exits this process once ``parent`` is no longer its parent or ``is_needed`` returns False."""

    def watch() -> None:
        while os.getppid() == parent and is_needed():
            time.sleep(_POLL_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def with_parent_watch(command: list[str]) -> list[str]:
    """Return a command that runs ``command`` as a child of this process and ends it with this process."""
    return [sys.executable, "-m", "gristmill.runners.parent_watch", str(os.getpid()), *command]


def main() -> int:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the launcher receives it too, and decides when this process ends
    try:
        while child.poll() is None and os.getppid() == parent:
            time.sleep(_POLL_SECONDS)
        return child.returncode or 0
    finally:
        child.terminate()
        try:
            child.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())

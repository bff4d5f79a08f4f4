"""Processes that end with the one that started them, however that ends: by a signal, by SIGKILL, by a lost machine's.

``python -m gristmill.runners.parent_watch PID COMMAND…`` runs a foreign command (a job server, say) that way.
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

_SECONDS = 0.5
_GRACE_SECONDS = 10.0


def end_with(parent: int, wanted: Callable[[], bool] = lambda: True) -> None:
    """End this process once ``parent`` is no longer its parent, or it is no longer ``wanted``; watched by a thread."""

    def watch() -> None:
        while os.getppid() == parent and wanted():
            time.sleep(_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def with_parent_watch(command: list[str]) -> list[str]:
    """``command``, to be started as a child of this process, and to end with it."""
    return [sys.executable, "-m", "gristmill.runners.parent_watch", str(os.getpid()), *command]


def main() -> int:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    def ended(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, ended)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the launcher hears it too, and says when this is to end
    try:
        while child.poll() is None and os.getppid() == parent:
            time.sleep(_SECONDS)
        return child.returncode or 0
    finally:
        child.terminate()
        try:
            child.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())

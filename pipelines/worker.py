"""``python -m gristmill.pipelines.worker PID LOG``: a worker process of the embedded runner: Beam's own, but it ends
with its launcher, process ``PID``, and when that takes the file ``LOG`` away.

Beam's workers notice a launcher that was killed only when they next speak to it, and some never do.
"""

from __future__ import annotations

import os
import sys
import threading
import time

from apache_beam.runners.worker import sdk_worker_main

_SECONDS = 0.5


def main() -> None:
    threading.Thread(target=_end_with, args=(int(sys.argv[1]), sys.argv[2]), daemon=True).start()
    sdk_worker_main.main(sys.argv[:1])


def _end_with(launcher: int, log: str) -> None:
    while os.getppid() == launcher and os.path.exists(log):
        time.sleep(_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main()

"""``python -m gristmill.pipelines.runners.embedded_worker PID LOG``: a worker process of the embedded runner.

Beam's own, but it ends with its launcher, process ``PID``, and when that takes the file ``LOG`` away.

Beam's workers notice a launcher that was killed only when they next speak to it, and some never do. And before they
tell the launcher of an error they print it: where that fails, on a full disk, the launcher waits for ever.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from functools import partial

from gristmill.pipelines.runners.tether import end_with


def main() -> None:
    sys.stderr = _Stderr()
    end_with(int(sys.argv[1]), partial(os.path.exists, sys.argv[2]))
    from apache_beam.runners.worker import sdk_worker_main  # takes seconds, in which the launcher may end

    sdk_worker_main.main(sys.argv[:1])


class _Stderr(io.TextIOBase):
    """Standard error, which goes to the log, but loses what does not fit on the disk."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            os.write(2, text.encode("utf-8", "replace"))
        return len(text)


if __name__ == "__main__":
    main()

"""``python -m gristmill.runners.pool_worker PID CONTROL ID``: a worker that a pool started; ends with it."""

from __future__ import annotations

import logging
import sys

from gristmill.runners.parent_watch import end_with


def main() -> None:
    pool, control, worker = sys.argv[1:]
    end_with(int(pool))
    from apache_beam.runners.worker.sdk_worker import SdkHarness  # takes seconds, in which the pool may end

    logging.basicConfig(level=logging.WARNING)
    SdkHarness(control, worker_id=worker, state_cache_size=0, data_buffer_time_limit_ms=0).run()


if __name__ == "__main__":
    main()

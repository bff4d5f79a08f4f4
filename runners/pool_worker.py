"""``python -m gristmill.runners.pool_worker PID CONTROL ID``: a worker started by a pool; it exits with the pool."""

from __future__ import annotations

import logging
import sys

from gristmill.runners.parent_watch import exit_with_parent


def main() -> None:
    pool, control, worker = sys.argv[1:]
    exit_with_parent(int(pool))
    from apache_beam.runners.worker.sdk_worker import SdkHarness  # takes seconds, in which the pool may exit

    logging.basicConfig(level=logging.WARNING)
    SdkHarness(control, worker_id=worker, state_cache_size=0, data_buffer_time_limit_ms=0).run()


if __name__ == "__main__":
    main()

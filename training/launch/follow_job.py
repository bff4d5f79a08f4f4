"""Follows a submitted run until its result exists."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from gristmill.errors import RunError
from gristmill.training.launch.launch_section import AnyLaunch
from gristmill.training.launch.launchers import launcher_of
from gristmill.training.launch.run_result import last_metrics_row, read_result
from gristmill.training.launch.submission_record import SubmissionRecord

POLL_SECONDS = 10.0
"""Time between two looks at the job."""


def follow_job(
    launch: AnyLaunch, record: SubmissionRecord, out: str, steps: int, on_progress: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Wait for the result of ``steps`` steps, and pass new rows of the metrics to ``on_progress``.

    Raises RunError if the job fails.
    """
    seen = None
    while (result := read_result(out, steps)) is None:
        row = last_metrics_row(out)
        if row and row != seen:
            on_progress(row)
            seen = row
        require_not_failed(launch, record, out, steps)
        time.sleep(POLL_SECONDS)
    return result


def require_not_failed(launch: AnyLaunch, record: SubmissionRecord, out: str, steps: int) -> None:
    """Raises RunError if the job is known to have ended without a result."""
    launcher = launcher_of(launch)
    if launcher is None or record.job is None or launch.kind != record.kind:
        return
    reason = launcher.failure(record.name, record.job)
    if reason and read_result(out, steps) is None:  # the result may have just appeared
        raise RunError(
            f"{record.name} (job {record.job}) ended without a result, {reason}: see its log; to submit it again, "
            f"delete the job and {record.url} and run the same command again, which resumes from the last checkpoint"
        )

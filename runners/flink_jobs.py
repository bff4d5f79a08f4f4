"""Jobs on a Flink cluster, through its REST API: a new run cancels the jobs that a killed run left."""

from __future__ import annotations

import json
import urllib.request

_TERMINAL_STATES = {"FINISHED", "CANCELED", "FAILED"}
_TIMEOUT_SECONDS = 10.0


def cancel_jobs(master: str, prefix: str) -> None:
    """Cancel the unfinished jobs whose names begin with ``prefix``."""
    with urllib.request.urlopen(f"http://{master}/jobs/overview", timeout=_TIMEOUT_SECONDS) as response:
        jobs = json.load(response)["jobs"]
    running = [job["jid"] for job in jobs if job["name"].startswith(prefix) and job["state"] not in _TERMINAL_STATES]
    for job in running:
        request = urllib.request.Request(f"http://{master}/jobs/{job}?mode=cancel", method="PATCH")
        urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS).close()

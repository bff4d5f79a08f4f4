"""Jobs on a Flink cluster, by its REST interface: what a killed launcher left is ended by its successor."""

from __future__ import annotations

import json
import urllib.request

_ENDED = {"FINISHED", "CANCELED", "FAILED"}
_SECONDS = 10.0


def cancel(master: str, prefix: str) -> None:
    """Cancel the jobs under way whose names begin with ``prefix``."""
    with urllib.request.urlopen(f"http://{master}/jobs/overview", timeout=_SECONDS) as answer:
        jobs = json.load(answer)["jobs"]
    left = [job["jid"] for job in jobs if job["name"].startswith(prefix) and job["state"] not in _ENDED]
    for job in left:
        request = urllib.request.Request(f"http://{master}/jobs/{job}?mode=cancel", method="PATCH")
        urllib.request.urlopen(request, timeout=_SECONDS).close()

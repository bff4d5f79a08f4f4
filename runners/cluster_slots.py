"""The slots of a Flink or Spark cluster, read over HTTP before a run starts; each problem is one sentence."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from typing import Any, NamedTuple

from gristmill.errors import InputError
from gristmill.runners.java_runtime import ADD_OPENS

_TIMEOUT_SECONDS = 10.0


class Slots(NamedTuple):
    """The slots of a cluster: their total, those that are free now, and the number of hosts that provide them."""

    total: int
    free: int
    hosts: int


def flink_slots(master: str, version: str) -> Slots:
    """Return the slots of a Flink cluster. Raises InputError if the cluster cannot be used."""
    overview = _get_json(
        f"http://{master}/overview", f"no Flink JobManager answers at {master}: start it, or correct `master`"
    )
    if not str(overview["flink-version"]).startswith(f"{version}."):
        raise InputError(
            f"the cluster at {master} runs Flink {overview['flink-version']}, but the profile says {version}: "
            "correct `version`, and set `jar` to a job server for that version"
        )
    if not overview["taskmanagers"]:
        raise InputError(f"the Flink cluster at {master} has no TaskManager: start one")
    _check_add_opens(master)
    return Slots(overview["slots-total"], overview["slots-available"], overview["taskmanagers"])


def spark_slots(ui: str) -> Slots:
    """Return the slots of a standalone Spark cluster. Raises InputError if it has no worker."""
    state = _get_json(f"http://{ui}/json/", f"no Spark master answers at {ui}: start it, or correct `ui`")
    if not state["aliveworkers"]:
        raise InputError(f"the Spark cluster at {ui} has no worker: start one")
    return Slots(state["cores"], state["cores"] - state["coresused"], state["aliveworkers"])


def check_slots(slots: Slots, workers: int, cluster: str) -> None:
    """Raises InputError if a job with ``workers`` workers would wait forever for slots."""
    if workers > slots.total:
        raise InputError(
            f"{cluster} has {slots.total} slots, fewer than --workers {workers}: lower --workers, or add workers to "
            "the cluster"
        )
    if workers > slots.free:
        raise InputError(
            f"{slots.free} of the {slots.total} slots of {cluster} are free, but --workers is {workers}: "
            "cancel the job that uses the others, wait for it, or lower --workers"
        )


def _check_add_opens(master: str) -> None:
    """Raises InputError if the cluster's JVMs were started without ``ADD_OPENS`` on a Java that needs them."""
    try:
        jvm = _get_json(f"http://{master}/jobmanager/environment", "")["jvm"]
    except InputError:
        return  # Flink before 1.15 does not report it
    java = re.search(r"- ?(?:1\.)?(\d+)", jvm["version"])
    options = {option.replace(" ", "=", 1) for option in jvm["options"]}
    missing = [option for option in ADD_OPENS if option not in options]
    if java is not None and int(java[1]) >= 16 and missing:
        raise InputError(
            f"the Flink cluster at {master} runs on Java {java[1]} without {missing[0]}: "
            f"add to its env.java.opts.all: {' '.join(missing)}"
        )


def _get_json(url: str, message: str) -> Any:
    """Return the JSON at ``url``. Raises InputError with ``message`` if it cannot be read."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:
            return json.load(response)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise InputError(f"{message} ({getattr(error, 'reason', error)})") from error

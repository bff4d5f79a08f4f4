"""What would otherwise hang or fail late, found before a run starts: one sentence each, with the remedy."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.error
import urllib.request
from typing import Any, NamedTuple

from gristmill.errors import InputError
from gristmill.runners.processes import answers

ADD_OPENS = tuple(
    f"--add-opens=java.base/{package}=ALL-UNNAMED"
    for package in (
        "java.lang",
        "java.util",
        "java.lang.invoke",
        "java.net",
        "java.io",
        "java.util.concurrent",
        "java.nio",
        "java.time",
        "java.lang.reflect",
        "sun.nio.ch",
    )
)
"""What Flink, Spark and Beam reflect on, closed since Java 16."""

_JAVA = (11, 17)
_SECONDS = 10.0


class Slots(NamedTuple):
    """What a cluster offers: places for work in all, those free now, and the hosts that they are on."""

    total: int
    free: int
    hosts: int


def check_java(command: str) -> int:
    """The version of ``command``; raises InputError where there is none, or none that Flink 1.x and Spark 3 run on."""
    remedy = (
        "install a JRE 11 or 17, name one with --option java=PATH, or a running job server with --option job_endpoint"
    )
    try:
        said = subprocess.run([command, "-version"], capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"the job server needs Java, but {command!r} cannot be run: {remedy}") from error
    found = re.search(r'version "(\d+)', said.stderr + said.stdout)
    if said.returncode or found is None:
        raise InputError(f"the job server needs Java, but {command!r} does not tell its version: {remedy}")
    version = int(found[1])
    if not _JAVA[0] <= version <= _JAVA[1]:
        raise InputError(f"the job server needs Java {_JAVA[0]} to {_JAVA[1]}, but {command!r} is {found[1]}: {remedy}")
    return version


def check_endpoint(what: str, endpoint: str, remedy: str) -> None:
    """Raises InputError where nobody listens at ``host:port``."""
    if not answers(endpoint):
        raise InputError(f"no {what} answers at {endpoint}: {remedy}")


def flink_slots(master: str, version: str) -> Slots:
    """What a Flink cluster offers. Raises InputError where it cannot be used as it is."""
    overview = _get(
        f"http://{master}/overview", f"no Flink JobManager answers at {master}: start it, or correct `master`"
    )
    if not str(overview["flink-version"]).startswith(f"{version}."):
        raise InputError(
            f"the cluster at {master} runs Flink {overview['flink-version']}, the profile says {version}: "
            "set `version`, and `jar` to a job server for it"
        )
    if not overview["taskmanagers"]:
        raise InputError(f"the Flink cluster at {master} has no TaskManager: start one")
    _check_opens(master)
    return Slots(overview["slots-total"], overview["slots-available"], overview["taskmanagers"])


def spark_slots(ui: str) -> Slots:
    """What a standalone Spark cluster offers. Raises InputError where it has no worker."""
    state = _get(f"http://{ui}/json/", f"no Spark master answers at {ui}: start it, or correct `ui`")
    if not state["aliveworkers"]:
        raise InputError(f"the Spark cluster at {ui} has no worker: start one")
    return Slots(state["cores"], state["cores"] - state["coresused"], state["aliveworkers"])


def check_slots(slots: Slots, workers: int, where: str) -> None:
    """Raises InputError where a job of so many workers would wait for ever."""
    if workers > slots.total:
        raise InputError(
            f"{where} has {slots.total} slots, fewer than --workers {workers}: lower it, or add workers there"
        )
    if workers > slots.free:
        raise InputError(
            f"{slots.free} of the {slots.total} slots of {where} are free, and --workers asks for {workers}: "
            "end the job that has the others, wait for it, or ask for fewer"
        )


def _check_opens(master: str) -> None:
    """The cluster's own JVMs need the packages opened too; the JobManager tells how it was started."""
    try:
        jvm = _get(f"http://{master}/jobmanager/environment", "")["jvm"]
    except InputError:
        return  # Flink before 1.15 does not tell
    java = re.search(r"- ?(?:1\.)?(\d+)", jvm["version"])
    given = {option.replace(" ", "=", 1) for option in jvm["options"]}
    closed = [option for option in ADD_OPENS if option not in given]
    if java is not None and int(java[1]) >= 16 and closed:
        raise InputError(
            f"the Flink cluster at {master} runs on Java {java[1]} without {closed[0]}: "
            f"add to its env.java.opts.all: {' '.join(closed)}"
        )


def _get(url: str, remedy: str) -> Any:
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:
            return json.load(answer)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise InputError(f"{remedy} ({getattr(error, 'reason', error)})") from error

"""Kills parts of a real cluster with SIGKILL in the middle of a stage: the run completes with the same bytes.

Each of the five runs with one victim is interrupted in a different stage. The earlier stages are hard-linked from an
undisturbed run into a new work directory, so that no time is spent on them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from gristmill.pipelines.work_directory import current
from tests.clusters.conftest import STAGES, Cluster, finish, manifests, start_run

pytestmark = pytest.mark.faults

KILLED_IN = ("extract", "signals", "dedup", "refine", "tokenize")
DRIVER = "driver"
VICTIMS = [
    ("flink", "taskmanager"),
    ("flink", "worker-pool"),
    ("flink", DRIVER),
    ("spark", "worker"),
    ("spark", "worker-pool"),
    ("spark", DRIVER),
]
_TIMEOUT_SECONDS = 300.0
_INTO_DEDUP_SECONDS = 2.0


class Undisturbed(NamedTuple):
    """A recipe, and the work directory and manifests of an undisturbed run."""

    recipe: Path
    work: Path
    manifests: dict[str, str]


@pytest.fixture(scope="session")
def undisturbed(recipes: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Uses real data, since the sample is too small to be interrupted in the middle of a stage."""
    work = tmp_path_factory.mktemp("undisturbed")
    recipe = recipes("real")
    print(finish(start_run(recipe, work, "embedded", "--workers", "2")))
    return Undisturbed(recipe, work, manifests(work))


@pytest.mark.parametrize("stage", KILLED_IN)
@pytest.mark.parametrize(("runner", "victim"), VICTIMS)
def test_killed_part_does_not_change_the_output(
    runner: str,
    victim: str,
    stage: str,
    undisturbed: Undisturbed,
    start_cluster: Callable[[str], Cluster],
    tmp_path: Path,
) -> None:
    cluster = start_cluster(runner)
    _wait_for_recovery(cluster)
    work = tmp_path / "work"
    _link_stages_before(stage, undisturbed.work, work)
    started = time.monotonic()
    run = start_run(undisturbed.recipe, work, cluster.profile, until=stage)
    units = _wait_for_partial_progress(run, work, stage)
    if victim == DRIVER:
        run.kill()
        run.communicate()
        run = start_run(undisturbed.recipe, work, cluster.profile, until=stage)
    else:
        os.kill(_pid(cluster, victim), signal.SIGKILL)
    stderr = finish(run)
    seconds = time.monotonic() - started
    expected = {name: undisturbed.manifests[name] for name in STAGES[: STAGES.index(stage) + 1]}
    assert manifests(work) == expected
    wasted = re.search(r"\((\d+) attempts? wasted, ([\d,]+) \w+\)", stderr)
    print(
        f"{runner:<6}{victim:<12} killed in {stage:<10} after {units:>3} units; lost: nothing; "
        f"repeated: {f'{wasted[1]} units, {wasted[2]} documents' if wasted else 'nothing'}; {seconds:5.0f} s"
    )


def _link_stages_before(stage: str, source: Path, target: Path) -> None:
    """Hard-link the stages before ``stage`` from an undisturbed run."""
    target.mkdir()
    for name, directory in current(str(source)).items():
        if STAGES.index(name) < STAGES.index(stage):
            shutil.copytree(directory.url, target / directory.name, copy_function=os.link)


def _wait_for_partial_progress(run: subprocess.Popen[str], work: Path, stage: str) -> int:
    """Wait until some units of a stage are complete, and return their number; those of dedup complete together."""
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        assert run.poll() is None, f"{stage} completed before it could be interrupted: {run.communicate()[1]}"
        if stage == "dedup" and any(work.glob("dedup-*/parcels/*")):
            time.sleep(_INTO_DEDUP_SECONDS)
            return 0
        if receipts := len(list(work.glob(f"{stage}-*/receipts/*.json"))):
            return receipts
        time.sleep(0.1)
    raise AssertionError(f"{stage} did not begin")


def _pid(cluster: Cluster, role: str) -> int:
    (process,) = [each for each in json.loads(cluster.command("status"))["processes"] if each["role"] == role]
    return int(process["pid"])


def _wait_for_recovery(cluster: Cluster) -> None:
    """Wait until every process of the cluster has been running for a while after the previous kill."""
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if all(each["pid"] for each in json.loads(cluster.command("status"))["processes"]):
            time.sleep(5)  # until workers have registered with their masters
            return
        time.sleep(0.5)
    raise AssertionError(f"{cluster.runner} did not recover")

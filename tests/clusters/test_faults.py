"""Parts of a real cluster killed with SIGKILL in the middle of a stage: the run ends, and the bytes are the same.

Each of the five runs with one victim has its kill in another stage. The stages before it are those of an undisturbed
run, linked into a fresh work directory, so that all of the time goes where the kill is.
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
_PATIENCE = 300.0
_INTO_DEDUP_SECONDS = 2.0


class Undisturbed(NamedTuple):
    """A recipe, and the work directory and manifests of a run in peace."""

    recipe: Path
    work: Path
    manifests: dict[str, str]


@pytest.fixture(scope="session")
def undisturbed(recipes: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Real data where there is some: the sample is too small to be killed in its midst."""
    work = tmp_path_factory.mktemp("undisturbed")
    recipe = recipes("real")
    print(finish(start_run(recipe, work, "embedded", "--workers", "2")))
    return Undisturbed(recipe, work, manifests(work))


@pytest.mark.parametrize("stage", KILLED_IN)
@pytest.mark.parametrize(("engine", "victim"), VICTIMS)
def test_a_killed_part_costs_time_and_nothing_else(
    engine: str,
    victim: str,
    stage: str,
    undisturbed: Undisturbed,
    start_cluster: Callable[[str], Cluster],
    tmp_path: Path,
) -> None:
    cluster = start_cluster(engine)
    _await_slots(cluster)
    work = tmp_path / "work"
    _stages_before(stage, undisturbed.work, work)
    begun = time.monotonic()
    run = start_run(undisturbed.recipe, work, cluster.profile, until=stage)
    done = _await_midst(run, work, stage)
    if victim == DRIVER:
        run.kill()
        run.communicate()
        run = start_run(undisturbed.recipe, work, cluster.profile, until=stage)
    else:
        os.kill(_pid(cluster, victim), signal.SIGKILL)
    said = finish(run)
    seconds = time.monotonic() - begun
    wanted = {name: undisturbed.manifests[name] for name in STAGES[: STAGES.index(stage) + 1]}
    assert manifests(work) == wanted
    again = re.search(r"\((\d+) attempts? in vain, ([\d,]+) \w+\)", said)
    print(
        f"{engine:<6}{victim:<12} killed in {stage:<10} after {done:>3} units; lost: nothing; "
        f"done twice: {f'{again[1]} units, {again[2]} documents' if again else 'nothing'}; {seconds:5.0f} s"
    )


def _stages_before(stage: str, source: Path, target: Path) -> None:
    """Link what an undisturbed run left of the stages before ``stage``."""
    target.mkdir()
    for name, directory in current(str(source)).items():
        if STAGES.index(name) < STAGES.index(stage):
            shutil.copytree(directory.url, target / directory.name, copy_function=os.link)


def _await_midst(run: subprocess.Popen[str], work: Path, stage: str) -> int:
    """Wait until units of a stage are done and others are not; how many are. The units of dedup end together."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        assert run.poll() is None, f"{stage} was over before it could be disturbed: {run.communicate()[1]}"
        if stage == "dedup" and any(work.glob("dedup-*/parcels/*")):
            time.sleep(_INTO_DEDUP_SECONDS)
            return 0
        if receipts := len(list(work.glob(f"{stage}-*/receipts/*.json"))):
            return receipts
        time.sleep(0.1)
    raise AssertionError(f"{stage} did not begin")


def _pid(cluster: Cluster, role: str) -> int:
    (process,) = [one for one in json.loads(cluster.command("status"))["processes"] if one["role"] == role]
    return int(process["pid"])


def _await_slots(cluster: Cluster) -> None:
    """Wait until the cluster has recovered from the kill before: every process up for a while."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        if all(one["pid"] for one in json.loads(cluster.command("status"))["processes"]):
            time.sleep(5)  # until workers have registered with their masters
            return
        time.sleep(0.5)
    raise AssertionError(f"{cluster.engine} does not come back")

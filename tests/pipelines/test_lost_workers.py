"""What the mill does when an engine loses workers: again over what is pending, and told in the closing line."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from gristmill.pipelines.reports import tables
from gristmill.pipelines.run import CompletedStage, run
from gristmill.runners.embedded_stage_runner import EmbeddedStageRunner
from gristmill.runners.stage_runner import Build, StageRunner, WorkersLostError
from tests.pipelines.conftest import CompletedRun, run_recipe


class Losing(StageRunner):
    """The embedded runner, but it loses the first ``losses`` jobs: after their work, or before any of it."""

    tries = 2

    def __init__(self, losses: int, after: bool) -> None:
        self.losses, self.after = losses, after
        self.units: list[int] = []

    def run(self, name: str, build: Build, units: int) -> None:
        self.units.append(units)
        lost = len(self.units) <= self.losses
        if self.after or not lost:
            EmbeddedStageRunner(1).run(name, build, units)
        if lost:
            raise WorkersLostError("the cluster lost a worker")


def mill_on(engine: StageRunner, completed_run: CompletedRun, work: Path) -> list[CompletedStage]:
    done: list[CompletedStage] = []
    run(completed_run.recipe, str(work), engine, "extract", lambda step: nullcontext(), done.append)
    return done


@pytest.mark.parametrize(("losses", "after", "jobs"), [(0, False, 1), (1, False, 2), (1, True, 1)])
def test_a_lost_job_is_submitted_again_over_what_is_pending(
    completed_run: CompletedRun, tmp_path: Path, losses: int, after: bool, jobs: int
) -> None:
    engine = Losing(losses, after)
    (done,) = mill_on(engine, completed_run, tmp_path)
    assert done.manifest == completed_run.done["extract"].manifest
    assert engine.units == [len(done.step.tasks)] * jobs


def test_jobs_that_are_lost_without_progress_end_the_run(completed_run: CompletedRun, tmp_path: Path) -> None:
    engine = Losing(2, False)
    with pytest.raises(WorkersLostError, match="lost a worker"):
        mill_on(engine, completed_run, tmp_path)
    assert len(engine.units) == 2


def test_what_was_in_vain_is_told(completed_run: CompletedRun, tmp_path: Path) -> None:
    (done,) = mill_on(EmbeddedStageRunner(1), completed_run, tmp_path)
    assert "in vain" not in tables.stage_line(done)
    directory = done.step.directory
    again = tmp_path / "again"
    unit = done.step.tasks[0].unit
    with directory._replace(work=str(again)).attempt(unit) as attempt:
        attempt.progress(0)  # and then the worker was killed
    (done,) = mill_on(EmbeddedStageRunner(1), completed_run, again)
    assert done.vain == (1, 0)
    assert "(1 attempt in vain, 0 records)" in tables.stage_line(done)


@pytest.mark.slow
def test_two_launchers_at_once_leave_one_result(completed_run: CompletedRun, sample: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gristmill.pipelines.cli.main", "run", str(sample / "recipe.yaml")]
    options: list[Any] = ["--work", tmp_path, "--workers", "1", "--until", "dedup"]
    both = [subprocess.Popen([*command, *map(str, options)], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [run.communicate()[1] for run in both]
    assert 0 in {run.returncode for run in both}, said
    found = run_recipe(completed_run.recipe, tmp_path, until="dedup")
    assert not any(found.worked_on().values())
    assert {stage: done.manifest for stage, done in found.done.items()} == {
        stage: done.manifest for stage, done in completed_run.done.items() if stage in found.done
    }

"""Runners that lose workers: the pending units are submitted again, and wasted attempts are reported."""

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
from tests.pipelines.small_recipes import lines, prose, recipe, source


class LossyRunner(StageRunner):
    """The embedded runner, which loses the first ``losses`` jobs, before or ``after`` their work."""

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


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> CompletedRun:
    """A few documents in two files."""
    folder = tmp_path_factory.mktemp("extracted")
    web = source(folder, "web", "jsonl", {f"{n}.jsonl": lines(prose(n), prose(n + 2)) for n in range(2)})
    return run_recipe(recipe(web), folder / "work", until="extract")


def run_extract(runner: StageRunner, extracted: CompletedRun, work: Path) -> list[CompletedStage]:
    done: list[CompletedStage] = []
    run(extracted.recipe, str(work), runner, "extract", lambda step: nullcontext(), done.append)
    return done


@pytest.mark.parametrize(("losses", "after", "jobs"), [(0, False, 1), (1, False, 2), (1, True, 1)])
def test_a_lost_job_is_submitted_again_for_pending_units(
    extracted: CompletedRun, tmp_path: Path, losses: int, after: bool, jobs: int
) -> None:
    runner = LossyRunner(losses, after)
    (done,) = run_extract(runner, extracted, tmp_path)
    assert done.manifest == extracted.done["extract"].manifest
    assert runner.units == [2] * jobs


def test_losses_without_progress_end_the_run(extracted: CompletedRun, tmp_path: Path) -> None:
    runner = LossyRunner(2, False)
    with pytest.raises(WorkersLostError, match="lost a worker"):
        run_extract(runner, extracted, tmp_path)
    assert len(runner.units) == 2


def test_wasted_attempts_are_reported(extracted: CompletedRun, tmp_path: Path) -> None:
    (done,) = run_extract(EmbeddedStageRunner(1), extracted, tmp_path)
    assert "wasted" not in tables.stage_line(done)
    directory = done.step.directory
    again = tmp_path / "again"
    unit = done.step.tasks[0].unit
    with directory._replace(work=str(again)).attempt(unit) as attempt:
        attempt.progress(0)  # and then the worker is killed
    (done,) = run_extract(EmbeddedStageRunner(1), extracted, again)
    assert done.wasted == (1, 0)
    assert "(1 attempt wasted, 0 records)" in tables.stage_line(done)


@pytest.mark.slow
def test_two_concurrent_launchers_give_one_result(completed_run: CompletedRun, sample: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gristmill.pipelines.cli.main", "run", str(sample / "recipe.yaml")]
    options: list[Any] = ["--work", tmp_path, "--workers", "1", "--until", "dedup"]
    both = [subprocess.Popen([*command, *map(str, options)], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [run.communicate()[1] for run in both]
    assert 0 in {run.returncode for run in both}, errors
    found = run_recipe(completed_run.recipe, tmp_path, until="dedup")
    assert not any(found.units_processed().values())
    assert {stage: done.manifest for stage, done in found.done.items()} == {
        stage: done.manifest for stage, done in completed_run.done.items() if stage in found.done
    }

"""The bundled sample, packed and processed once per session, for tests of the whole pipeline."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gristmill.pipelines.recipe import Recipe, load_recipe
from gristmill.pipelines.reports.document_history import Selection, inspect_documents
from gristmill.pipelines.run import CompletedStage, Step, run
from gristmill.pipelines.sample.build import build
from gristmill.pipelines.work_directory import current
from gristmill.runners.embedded_stage_runner import EmbeddedStageRunner
from tests import cached_beam

cached_beam.cache_stateless_classes()
cached_beam.cache_options()


class CompletedRun(NamedTuple):
    """A completed run: its recipe, its work directory, its ledger and its completed stages by name."""

    recipe: Recipe
    work: str
    ledger: dict[str, Any]
    done: dict[str, CompletedStage]

    def manifests(self) -> dict[str, str]:
        """The SHA-256 of every manifest, by stage."""
        return {stage: sha256(Path(d.manifest_url).read_bytes()).hexdigest() for stage, d in current(self.work).items()}

    def units_processed(self) -> dict[str, int]:
        """The number of units that each stage processed in this run."""
        return {stage: len(done.step.pending) for stage, done in self.done.items()}


def run_recipe(recipe: Recipe, work: Path | str, workers: int = 1, until: str | None = "mix") -> CompletedRun:
    """Run a recipe without progress bars."""
    done: dict[str, CompletedStage] = {}

    def on_complete(completed: CompletedStage) -> None:
        done[completed.step.stage.name] = completed

    def show_nothing(step: Step) -> Any:
        return nullcontext()

    with EmbeddedStageRunner(workers) as runner:
        ledger = run(recipe, str(work), runner, until, show_nothing, on_complete)
    return CompletedRun(recipe, str(work), ledger, done)


def copy_stages(completed: CompletedRun, work: Path, *without: str) -> Path:
    """Copy a completed run's work directory to ``work``, without some stages: the start of a run that differs in those.

    What was run is not copied if it is named, so that it is processed again.
    """
    shutil.copytree(completed.work, work, ignore=shutil.ignore_patterns(*(f"{stage}-*" for stage in without)))
    return work


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packed sample."""
    target = tmp_path_factory.mktemp("sample")
    build(target)
    return target


@pytest.fixture(scope="session")
def completed_run(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> CompletedRun:
    """The sample, processed up to the shards in this process."""
    return run_recipe(load_recipe(str(sample / "recipe.yaml")), tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="session")
def documents(completed_run: CompletedRun) -> list[dict[str, Any]]:
    """Every record of the processed sample, with every decision about it."""
    return list(inspect_documents(completed_run.work, Selection(None, None, None), 10**6))

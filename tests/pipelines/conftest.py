"""The bundled sample, packed once and milled once; tests of the whole mill look at what came of it."""

from __future__ import annotations

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


class CompletedRun(NamedTuple):
    """A finished run: its recipe, its work directory, its ledger and what each stage did."""

    recipe: Recipe
    work: str
    ledger: dict[str, Any]
    done: dict[str, CompletedStage]

    def manifests(self) -> dict[str, str]:
        """sha256 of every manifest."""
        return {stage: sha256(Path(d.manifest_url).read_bytes()).hexdigest() for stage, d in current(self.work).items()}

    def worked_on(self) -> dict[str, int]:
        """Units that each stage worked on in this run."""
        return {stage: len(done.step.pending) for stage, done in self.done.items()}


def run_recipe(recipe: Recipe, work: Path | str, workers: int = 1, until: str | None = "mix") -> CompletedRun:
    """Run a recipe without drawing anything."""
    done: dict[str, CompletedStage] = {}

    def finished(one: CompletedStage) -> None:
        done[one.step.stage.name] = one

    def unwatched(step: Step) -> Any:
        return nullcontext()

    with EmbeddedStageRunner(workers) as engine:
        ledger = run(recipe, str(work), engine, until, unwatched, finished)
    return CompletedRun(recipe, str(work), ledger, done)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packed sample."""
    target = tmp_path_factory.mktemp("sample")
    build(target)
    return target


@pytest.fixture(scope="session")
def completed_run(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> CompletedRun:
    """The sample milled up to the shards, in this process."""
    return run_recipe(load_recipe(str(sample / "recipe.yaml")), tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="session")
def documents(completed_run: CompletedRun) -> list[dict[str, Any]]:
    """Every record of the milled sample, with every decision about it."""
    return list(inspect_documents(completed_run.work, Selection(None, None, None), 10**6))

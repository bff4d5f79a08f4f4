"""The mill: stages in order, what stands skipped, books checked, the ledger kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import apache_beam as beam

from gristmill.errors import InputError, RunError
from gristmill.pipelines.recipe import Recipe, dump_recipe
from gristmill.pipelines.reports.progress import read_heartbeat
from gristmill.pipelines.stage import BeamStage, Launch, RunContext, Stage
from gristmill.pipelines.stages import STAGES, stages_of
from gristmill.runners.runner import StageRunner, WorkersLostError
from gristmill.store import storage
from gristmill.store.keys import pretty
from gristmill.store.ledger import Line, ledger
from gristmill.store.stage_directory import PROGRESS, Manifest, StageDirectory
from gristmill.transforms.core.side_files import FOLDER as SIDE_FILES
from gristmill.transforms.core.side_files import stage_side_files
from gristmill.transforms.core.units import DistributeTasks, Round, Task


class Step(NamedTuple):
    """A stage as it stands in a work directory before it is run."""

    stage: Stage
    directory: StageDirectory
    tasks: list[Task]
    pending: list[Task]


class WastedAttempts(NamedTuple):
    """Attempts that were killed, failed or came second, and the documents in them: what was done again."""

    attempts: int
    documents: int


class Done(NamedTuple):
    """A stage that is done: its units, those of them that were worked on now, the seconds, and what was in vain."""

    step: Step
    manifest: Manifest
    seconds: float
    wasted: WastedAttempts


Watch = Callable[[Step], Any]
"""A context in which a stage is run: draws its progress."""


def stages_until(last: str | None, stages: tuple[Stage, ...] = STAGES) -> list[Stage]:
    """The ``stages`` up to and with ``last``; raises InputError for a name that is none."""
    names = [stage.name for stage in stages]
    if last is None:
        return list(stages)
    if last not in names:
        raise InputError(f"no stage {last!r}; the stages are {', '.join(names)}")
    return list(stages[: names.index(last) + 1])


def run(
    recipe: Recipe, work: str, runner: StageRunner, until: str | None, watch: Watch, done: Callable[[Done], None]
) -> dict[str, Any]:
    """Mill ``recipe`` into ``work`` and return the ledger.

    Raises InputError for what the user must mend, RunError where a stage fails or the books do not balance, and
    UnderWay, which is no fault, where a job goes on elsewhere; whatever was done until then stands, and the same call
    goes on from there.
    """
    context = RunContext(recipe, work)
    stages = stages_until(until, stages_of(recipe))
    for stage in stages:
        stage.directory(context)  # finds what is missing of lists, models and test sets before hours of work, not after
        stage.check(context)
    storage.replace(storage.join(work, "recipe.yaml"), dump_recipe(recipe).encode())
    lines: list[Line] = []
    for stage in stages:
        begun = time.monotonic()
        step = prepare(stage, context)
        if step.pending:
            with watch(step):
                _work(step, context, runner)
        wasted = _wasted_attempts(step.directory)
        manifest = settle(step, context)
        lines.append(Line(stage.name, manifest.counts, stage.counted, stage.takes_from))
        balance = ledger(lines)
        storage.replace(storage.join(work, "ledger.json"), pretty(balance))
        storage.replace(storage.join(work, "latest.json"), pretty({n: d.name for n, d in context.directories.items()}))
        if not balance["balanced"]:
            raise RunError(f"the books do not balance: {'; '.join(balance['imbalances'])}")
        done(Done(step, manifest, time.monotonic() - begun, wasted))
    return balance


def prepare(stage: Stage, context: RunContext) -> Step:
    """What a stage has to do; needs the manifests of the stages before it."""
    directory = stage.directory(context)
    context.directories[stage.name] = directory
    tasks = sorted(stage.tasks(context, directory), key=lambda task: (-task.weight, task.unit))
    completed = directory.completed_units()
    pending = [task for task in tasks if task.unit not in completed]
    return Step(stage, directory, tasks, tasks if stage.requires_all_units and pending else pending)


def _work(step: Step, context: RunContext, runner: StageRunner) -> None:
    match step.stage:
        case Launch() as stage:
            stage.launch(step.pending, context, step.directory)
        case BeamStage() as stage:
            _run(stage, step, context, runner)


def _run(stage: BeamStage, step: Step, context: RunContext, runner: StageRunner) -> None:
    """Run a stage's pipeline, after the rounds that it asks for."""
    for first in stage.prerequisite_rounds(step.pending, context, step.directory):
        left = partial(_left_of, first)
        step.directory.heartbeat(step.pending[0].unit, 0, f"round: {first.directory.stage}")
        _complete(runner, f"{stage.name}-{first.directory.name}", left(), left, partial(_round_graph, first))
        first.directory.write_manifest((task.unit for task in first.tasks), lambda _: {})
        step.directory.heartbeat(step.pending[0].unit, 0)

    def build(pending: list[Task], pipeline: beam.Pipeline) -> Any:
        return graph(stage, step._replace(pending=pending), context, pipeline)

    _complete(runner, stage.name, step.pending, lambda: prepare(stage, context).pending, build)


def _complete(
    runner: StageRunner,
    name: str,
    pending: list[Task],
    left: Callable[[], list[Task]],
    build: Callable[[list[Task], beam.Pipeline], Any],
) -> None:
    """Run a pipeline over ``pending``, and again over what is still ``left`` where workers are lost under it.

    ``runner.tries`` bounds how often that may happen in a row without a unit being done.
    """
    tries = runner.tries
    while pending:
        try:
            runner.run(name, partial(build, pending), len(pending))
            return
        except WorkersLostError:
            before, pending = len(pending), left()
            tries = runner.tries if len(pending) < before else tries - 1
            if not tries:
                raise


def _left_of(first: Round) -> list[Task]:
    completed = first.directory.completed_units()
    return [task for task in first.tasks if task.unit not in completed]


def _round_graph(first: Round, pending: list[Task], pipeline: beam.Pipeline) -> Any:
    tasks = pipeline | DistributeTasks(first.directory, stage_side_files(first.directory, pending))
    return tasks | f"round of {first.directory.stage}" >> beam.Map(first.work)


def graph(stage: BeamStage, step: Step, context: RunContext, pipeline: beam.Pipeline) -> Any:
    """A stage's pipeline over its pending units."""
    side_files = stage_side_files(step.directory, step.pending)
    tasks = pipeline | f"units of {stage.name}" >> DistributeTasks(step.directory, side_files, stage.requires_all_units)
    return stage.build(tasks, step.pending, context, step.directory)


def settle(step: Step, context: RunContext) -> Manifest:
    """Sum a stage's receipts into its manifest, and sweep what was only for its workers. Raises RunError."""
    manifest = step.directory.write_manifest((task.unit for task in step.tasks), partial(step.stage.summary, context))
    context.manifests[step.stage.name] = manifest
    step.stage.finalize(step.directory, manifest)
    for folder in (PROGRESS, SIDE_FILES):
        leftovers = storage.join(step.directory.url, folder)
        storage.remove(storage.join(leftovers, name) for name in storage.listing(leftovers))
    return manifest


def _wasted_attempts(directory: StageDirectory) -> WastedAttempts:
    beats = [read_heartbeat(url) for url in directory.wasted_attempts()]
    return WastedAttempts(len(beats), sum(beat["documents"] for beat in beats))

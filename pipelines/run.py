"""Run a recipe: the stages in order, complete units skipped, record counts checked, the ledger written."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, NamedTuple

import apache_beam as beam

from gristmill.errors import InputError, RunError
from gristmill.pipelines.key_record import restart_reason, write_key_record
from gristmill.pipelines.recipe import Recipe, dump_recipe
from gristmill.pipelines.stage import BeamStage, JobPending, LaunchStage, RunContext, Stage
from gristmill.pipelines.stages import stages_of
from gristmill.runners.stage_runner import StageRunner, WorkersLostError
from gristmill.store import storage
from gristmill.store.group_counts import group_amounts
from gristmill.store.heartbeats import PROGRESS, read_heartbeat
from gristmill.store.keys import pretty_json
from gristmill.store.ledger import LedgerLine, build_ledger
from gristmill.store.receipts import Manifest
from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.core_beam import DistributeTasks
from gristmill.transforms.core.side_files import FOLDER as SIDE_FILES
from gristmill.transforms.core.side_files import stage_side_files
from gristmill.transforms.core.tasks import Round, Task


class Step(NamedTuple):
    """A stage before it runs: all of its units, and those that have no receipt yet.

    ``notices`` are sentences for the user: why no unit can be resumed, if so, and what the stage's checks noticed.
    """

    stage: Stage
    directory: StageDirectory
    tasks: list[Task]
    pending: list[Task]
    notices: tuple[str, ...] = ()


class WastedAttempts(NamedTuple):
    """Attempts that were killed, failed or finished second, and the documents in them, which were processed twice."""

    attempts: int
    documents: int


class CompletedStage(NamedTuple):
    """A completed stage: its units, the seconds that it took now, and what was wasted."""

    step: Step
    manifest: Manifest
    seconds: float
    wasted: WastedAttempts


ShowProgress = Callable[[Step], AbstractContextManager[Any]]
"""Shows the notices of a stage, and returns a context manager that shows its progress while it runs."""


def stages_until(last: str | None, stages: Iterable[Stage]) -> list[Stage]:
    """The ``stages`` up to and including ``last``; all of them for None. Raises InputError for an unknown name."""
    stages = list(stages)
    names = [stage.name for stage in stages]
    if last is None:
        return stages
    if last not in names:
        raise InputError(f"no stage {last!r}; the stages of this recipe are {', '.join(names)}")
    return stages[: names.index(last) + 1]


def run(
    recipe: Recipe,
    work: str,
    runner: StageRunner,
    until: str | None,
    show_progress: ShowProgress,
    on_complete: Callable[[CompletedStage], None],
) -> dict[str, Any]:
    """Run ``recipe`` in the work directory ``work`` and return the ledger.

    Raises InputError for what the user must fix, RunError if a stage fails or its counts do not balance, and
    JobPending, which is not an error, if a job continues elsewhere. The same call resumes from completed work.
    """
    context = RunContext(recipe, work)
    stages = stages_until(until, stages_of(recipe))
    for stage in stages:
        stage.directory(context)  # reads the lists, models and test sets that the recipe names: missing ones fail here
        stage.check(context)
    storage.replace(storage.join(work, "recipe.yaml"), dump_recipe(recipe).encode(), mode=0o600)
    lines: list[LedgerLine] = []
    for stage in stages:
        start = time.monotonic()
        step = prepare(stage, context)
        if step.pending:
            step = step._replace(notices=(*step.notices, *stage.check_pending(step.pending)))
        write_key_record(step.directory, stage.key_record(recipe))
        if step.pending:
            with show_progress(step), _side_files(step.directory):
                _process(step, context, runner)
        wasted = _wasted_attempts(step.directory)
        manifest = complete(step, context)
        groups = group_amounts(manifest.receipts)
        lines.append(LedgerLine(stage.name, manifest.counts, stage.counted, stage.takes_from, groups))
        balance = build_ledger(lines)
        storage.replace(storage.join(work, "ledger.json"), pretty_json(balance))
        storage.replace(
            storage.join(work, "latest.json"), pretty_json({n: d.name for n, d in context.directories.items()})
        )
        if not balance["balanced"]:
            raise RunError(f"the record counts do not balance: {'; '.join(balance['imbalances'])}")
        on_complete(CompletedStage(step, manifest, time.monotonic() - start, wasted))
        stage.check_counts(manifest, context)
    return balance


def prepare(stage: Stage, context: RunContext) -> Step:
    """List the units of a stage and those still pending; needs the manifests of the stages before it."""
    directory = stage.directory(context)
    context.directories[stage.name] = directory
    tasks = sorted(stage.tasks(context, directory), key=lambda task: (-task.weight, task.unit))
    pending = _incomplete(directory, tasks)
    reason = restart_reason(directory, stage.key_record(context.recipe), stage.versions) if pending else None
    notices = () if reason is None else (reason,)
    return Step(stage, directory, tasks, tasks if stage.requires_all_units and pending else pending, notices)


def complete(step: Step, context: RunContext) -> Manifest:
    """Write a stage's manifest from its receipts, and delete what only its workers needed. Raises RunError."""
    manifest = step.directory.write_manifest((task.unit for task in step.tasks), partial(step.stage.summary, context))
    context.manifests[step.stage.name] = manifest
    step.stage.finalize(step.directory, manifest)
    for folder in (PROGRESS, SIDE_FILES):
        _empty(step.directory, folder)
    return manifest


@contextmanager
def _side_files(directory: StageDirectory) -> Iterator[None]:
    """Delete the side files of a stage that fails: they hold URLs, and the next run writes its own.

    A job that continues elsewhere still needs them.
    """
    try:
        yield
    except JobPending:
        raise
    except Exception:
        _empty(directory, SIDE_FILES)
        raise


def _empty(directory: StageDirectory, folder: str) -> None:
    url = storage.join(directory.url, folder)
    storage.remove(storage.join(url, name) for name in storage.listing(url))


def pipeline_of(stage: BeamStage, step: Step, context: RunContext, pipeline: beam.Pipeline) -> Any:
    """Apply a stage to its pending units."""
    side_files = stage_side_files(step.directory, step.pending)
    tasks = pipeline | f"units of {stage.name}" >> DistributeTasks(step.directory, side_files, stage.requires_all_units)
    return stage.build(tasks, step.pending, context, step.directory)


def _process(step: Step, context: RunContext, runner: StageRunner) -> None:
    match step.stage:
        case LaunchStage() as stage:
            stage.launch(step.pending, context, step.directory)
        case BeamStage() as stage:
            _run_pipelines(stage, step, context, runner)


def _run_pipelines(stage: BeamStage, step: Step, context: RunContext, runner: StageRunner) -> None:
    """Run the rounds that the stage requires, then its own pipeline."""
    shown_unit = step.pending[0].unit
    for first in stage.prerequisite_rounds(step.pending, context, step.directory):
        list_pending = partial(_incomplete, first.directory, first.tasks)
        step.directory.heartbeats.write(shown_unit, 0, f"round: {first.directory.stage}")
        _run_until_complete(
            runner,
            f"{stage.name}-{first.directory.name}",
            list_pending(),
            list_pending,
            partial(_round_pipeline, first),
        )
        first.directory.write_manifest((task.unit for task in first.tasks), lambda _: {})
        step.directory.heartbeats.write(shown_unit, 0)

    def build(pending: list[Task], pipeline: beam.Pipeline) -> Any:
        return pipeline_of(stage, step._replace(pending=pending), context, pipeline)

    _run_until_complete(runner, stage.name, step.pending, lambda: prepare(stage, context).pending, build)


def _run_until_complete(
    runner: StageRunner,
    name: str,
    pending: list[Task],
    list_pending: Callable[[], list[Task]],
    build: Callable[[list[Task], beam.Pipeline], Any],
) -> None:
    """Run a pipeline over ``pending``, and again over what is then still pending whenever workers are lost.

    Gives up after ``runner.tries`` losses in a row without a unit completed.
    """
    tries = runner.tries
    while pending:
        try:
            runner.run(name, partial(build, pending), len(pending))
            return
        except WorkersLostError:
            before, pending = len(pending), list_pending()
            tries = runner.tries if len(pending) < before else tries - 1
            if not tries:
                raise


def _round_pipeline(first: Round, pending: list[Task], pipeline: beam.Pipeline) -> Any:
    tasks = pipeline | DistributeTasks(first.directory, stage_side_files(first.directory, pending))
    return tasks | f"round of {first.directory.stage}" >> beam.Map(first.work)


def _incomplete(directory: StageDirectory, tasks: list[Task]) -> list[Task]:
    completed = directory.completed_units()
    return [task for task in tasks if task.unit not in completed]


def _wasted_attempts(directory: StageDirectory) -> WastedAttempts:
    heartbeats = [read_heartbeat(url) for url in directory.heartbeats.unfinished()]
    return WastedAttempts(len(heartbeats), sum(heartbeat["documents"] for heartbeat in heartbeats))

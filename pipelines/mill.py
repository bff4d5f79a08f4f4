"""The mill: stages in order, what stands skipped, books checked, the ledger kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import apache_beam as beam

from gristmill.corpus import storage
from gristmill.corpus.errors import InputError, RunError
from gristmill.corpus.keys import pretty
from gristmill.corpus.ledger import Line, ledger
from gristmill.corpus.stage import PROGRESS, Manifest, StageDirectory
from gristmill.pipelines.progress import read_beat
from gristmill.pipelines.recipe import Recipe, dump_recipe
from gristmill.pipelines.runners.engine import Engine, WorkersLostError
from gristmill.pipelines.stage import BeamStage, Launch, Mill, Stage
from gristmill.pipelines.stages import STAGES, stages_of
from gristmill.transforms.parcels import FOLDER as PARCELS
from gristmill.transforms.parcels import post_all
from gristmill.transforms.units import Round, SpreadTasks, Task


class Step(NamedTuple):
    """A stage as it stands in a work directory before it is run."""

    stage: Stage
    directory: StageDirectory
    tasks: list[Task]
    pending: list[Task]


class Vain(NamedTuple):
    """Attempts that were killed, failed or came second, and the documents in them: what was done again."""

    attempts: int
    documents: int


class Done(NamedTuple):
    """A stage that is done: its units, those of them that were worked on now, the seconds, and what was in vain."""

    step: Step
    manifest: Manifest
    seconds: float
    vain: Vain


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
    recipe: Recipe, work: str, engine: Engine, until: str | None, watch: Watch, done: Callable[[Done], None]
) -> dict[str, Any]:
    """Mill ``recipe`` into ``work`` and return the ledger.

    Raises InputError for what the user must mend, RunError where a stage fails or the books do not balance, and
    UnderWay, which is no fault, where a job goes on elsewhere; whatever was done until then stands, and the same call
    goes on from there.
    """
    mill = Mill(recipe, work)
    stages = stages_until(until, stages_of(recipe))
    for stage in stages:
        stage.directory(mill)  # finds what is missing of lists, models and test sets before hours of work, not after
        stage.check(mill)
    storage.replace(storage.join(work, "recipe.yaml"), dump_recipe(recipe).encode())
    lines: list[Line] = []
    for stage in stages:
        begun = time.monotonic()
        step = prepare(stage, mill)
        if step.pending:
            with watch(step):
                _work(step, mill, engine)
        vain = _in_vain(step.directory)
        manifest = settle(step, mill)
        lines.append(Line(stage.name, manifest.books, stage.counts, stage.takes_from))
        books = ledger(lines)
        storage.replace(storage.join(work, "ledger.json"), pretty(books))
        storage.replace(storage.join(work, "latest.json"), pretty({n: d.name for n, d in mill.directories.items()}))
        if not books["balanced"]:
            raise RunError(f"the books do not balance: {'; '.join(books['imbalances'])}")
        done(Done(step, manifest, time.monotonic() - begun, vain))
    return books


def prepare(stage: Stage, mill: Mill) -> Step:
    """What a stage has to do; needs the manifests of the stages before it."""
    directory = stage.directory(mill)
    mill.directories[stage.name] = directory
    tasks = sorted(stage.tasks(mill, directory), key=lambda task: (-task.weight, task.unit))
    standing = directory.standing()
    pending = [task for task in tasks if task.unit not in standing]
    return Step(stage, directory, tasks, tasks if stage.whole and pending else pending)


def _work(step: Step, mill: Mill, engine: Engine) -> None:
    match step.stage:
        case Launch() as stage:
            stage.launch(step.pending, mill, step.directory)
        case BeamStage() as stage:
            _run(stage, step, mill, engine)


def _run(stage: BeamStage, step: Step, mill: Mill, engine: Engine) -> None:
    """Run a stage's pipeline, after the rounds that it asks for."""
    for first in stage.before(step.pending, mill, step.directory):
        left = partial(_left_of, first)
        step.directory.beat(step.pending[0].unit, 0, f"round: {first.directory.stage}")
        _complete(engine, f"{stage.name}-{first.directory.name}", left(), left, partial(_round_graph, first))
        first.directory.write_manifest((task.unit for task in first.tasks), lambda _: {})
        step.directory.beat(step.pending[0].unit, 0)

    def build(pending: list[Task], pipeline: beam.Pipeline) -> Any:
        return graph(stage, step._replace(pending=pending), mill, pipeline)

    _complete(engine, stage.name, step.pending, lambda: prepare(stage, mill).pending, build)


def _complete(
    engine: Engine,
    name: str,
    pending: list[Task],
    left: Callable[[], list[Task]],
    build: Callable[[list[Task], beam.Pipeline], Any],
) -> None:
    """Run a pipeline over ``pending``, and again over what is still ``left`` where workers are lost under it.

    ``engine.tries`` bounds how often that may happen in a row without a unit being done.
    """
    tries = engine.tries
    while pending:
        try:
            engine.run(name, partial(build, pending), len(pending))
            return
        except WorkersLostError:
            before, pending = len(pending), left()
            tries = engine.tries if len(pending) < before else tries - 1
            if not tries:
                raise


def _left_of(first: Round) -> list[Task]:
    standing = first.directory.standing()
    return [task for task in first.tasks if task.unit not in standing]


def _round_graph(first: Round, pending: list[Task], pipeline: beam.Pipeline) -> Any:
    tasks = pipeline | SpreadTasks(first.directory, post_all(first.directory, pending))
    return tasks | f"round of {first.directory.stage}" >> beam.Map(first.work)


def graph(stage: BeamStage, step: Step, mill: Mill, pipeline: beam.Pipeline) -> Any:
    """A stage's pipeline over its pending units."""
    parcels = post_all(step.directory, step.pending)
    tasks = pipeline | f"units of {stage.name}" >> SpreadTasks(step.directory, parcels, stage.whole)
    return stage.build(tasks, step.pending, mill, step.directory)


def settle(step: Step, mill: Mill) -> Manifest:
    """Sum a stage's receipts into its manifest, and sweep what was only for its workers. Raises RunError."""
    manifest = step.directory.write_manifest((task.unit for task in step.tasks), partial(step.stage.facts, mill))
    mill.manifests[step.stage.name] = manifest
    step.stage.settled(step.directory, manifest)
    for folder in (PROGRESS, PARCELS):
        leftovers = storage.join(step.directory.url, folder)
        storage.remove(storage.join(leftovers, name) for name in storage.listing(leftovers))
    return manifest


def _in_vain(directory: StageDirectory) -> Vain:
    beats = [read_beat(url) for url in directory.in_vain()]
    return Vain(len(beats), sum(beat["documents"] for beat in beats))

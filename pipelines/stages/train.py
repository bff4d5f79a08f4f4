"""``train``: a model trained on the shards, by torchrun on this host or by a submitted job."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

from rich.table import Table

from gristmill.corpus.recipe_section import key_config
from gristmill.mixing.mixed_shards import MixedShards
from gristmill.pipelines.recipe import Recipe, load_recipe, parse_section
from gristmill.pipelines.reports.tables import training_table
from gristmill.pipelines.stage import JobPending, LaunchStage, RunContext
from gristmill.store import storage
from gristmill.store.counts import RecordCounts
from gristmill.store.keys import key_of
from gristmill.store.receipts import Manifest, Receipt
from gristmill.store.stage_directory import StageDirectory
from gristmill.training.launch.follow_job import follow_job, require_not_failed
from gristmill.training.launch.launch_section import LocalLaunch
from gristmill.training.launch.local_launch import train_locally
from gristmill.training.launch.run_result import read_result
from gristmill.training.launch.submission_record import read_submission
from gristmill.training.launch.submit_job import check_launch, submit_job
from gristmill.training.train_section import TrainSection
from gristmill.transforms.core.tasks import Task

Watch = Callable[[dict[str, Any]], None]


class TrainWork(NamedTuple):
    """The shards to train on, and the folder for checkpoints, metrics and the model."""

    shards: str
    out: str
    sequences: int


class Train(LaunchStage):
    """A single unit: a training run over the mix. ``in`` counts its sequences, ``kept`` those trained on."""

    name = "train"
    versions: ClassVar = {1: "LLaMA-shaped decoder, FSDP2"}
    counted = "sequences"
    counted_per_weight = 1.0
    keeps_unlisted_files = True
    takes_from = "mix"
    libraries = ("torch",)

    def key_config(self, recipe: Recipe) -> Any:
        return key_config(recipe.train)

    def check(self, context: RunContext) -> None:
        if not self.directory(context).completed_units():
            check_launch(context.recipe.train.launch, context.work)

    def tasks(self, context: RunContext, directory: StageDirectory) -> list[Task]:
        mix = context.directories["mix"]
        digest = storage.content_hash(mix.manifest_url)
        unit = key_of(directory.key, digest)
        sequences = context.manifest("mix").counts.kept
        out = storage.join(directory.url, "runs", unit)
        return [Task(unit, {"source": None, "sha256": {"mix": digest}}, sequences, TrainWork(mix.url, out, sequences))]

    def launch(self, pending: list[Task], context: RunContext, directory: StageDirectory) -> None:
        section = context.recipe.train
        for task in pending:
            work: TrainWork = task.work

            def watch(row: Mapping[str, Any], unit: str = task.unit) -> None:
                directory.heartbeats.write(unit, (row["step"] + 1) * section.batch_sequences, f"loss {row['loss']:.3f}")

            result = trained(section, work, task.unit, watch)
            sequences = result["sequences"]
            left = {"not_reached": work.sequences - sequences} if work.sequences > sequences else {}
            with directory.attempt(task.unit) as attempt:
                metrics = storage.read_bytes(storage.join(work.out, "metrics.jsonl"))
                attempt.payload("metrics", ".jsonl").write(metrics, result["steps"])
                counts = RecordCounts(work.sequences, sequences, left, {}, work.sequences, work.sequences)
                attempt.commit(task.input, counts, {**result, "out": f"runs/{task.unit}"})

    def summary(self, context: RunContext, receipts: tuple[Receipt, ...]) -> Mapping[str, Any]:
        return receipts[0].summary

    def report(self, manifest: Manifest) -> Iterable[Table]:
        return [training_table(manifest)]


def trained(section: TrainSection, work: TrainWork, unit: str, watch: Watch) -> dict[str, Any]:
    """The result of the training run. Raises JobPending if it was submitted as a job that has not finished."""
    if result := read_result(work.out):
        return result
    launch, record = section.launch, read_submission(work.out)
    if record is None and isinstance(launch, LocalLaunch):
        return train_locally(section, work.shards, work.out, watch)
    if record is None:
        record = submit_job(section, work.shards, work.out, unit)
        result = read_result(work.out)  # the command may have waited for the training
    else:
        require_not_failed(launch, record, work.out)
    if not isinstance(launch, LocalLaunch) and launch.wait and record.job is not None:
        result = follow_job(launch, record, work.out, watch)
    if result is None:
        raise JobPending(record.sentence())
    return result


def train_on(shards: str, out: str, recipe: str | None, overrides: Iterable[str], watch: Watch) -> dict[str, Any]:
    """Train on the shards of any ``mix`` directory and return the trainer's result. Raises InputError or RunError."""
    section = load_recipe(recipe, overrides).train if recipe else parse_section(TrainSection, overrides)
    MixedShards.open(shards)  # reports damaged shards before processes start
    return train_locally(section, shards, out, watch)

"""``train``: a model trained on the shards, by torchrun on this host or by a submitted job."""

from __future__ import annotations

import posixpath
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
from gristmill.training.batch_plan import Progress, planned_steps, planned_tokens
from gristmill.training.launch.follow_job import follow_job, require_not_failed
from gristmill.training.launch.launch_section import LocalLaunch
from gristmill.training.launch.local_launch import train_locally
from gristmill.training.launch.run_result import read_result
from gristmill.training.launch.submission_record import read_submission
from gristmill.training.launch.submit_job import check_launch, submit_job
from gristmill.training.learning_rate import warmup_tokens
from gristmill.training.run_folder import TOKENIZER
from gristmill.training.train_section import TrainSection
from gristmill.transforms.core.tasks import Task

Watch = Callable[[dict[str, Any]], None]


class TrainWork(NamedTuple):
    """A run of ``steps`` steps on the shards of a mix of ``sequences`` sequences.

    ``out`` is the folder for checkpoints, metrics and the model; it is the same for any number of steps. ``job`` is the
    prefix of the URLs of the files about a submitted job.
    """

    shards: str
    out: str
    job: str
    sequences: int
    steps: int


class Train(LaunchStage):
    """A single unit: a training run over the mix. ``in`` counts its sequences, ``kept`` those trained on.

    The model and the mix identify a run; asking for more steps continues it, as another unit in the same folder.
    """

    name = "train"
    versions: ClassVar = {
        1: "LLaMA-shaped decoder, FSDP2",
        2: "initial weights by row, all tokens of a sequence in the model, runs that can be extended",
    }
    counted = "sequences"
    counted_per_weight = 1.0
    keeps_unlisted_files = True
    takes_from = "mix"
    libraries = ("torch",)

    def key_config(self, recipe: Recipe) -> Mapping[str, Any]:
        return {"train": key_config(recipe.train)}

    def check(self, context: RunContext) -> None:
        section, length = context.recipe.train, context.recipe.mix.sequence_length
        if section.steps is not None:
            warmup_tokens(section.schedule, planned_tokens(section, length, section.steps, Progress()))
        if not self.directory(context).completed_units():
            check_launch(context.recipe.train.launch, context.work)

    def tasks(self, context: RunContext, directory: StageDirectory) -> list[Task]:
        mix = context.directories["mix"]
        digest = storage.content_hash(mix.manifest_url)
        sequences = context.manifest("mix").counts.kept
        steps = planned_steps(context.recipe.train, sequences, context.recipe.mix.sequence_length)
        unit = key_of(directory.key, digest, steps)
        out, job = (storage.join(directory.url, "runs", name) for name in (key_of(directory.key, digest), unit))
        work = TrainWork(mix.url, out, job, sequences, steps)
        return [Task(unit, {"source": None, "sha256": {"mix": digest}}, sequences, work)]

    def launch(self, pending: list[Task], context: RunContext, directory: StageDirectory) -> None:
        section = context.recipe.train
        for task in pending:
            work: TrainWork = task.work

            def watch(row: Mapping[str, Any], unit: str = task.unit) -> None:
                directory.heartbeats.write(unit, row["sequences"], f"loss {row['loss']:.3f}")

            tokenizer = context.directories["tokenizer"].file_url(context.tokenizer.file("tokenizer"))
            storage.replace(storage.join(work.out, TOKENIZER), storage.read_bytes(tokenizer))
            result = trained(section, work, watch)
            with directory.attempt(task.unit) as attempt:
                for kind in ("metrics", "events"):
                    data = storage.read_bytes(storage.join(work.out, f"{kind}.jsonl"))
                    attempt.payload(kind, ".jsonl").write(data, data.count(b"\n"))
                attempt.commit(
                    task.input, _counts(work, result), {**result, "out": f"runs/{posixpath.basename(work.out)}"}
                )

    def summary(self, context: RunContext, receipts: tuple[Receipt, ...]) -> Mapping[str, Any]:
        return receipts[0].summary

    def report(self, manifest: Manifest) -> Iterable[Table]:
        return [training_table(manifest)]


def trained(section: TrainSection, work: TrainWork, watch: Watch) -> dict[str, Any]:
    """The result of the training run. Raises JobPending if it was submitted as a job that has not finished."""
    if result := read_result(work.out, work.steps):
        return result
    launch, record = section.launch, read_submission(work.job)
    if record is None and isinstance(launch, LocalLaunch):
        return train_locally(section, work.shards, work.out, work.steps, watch)
    if record is None:
        record = submit_job(section, work.shards, work.out, work.job)
        result = read_result(work.out, work.steps)  # the command may have waited for the training
    else:
        require_not_failed(launch, record, work.out, work.steps)
    if not isinstance(launch, LocalLaunch) and launch.wait and record.job is not None:
        result = follow_job(launch, record, work.out, work.steps, watch)
    if result is None:
        raise JobPending(record.sentence())
    return result


def _counts(work: TrainWork, result: Mapping[str, Any]) -> RecordCounts:
    """Each sequence was trained on, skipped with a bad step, or not reached."""
    kept, skipped = result["sequences"], result["skipped_sequences"]
    left = {"skipped": skipped, "not_reached": work.sequences - kept - skipped}
    dropped = {reason: count for reason, count in left.items() if count}
    return RecordCounts(work.sequences, kept, dropped, {}, work.sequences, work.sequences)


def train_on(
    shards: str, out: str, recipe: str | None, overrides: Iterable[str], env: Iterable[str], watch: Watch
) -> dict[str, Any]:
    """Train on the shards of any ``mix`` directory and return the trainer's result. Raises InputError or RunError."""
    section = load_recipe(recipe, overrides, env=env).train if recipe else parse_section(TrainSection, overrides)
    mix = MixedShards.open(shards)  # reports damaged shards before processes start
    steps = planned_steps(section, len(mix), mix.sequence_length)
    return train_locally(section, shards, out, steps, watch)

"""``train``: shards to a model, by torchrun on this host."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gristmill.corpus import storage
from gristmill.corpus.books import Books
from gristmill.corpus.errors import InputError
from gristmill.corpus.keys import key_of, section_slice
from gristmill.corpus.stage import Receipt, StageDirectory
from gristmill.mixing.reader import MixedShards
from gristmill.pipelines.recipe import Recipe, load_recipe, parse_section
from gristmill.pipelines.stage import Launch, Mill
from gristmill.training.launch import train
from gristmill.training.section import TrainSection
from gristmill.transforms.units import Task

Watch = Callable[[dict[str, Any]], None]


class TrainWork(NamedTuple):
    """The shards to train on, and the local folder of checkpoints, metrics and the model."""

    shards: str
    out: str
    sequences: int


class Train(Launch):
    """One unit: a run over the mix. ``in`` are its sequences, ``kept`` those that were trained on."""

    name = "train"
    version = 1
    counts = "sequences"
    takes_from = "mix"
    libraries = ("torch",)

    def slice(self, recipe: Recipe) -> Any:
        return section_slice(recipe.train)

    def tasks(self, mill: Mill, directory: StageDirectory) -> list[Task]:
        mix = mill.directories["mix"]
        digest = storage.content_hash(mix.manifest_url)
        unit = key_of(directory.key, digest)
        sequences = mill.manifest("mix").books.kept
        out = storage.join(directory.url, "runs", unit)
        return [Task(unit, {"source": None, "sha256": {"mix": digest}}, sequences, TrainWork(mix.url, out, sequences))]

    def launch(self, pending: list[Task], mill: Mill, directory: StageDirectory) -> None:
        section = mill.recipe.train
        for task in pending:
            work: TrainWork = task.work

            def watch(row: Mapping[str, Any], unit: str = task.unit) -> None:
                directory.beat(unit, (row["step"] + 1) * section.batch_sequences, f"loss {row['loss']:.3f}")

            result = train(section, work.shards, _local(work.out), watch)
            trained = result["sequences"]
            left = {"not_reached": work.sequences - trained} if work.sequences > trained else {}
            with directory.attempt(task.unit) as attempt:
                metrics = Path(_local(work.out), "metrics.jsonl").read_bytes()
                attempt.payload("metrics", ".jsonl").write(metrics, result["steps"])
                books = Books(work.sequences, trained, left, {}, work.sequences, work.sequences)
                attempt.commit(task.input, books, {**result, "out": f"runs/{task.unit}"})

    def facts(self, mill: Mill, receipts: tuple[Receipt, ...]) -> Mapping[str, Any]:
        return receipts[0].facts


def train_on(shards: str, out: str, recipe: str | None, overrides: Iterable[str], watch: Watch) -> dict[str, Any]:
    """Train on the shards of any ``mix`` directory; the trainer's result. Raises InputError, RunError."""
    section = load_recipe(recipe, overrides).train if recipe else parse_section(TrainSection, overrides)
    MixedShards.open(shards)  # says what is wrong with them before processes are started
    return train(section, shards, out, watch)


def _local(url: str) -> str:
    if not storage.is_local(url):
        raise InputError(
            f"checkpoints are written to local folders only, not to {url}: run with --until mix, then "
            "`gristmill train SHARDS --out DIR` on the machine that trains"
        )
    return str(storage.url_to_fs(url)[1])

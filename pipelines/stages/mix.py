"""``mix``: token files to shards in training order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, ClassVar, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa

from gristmill.corpus.recipe_section import key_config
from gristmill.corpus.record import UnitSummary
from gristmill.errors import RunError
from gristmill.mixing.build_shard import PIECE_SCHEMA, Shard, ShardCount, build_shard
from gristmill.mixing.mix_plan import Plan, SourceSize, make_plan
from gristmill.mixing.source_stream import SourceStream, join_units
from gristmill.mixing.token_balance import token_books
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, RunContext
from gristmill.store import storage
from gristmill.store.attempts import Attempt
from gristmill.store.counts import RecordCounts
from gristmill.store.keys import key_of
from gristmill.store.receipts import Receipt
from gristmill.store.stage_directory import StageDirectory
from gristmill.tokenization.token_file import read_bucket
from gristmill.transforms.core.core_beam import ReadUnits, WriteUnits
from gristmill.transforms.core.side_files import SideFile, stage_side_file
from gristmill.transforms.core.tasks import Task


class TokenUnit(NamedTuple):
    """A unit's token files."""

    payload: str
    documents: str


@dataclass(frozen=True)
class Ingredients:
    """What shards are made of: the plan, and each source's token files in the order of their numbers."""

    plan: Plan
    units: Mapping[str, tuple[TokenUnit, ...]]
    eos_id: int
    dtype: str


class Mix(BeamStage):
    """Shards of a fixed number of tokens, the sources interleaved by the plan; ``in`` and ``kept`` count sequences."""

    name = "mix"
    versions: ClassVar = {
        1: "shards in a global order by quota",
        2: "unit keys hash the plan and all tokens once",
    }
    counted = "sequences"
    counted_per_weight = 1.0

    def key_config(self, recipe: Recipe) -> Any:
        return key_config(recipe.mix)

    def tasks(self, context: RunContext, directory: StageDirectory) -> list[Task]:
        plan = _plan(context)
        tokens = key_of(sorted(entry.sha256 for entry in context.manifest("tokenize").files("tokens")))
        world = key_of(plan.model_dump(mode="json"), tokens)
        return [
            Task(
                f"shard-{number:05d}-{key_of(directory.key, world, number)}",
                {"source": None, "shard": number, "sha256": {"tokenize": tokens}},
                plan.shard_range(number)[1],
                number,
            )
            for number in range(plan.shards)
        ]

    def build(
        self, tasks: beam.PCollection, pending: list[Task], context: RunContext, directory: StageDirectory
    ) -> Any:
        made = stage_side_file(directory, _ingredients(context))
        return tasks | ReadUnits(partial(mix_shard, made)) | WriteUnits(directory, ShardFold)

    def summary(self, context: RunContext, receipts: tuple[Receipt, ...]) -> Mapping[str, Any]:
        """What the trainer needs to read the shards, the mixture asked and got, and each source's token equation."""
        made = _ingredients(context)
        plan = made.plan
        counts = [ShardCount(**count) for receipt in receipts for count in receipt.summary["counts"]]
        equations = token_books(plan, _streams(made), counts)
        for equation in equations:
            if not equation.balanced:
                raise RunError(f"the tokens of source {equation.source} do not add up: {equation}")
        got = {equation.source: equation.shard_tokens for equation in equations}
        return {
            "sequence_length": plan.sequence_length,
            "sequences": plan.sequences,
            "vocab_size": context.tokenizer.summary["vocab_size"],
            "eos_id": made.eos_id,
            "dtype": made.dtype,
            "mixture": [
                {
                    "source": source.source,
                    "tokens": source.tokens,
                    "asked": source.share,
                    "got": round(got[source.source] / plan.tokens, 6),
                    "epochs": plan.epochs(source),
                    "capped": source.capped,
                    "mixed_tokens": got[source.source],
                }
                for source in plan.sources
            ],
            "token_books": [{**equation._asdict(), "balanced": equation.balanced} for equation in equations],
        }


class ShardFold:
    """Writes the one item of a shard's unit."""

    def __init__(self, attempt: Attempt) -> None:
        self.payload = attempt.payload("shards", ".bin")
        self.pieces = attempt.table("shard_index", PIECE_SCHEMA, ".docs.parquet", beside="shards")
        self.first = 0
        self.counts: tuple[ShardCount, ...] = ()
        self.sequences = 0

    def add(self, item: tuple[int, Shard]) -> int:
        self.first, shard = item
        self.sequences = len(shard.tokens)
        self.counts = shard.counts
        self.payload.write(shard.tokens.tobytes(), shard.tokens.size)
        for start in range(0, shard.pieces.num_rows, _PIECES):
            self.pieces.write(shard.pieces.slice(start, _PIECES))
        return self.sequences

    def finish(self, end: UnitSummary) -> tuple[RecordCounts, Mapping[str, Any]]:
        summary = {
            "first_sequence": self.first,
            "sequences": self.sequences,
            "counts": [count._asdict() for count in self.counts],
        }
        return RecordCounts(end.records, self.sequences, {}, {}, end.covered, end.expected), summary


def mix_shard(ingredients: SideFile, number: int) -> Iterator[tuple[int, Shard] | UnitSummary]:
    """Shard ``number``, with its first sequence; then the plan's count of it."""
    made: Ingredients = ingredients.open()
    first, sequences = made.plan.shard_range(number)

    def read_tokens(source: str, unit: int, start: int, count: int) -> Any:
        with storage.open_input(made.units[source][unit].payload) as file:
            file.seek(start * dtype.itemsize)
            return np.frombuffer(file.read(count * dtype.itemsize), dtype)

    dtype = np.dtype(made.dtype).newbyteorder("<")
    shard = build_shard(made.plan, number, _streams(made), read_tokens, eos_id=made.eos_id, dtype=dtype)
    yield first, shard
    yield UnitSummary(sequences, int(shard.tokens.size), sequences * made.plan.sequence_length)


def _streams(made: Ingredients) -> dict[str, SourceStream]:
    return {
        source.source: SourceStream(source, made.plan.seed, partial(_bucket, made.units[source.source]))
        for source in made.plan.sources
    }


@lru_cache(maxsize=8)
def _bucket(units: tuple[TokenUnit, ...], bucket: int) -> pa.Table:
    def rows(unit: TokenUnit) -> pa.Table:
        with storage.open_input(unit.documents) as file:
            return read_bucket(file, bucket)

    return join_units(enumerate(storage.map_in_threads(rows, units)))


def _plan(context: RunContext) -> Plan:
    return make_plan({name: _size(receipts) for name, receipts in _by_source(context).items()}, context.recipe.mix)


def _ingredients(context: RunContext) -> Ingredients:
    directory = context.directories["tokenize"]
    units = {
        name: tuple(
            TokenUnit(directory.file_url(r.file("tokens")), directory.file_url(r.file("token_index"))) for r in receipts
        )
        for name, receipts in _by_source(context).items()
    }
    summary = context.tokenizer.summary
    return Ingredients(_plan(context), units, summary["eos_id"], summary["dtype"])


def _by_source(context: RunContext) -> dict[str, list[Receipt]]:
    found: dict[str, list[Receipt]] = defaultdict(list)
    for receipt in context.manifest("tokenize").receipts:
        found[receipt.input["source"]].append(receipt)
    return dict(sorted(found.items()))


def _size(receipts: list[Receipt]) -> SourceSize:
    def summed(fact: str) -> tuple[int, ...]:
        return tuple(int(n) for n in np.sum([receipt.summary[fact] for receipt in receipts], axis=0))

    return SourceSize(summed("bucket_documents"), summed("bucket_tokens"))


_PIECES = 1 << 16

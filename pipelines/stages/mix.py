"""``mix``: token files to shards in training order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gristmill import transforms
from gristmill.corpus.recipe_section import key_config
from gristmill.mixing.build_shard import ShardCount
from gristmill.mixing.mix_plan import MixPlan, SourceSize, make_mix_plan
from gristmill.mixing.write_shard import ShardInputs, ShardWriter, TokenUnit, mix_shard, mix_summary
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.reports.tables import mixture_table
from gristmill.pipelines.stage import BeamStage, RunContext
from gristmill.store.keys import key_of
from gristmill.store.receipts import Manifest, Receipt
from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.side_files import stage_side_file
from gristmill.transforms.core.tasks import Task

if TYPE_CHECKING:
    import apache_beam as beam
    from rich.table import Table


class Mix(BeamStage):
    """Shards of a fixed number of tokens, the sources interleaved by the plan; ``in`` and ``kept`` count sequences."""

    name = "mix"
    versions: ClassVar = {
        1: "shards in a global order by quota",
        2: "unit keys hash the plan and all tokens once",
    }
    counted = "sequences"
    counted_per_weight = 1.0

    def key_config(self, recipe: Recipe) -> Mapping[str, Any]:
        return {"mix": key_config(recipe.mix)}

    def tasks(self, context: RunContext, directory: StageDirectory) -> list[Task]:
        plan = _plan(context)
        tokens = key_of(sorted(entry.sha256 for entry in context.manifest("tokenize").files("tokens")))
        inputs_key = key_of(plan.model_dump(mode="json"), tokens)
        return [
            Task(
                f"shard-{number:05d}-{key_of(directory.key, inputs_key, number)}",
                {"source": None, "shard": number, "sha256": {"tokenize": tokens}},
                plan.shard_range(number)[1],
                number,
            )
            for number in range(plan.shards)
        ]

    def build(
        self, tasks: beam.PCollection, pending: list[Task], context: RunContext, directory: StageDirectory
    ) -> Any:
        inputs = stage_side_file(directory, _shard_inputs(context))
        return tasks | transforms.ReadUnits(partial(mix_shard, inputs)) | transforms.WriteUnits(directory, ShardWriter)

    def summary(self, context: RunContext, receipts: tuple[Receipt, ...]) -> Mapping[str, Any]:
        """Return what a reader of the shards needs, the mixture, and the token equation of each source."""
        counts = [ShardCount(**count) for receipt in receipts for count in receipt.summary["counts"]]
        return mix_summary(_shard_inputs(context), counts, context.tokenizer.summary["vocab_size"])

    def report(self, manifest: Manifest) -> Iterable[Table]:
        return [mixture_table(manifest)]


def _plan(context: RunContext) -> MixPlan:
    return make_mix_plan({name: _size(receipts) for name, receipts in _by_source(context).items()}, context.recipe.mix)


def _shard_inputs(context: RunContext) -> ShardInputs:
    directory = context.directories["tokenize"]
    units = {
        name: tuple(
            TokenUnit(directory.file_url(r.file("tokens")), directory.file_url(r.file("token_index"))) for r in receipts
        )
        for name, receipts in _by_source(context).items()
    }
    summary = context.tokenizer.summary
    return ShardInputs(_plan(context), units, summary["eos_id"], summary["dtype"])


def _by_source(context: RunContext) -> dict[str, list[Receipt]]:
    receipts: dict[str, list[Receipt]] = defaultdict(list)
    for receipt in context.manifest("tokenize").receipts:
        receipts[receipt.input["source"]].append(receipt)
    return dict(sorted(receipts.items()))


def _size(receipts: list[Receipt]) -> SourceSize:
    def total(name: str) -> tuple[int, ...]:
        return tuple(int(n) for n in np.sum([receipt.summary[name] for receipt in receipts], axis=0))

    return SourceSize(total("bucket_documents"), total("bucket_tokens"))

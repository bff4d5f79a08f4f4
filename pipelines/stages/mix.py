"""``mix``: token files to shards in training order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from gristmill import transforms
from gristmill.corpus.recipe_section import key_config
from gristmill.mixing.build_shard import ShardCount
from gristmill.mixing.group_index import GROUP_SIZES
from gristmill.mixing.mix_plan import GroupSize, MixPlan, SegmentPlan, make_mix_plan
from gristmill.mixing.write_shard import ShardInputs, ShardWriter, TokenUnit, mix_shard, mix_summary
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.reports.tables import mixture_table, segments_table
from gristmill.pipelines.stage import BeamStage, RunContext
from gristmill.store.keys import key_of
from gristmill.store.receipts import FileEntry, Manifest, Receipt
from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.side_files import stage_side_file
from gristmill.transforms.core.tasks import Task

if TYPE_CHECKING:
    import apache_beam as beam
    from rich.table import Table


class Mix(BeamStage):
    """Shards of a fixed number of tokens, the groups interleaved by the plan; ``in`` and ``kept`` count sequences."""

    name = "mix"
    versions: ClassVar = {
        1: "shards in a global order by quota",
        2: "unit keys hash the plan and all tokens once",
        3: "groups by columns; pieces name their group",
        4: "plans of segments; the key of a shard hashes the plan up to its end",
    }
    counted = "sequences"
    counted_per_weight = 1.0

    def key_config(self, recipe: Recipe) -> Mapping[str, Any]:
        return {"mix": key_config(recipe.mix)}

    def tasks(self, context: RunContext, directory: StageDirectory) -> list[Task]:
        plan = _plan(_by_group(context), context)
        tokens = key_of(sorted(entry.sha256 for entry in _token_files(context)))

        @cache  # the plan of many groups is hashed once per segment, not once per shard
        def part_key(segments: tuple[SegmentPlan, ...]) -> str:
            return key_of(directory.key, plan.part(segments).model_dump(mode="json"), tokens)

        def task(number: int) -> Task:
            first, count = plan.shard_range(number)
            return Task(
                f"shard-{number:05d}-{key_of(part_key(plan.segments_up_to(first + count)), number)}",
                {"source": None, "shard": number, "sha256": {"tokenize": tokens}},
                count,
                number,
            )

        return [task(number) for number in range(plan.shards)]

    def build(
        self, tasks: beam.PCollection, pending: list[Task], context: RunContext, directory: StageDirectory
    ) -> Any:
        inputs = stage_side_file(directory, _shard_inputs(context))
        return tasks | transforms.ReadUnits(partial(mix_shard, inputs)) | transforms.WriteUnits(directory, ShardWriter)

    def summary(self, context: RunContext, receipts: tuple[Receipt, ...]) -> Mapping[str, Any]:
        """Return what a reader of the shards needs, the mixture, and the token equation of each group."""
        counts = [ShardCount(**count) for receipt in receipts for count in receipt.summary["counts"]]
        return mix_summary(_shard_inputs(context), counts, context.tokenizer.summary["vocab_size"])

    def report(self, manifest: Manifest) -> Iterable[Table]:
        has_parts = len(manifest.summary["segments"]) > 1
        return [mixture_table(manifest), *([segments_table(manifest)] if has_parts else [])]


class _GroupUnit(NamedTuple):
    """A unit as a group uses it: its token file, and the documents and tokens of each bucket."""

    unit: TokenUnit
    size: GroupSize


def _plan(by_group: Mapping[str, list[_GroupUnit]], context: RunContext) -> MixPlan:
    return make_mix_plan({name: _total(units) for name, units in by_group.items()}, context.recipe.mix)


def _shard_inputs(context: RunContext) -> ShardInputs:
    by_group = _by_group(context)
    units = {name: tuple(each.unit for each in units) for name, units in by_group.items()}
    summary = context.tokenizer.summary
    return ShardInputs(_plan(by_group, context), units, summary["eos_id"], summary["dtype"])


def _by_group(context: RunContext) -> dict[str, list[_GroupUnit]]:
    """The units of each group, in the order of the receipts."""
    by_group: dict[str, list[_GroupUnit]] = defaultdict(list)
    grouped = context.manifest("groups").by_document() if "groups" in context.manifests else None
    for document, receipt in context.manifest("tokenize").by_document().items():
        directory, source = context.directories["tokenize"], receipt.input["source"]
        unit = TokenUnit(source, *(directory.file_url(receipt.file(kind)) for kind in ("tokens", "token_index")))
        if grouped is None:
            by_group[source].append(_GroupUnit(unit, _size(receipt.summary)))
            continue
        url = context.directories["groups"].file_url(grouped[document].file("groups"))
        for name, sizes in grouped[document].summary[GROUP_SIZES].items():
            by_group[name].append(_GroupUnit(unit._replace(group=name, groups=url), _size(sizes)))
    return dict(sorted(by_group.items()))


def _token_files(context: RunContext) -> list[FileEntry]:
    groups = context.manifest("groups").files("groups") if "groups" in context.manifests else []
    return [*context.manifest("tokenize").files("tokens"), *groups]


def _size(summary: Mapping[str, Any]) -> GroupSize:
    return GroupSize(tuple(summary["bucket_documents"]), tuple(summary["bucket_tokens"]))


def _total(units: list[_GroupUnit]) -> GroupSize:
    documents, tokens = (np.sum([unit.size[part] for unit in units], axis=0).tolist() for part in range(2))
    return GroupSize(tuple(documents), tuple(tokens))

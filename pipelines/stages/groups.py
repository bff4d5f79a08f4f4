"""``groups``: the group of the mixture of each document. Optional: only if groups are not the sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from gristmill import transforms
from gristmill.mixing.group_index import GroupWork, GroupWriter, read_groups
from gristmill.mixing.mix_section import BY_SOURCE
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, RunContext
from gristmill.store.keys import key_of
from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.tasks import Task

if TYPE_CHECKING:
    import apache_beam as beam


class Groups(BeamStage):
    """A name per document, row-aligned with the token index."""

    name = "groups"
    versions: ClassVar = {1: "groups by columns"}
    takes_from = "tokenize"

    def is_enabled(self, recipe: Recipe) -> bool:
        return recipe.mix.groups != BY_SOURCE

    def key_config(self, recipe: Recipe) -> Mapping[str, Any]:
        return {"mix.groups": recipe.mix.groups}

    def tasks(self, context: RunContext, directory: StageDirectory) -> list[Task]:
        refined, tokenized = (context.manifest(stage).by_document() for stage in ("refine", "tokenize"))
        tasks = []
        for document, receipt in tokenized.items():
            texts, index = refined[document].file("documents"), receipt.file("token_index")
            work = GroupWork(
                context.directories["refine"].file_url(texts),
                context.directories["tokenize"].file_url(index),
                context.recipe.mix.groups,
                index.rows,
            )
            hashes = {"refine": texts.sha256, "tokenize": index.sha256}
            given = {"documents": document, "source": receipt.input["source"], "sha256": hashes}
            tasks.append(Task(key_of(directory.key, document, hashes), given, index.rows, work))
        return tasks

    def build(
        self, tasks: beam.PCollection, pending: list[Task], context: RunContext, directory: StageDirectory
    ) -> Any:
        return tasks | transforms.ReadUnits(read_groups) | transforms.WriteUnits(directory, GroupWriter)

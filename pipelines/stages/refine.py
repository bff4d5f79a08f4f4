"""``refine``: the documents as they will be trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import apache_beam as beam

from gristmill.corpus.document import DOCUMENT_SCHEMA
from gristmill.corpus.recipe_section import key_config
from gristmill.corpus.words import UNICODE_VERSION
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, RunContext
from gristmill.pipelines.stages.document_tasks import aligned_tasks
from gristmill.store import storage
from gristmill.store.stage_directory import Receipt, StageDirectory
from gristmill.transforms.contamination.build_index import build_index
from gristmill.transforms.core.row_blocks import ReadDocuments
from gristmill.transforms.core.units import Task
from gristmill.transforms.refine.refine_beam import RefineDocuments, WriteRefined, index_bytes, load_index


class Refine(BeamStage):
    """Removed rows gone, lines and repeats cut, test items dropped or cut, personal data redacted."""

    name = "refine"
    version = 4
    takes_from = "dedup"
    libraries = ("phonenumbers", "presidio-analyzer", "pyarrow")

    def key_config(self, recipe: Recipe) -> Any:
        return [key_config(recipe.refine), UNICODE_VERSION]

    def tasks(self, context: RunContext, directory: StageDirectory) -> list[Task]:
        inputs: dict[str, tuple[str, tuple[str, ...]]] = {
            "extract": ("documents", tuple(DOCUMENT_SCHEMA.names)),
            "signals": ("signals", ("cuts",)),
            "judge": ("verdicts", ("kept",)),
            "dedup": ("removals", ("removed",)),
        }
        if context.recipe.repeats:
            inputs["repeats"] = ("repeats", ("repeated",))
        return aligned_tasks(context, directory, inputs)

    def build(
        self, tasks: beam.PCollection, pending: list[Task], context: RunContext, directory: StageDirectory
    ) -> Any:
        section = context.recipe.refine
        url = None
        if section.decontaminate:
            url = _index_url(directory)
            if not storage.exists(url):
                storage.create(url, index_bytes(build_index(section.decontaminate)))
        return tasks | ReadDocuments() | RefineDocuments(section, url) | WriteRefined(directory, section)

    def summary(self, context: RunContext, receipts: tuple[Receipt, ...]) -> Mapping[str, Any]:
        """How many items of each test set could be looked for."""
        if not context.recipe.refine.decontaminate:
            return {}
        index = load_index(_index_url(context.directories[self.name]))
        return {"benchmarks": [counts._asdict() for counts in index.counts]}


def _index_url(directory: StageDirectory) -> str:
    return storage.join(directory.url, "benchmarks.arrow")

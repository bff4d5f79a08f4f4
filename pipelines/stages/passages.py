"""``passages``: lines and paragraphs hashed, for ``repeats``. Only where a recipe asks for either."""

from __future__ import annotations

from typing import Any

import apache_beam as beam

from gristmill.corpus.words import UNICODE_VERSION
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, RunContext
from gristmill.pipelines.stages.document_tasks import aligned_tasks
from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.row_blocks import ReadDocuments
from gristmill.transforms.core.units import Task
from gristmill.transforms.line_dedup.line_dedup_beam import HashPassages, WritePassages
from gristmill.transforms.line_dedup.repeats_section import RepeatsSection

TEXT_LEFT: dict[str, tuple[str, tuple[str, ...]]] = {
    "extract": ("documents", ("id", "source", "text")),
    "signals": ("signals", ("cuts",)),
    "judge": ("verdicts", ("kept",)),
    "dedup": ("removals", ("removed",)),
}
"""What the text is read from that line rules and deduplication leave."""


def repeats_section(recipe: Recipe) -> RepeatsSection:
    """The section, in a stage that is there because of it."""
    if recipe.repeats is None:
        raise ValueError("the recipe asks for no `repeats`")
    return recipe.repeats


class Passages(BeamStage):
    """A hash and a place of every line and paragraph that may be cut, of documents that ``dedup`` left."""

    name = "passages"
    version = 1
    takes_from = "dedup"

    def key_config(self, recipe: Recipe) -> Any:
        """How often a passage must come, and which copy stays, is decided later."""
        section = repeats_section(recipe)
        fewest = {str(kind): rule.min_words for kind, rule in section.passage_rules.items()}
        return [fewest, section.partitions, sorted(section.exclude_sources), UNICODE_VERSION]

    def tasks(self, context: RunContext, directory: StageDirectory) -> list[Task]:
        return aligned_tasks(context, directory, TEXT_LEFT)

    def build(
        self, tasks: beam.PCollection, pending: list[Task], context: RunContext, directory: StageDirectory
    ) -> Any:
        section = repeats_section(context.recipe)
        return tasks | ReadDocuments() | HashPassages(section) | WritePassages(directory, section)

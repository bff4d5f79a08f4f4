"""``passages``: hashes of lines and paragraphs for ``repeats``. Optional: only if the recipe has rules for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from gristmill import transforms
from gristmill.corpus.character_tables import UNICODE_VERSION, UNSPACED_RANGES
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, RunContext
from gristmill.pipelines.stages.document_tasks import aligned_tasks
from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.tasks import Task
from gristmill.transforms.line_dedup.repeats_section import RepeatsSection

if TYPE_CHECKING:
    import apache_beam as beam

TEXT_LEFT: dict[str, tuple[str, tuple[str, ...]]] = {
    "extract": ("documents", ("id", "source", "text")),
    "signals": ("signals", ("cuts",)),
    "judge": ("verdicts", ("kept",)),
    "dedup": ("removals", ("removed",)),
}
"""The files that give the text that is left after line rules and deduplication."""


def repeats_section(recipe: Recipe) -> RepeatsSection:
    """The ``repeats`` section; raises ValueError if the recipe has none."""
    if recipe.repeats is None:
        raise ValueError("the recipe has no `repeats` section")
    return recipe.repeats


class Passages(BeamStage):
    """Hash and place of every line and paragraph that may be cut from the documents that ``dedup`` kept."""

    name = "passages"
    versions: ClassVar = {1: "hashes by normalised words"}
    takes_from = "dedup"

    def is_enabled(self, recipe: Recipe) -> bool:
        return bool(recipe.repeats and recipe.repeats.passage_rules)

    def key_config(self, recipe: Recipe) -> Mapping[str, Any]:
        """How often a passage must occur, and which copy stays, is decided by ``repeats``."""
        section = repeats_section(recipe)
        fewest = {str(kind): rule.min_words for kind, rule in section.passage_rules.items()}
        return {
            "repeats.min_words": fewest,
            "repeats.partitions": section.partitions,
            "repeats.exclude_sources": sorted(section.exclude_sources),
            "the Unicode version": UNICODE_VERSION,
        }

    def tables(self, recipe: Recipe) -> Mapping[str, Any]:
        return {
            "unspaced_ranges": UNSPACED_RANGES,
        }

    def tasks(self, context: RunContext, directory: StageDirectory) -> list[Task]:
        return aligned_tasks(context, directory, TEXT_LEFT)

    def build(
        self, tasks: beam.PCollection, pending: list[Task], context: RunContext, directory: StageDirectory
    ) -> Any:
        section = repeats_section(context.recipe)
        return (
            tasks
            | transforms.ReadDocuments()
            | transforms.HashPassages(section)
            | transforms.WritePassages(directory, section)
        )

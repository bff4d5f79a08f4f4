"""``judge``: verdicts from stored signals and scores, so that a changed threshold is applied in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from gristmill import transforms
from gristmill.corpus.recipe_section import key_config
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, RunContext
from gristmill.pipelines.stages.document_tasks import aligned_tasks, keyed_by_kind
from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.tasks import Task
from gristmill.transforms.quality.presets import PRESETS
from gristmill.transforms.quality.rule_table import RULES
from gristmill.transforms.quality.score_rules import limited_scorers, resolve_keep, score_limits
from gristmill.transforms.quality.verdicts_sidecar import RULE_COLUMNS, document_columns

if TYPE_CHECKING:
    import apache_beam as beam


class Judge(BeamStage):
    """For each document: kept or not, the primary reason, and every other rule that fails."""

    name = "judge"
    versions: ClassVar = {
        1: "verdicts on the Gopher and C4 rules",
        2: "rules of every preset; each failed rule with its value and threshold",
        3: "rules by kind of source, rules on metadata, counts by language",
    }
    takes_from = "extract"
    sidecar = "verdicts"

    def key_config(self, recipe: Recipe) -> Mapping[str, Any]:
        scorers, section = resolve_keep(recipe.scores, recipe.judge)
        return {"judge": key_config(section), "scores": score_limits(limited_scorers(scorers, section))}

    def tables(self, recipe: Recipe) -> Mapping[str, Any]:
        return {
            "presets": PRESETS,
            "rules": RULES,
        }

    def tasks(self, context: RunContext, directory: StageDirectory) -> list[Task]:
        recipe = context.recipe
        inputs: dict[str, tuple[str, tuple[str, ...]]] = {
            "extract": ("documents", (*document_columns(recipe.judge), "text_bytes")),
            "signals": ("signals", RULE_COLUMNS),
        }
        if scorers := limited_scorers(*resolve_keep(recipe.scores, recipe.judge)):
            inputs["scores"] = ("scores", tuple(scorer.column for scorer in scorers))
        return keyed_by_kind(aligned_tasks(context, directory, inputs), recipe, recipe.judge.overlaid_kinds)

    def build(
        self, tasks: beam.PCollection, pending: list[Task], context: RunContext, directory: StageDirectory
    ) -> Any:
        recipe = context.recipe
        scorers, section = resolve_keep(recipe.scores, recipe.judge_by_source)
        return (
            tasks
            | transforms.ReadDocuments()
            | transforms.JudgeDocuments(section, scorers)
            | transforms.WriteVerdicts(directory)
        )

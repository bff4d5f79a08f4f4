"""``judge``: verdicts from stored signals and scores, so that a changed threshold is applied in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from gristmill import transforms
from gristmill.corpus.recipe_section import key_config
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, RunContext
from gristmill.pipelines.stages.document_tasks import aligned_tasks
from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.tasks import Task
from gristmill.transforms.quality.presets import PRESETS
from gristmill.transforms.quality.rule_table import RULES
from gristmill.transforms.quality.score_rules import score_rules
from gristmill.transforms.quality.verdicts_sidecar import RULE_COLUMNS

if TYPE_CHECKING:
    import apache_beam as beam


class Judge(BeamStage):
    """For each document: kept or not, the primary reason, and every other rule that fails."""

    name = "judge"
    versions: ClassVar = {
        1: "verdicts on the Gopher and C4 rules",
        2: "rules of every preset; each failed rule with its value and threshold",
    }
    takes_from = "extract"
    sidecar = "verdicts"

    def key_config(self, recipe: Recipe) -> Any:
        rules = score_rules(recipe.scores)
        return [key_config(recipe.judge), rules] if rules else key_config(recipe.judge)

    def tables(self, recipe: Recipe) -> Mapping[str, Any]:
        return {
            "presets": PRESETS,
            "rules": RULES,
        }

    def tasks(self, context: RunContext, directory: StageDirectory) -> list[Task]:
        inputs: dict[str, tuple[str, tuple[str, ...]]] = {
            "extract": ("documents", ("source", "lang", "lang_score")),
            "signals": ("signals", RULE_COLUMNS),
        }
        if rules := score_rules(context.recipe.scores):
            inputs["scores"] = ("scores", tuple(dict.fromkeys(rule.column for rule in rules)))
        return aligned_tasks(context, directory, inputs)

    def build(
        self, tasks: beam.PCollection, pending: list[Task], context: RunContext, directory: StageDirectory
    ) -> Any:
        recipe = context.recipe
        rules = score_rules(recipe.scores)
        return (
            tasks
            | transforms.ReadDocuments()
            | transforms.JudgeDocuments(recipe.judge, rules)
            | transforms.WriteVerdicts(directory)
        )

"""``judge``: verdicts on stored signals. A changed threshold comes through here in seconds, loosened or tightened."""

from __future__ import annotations

from typing import Any

import apache_beam as beam

from gristmill.corpus.recipe_section import key_config
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, RunContext
from gristmill.pipelines.stages.document_tasks import aligned_tasks
from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.row_blocks import ReadDocuments
from gristmill.transforms.core.units import Task
from gristmill.transforms.quality.judge_beam import JudgeSignals, WriteVerdicts
from gristmill.transforms.quality.score_beam import JudgeScores
from gristmill.transforms.quality.score_rules import score_rules
from gristmill.transforms.quality.signal_columns import RULE_COLUMNS


class Judge(BeamStage):
    """Kept or not, the primary reason and every other rule that fails, row-aligned with the documents."""

    name = "judge"
    version = 2
    takes_from = "extract"

    def key_config(self, recipe: Recipe) -> Any:
        rules = score_rules(recipe.scores)
        return [key_config(recipe.judge), rules] if rules else key_config(recipe.judge)

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
        judged = JudgeScores(recipe.judge, rules) if rules else JudgeSignals(recipe.judge)
        return tasks | ReadDocuments() | judged | WriteVerdicts(directory)

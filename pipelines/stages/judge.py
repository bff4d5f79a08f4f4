"""``judge``: verdicts on stored signals. A changed threshold comes through here in seconds, loosened or tightened."""

from __future__ import annotations

from typing import Any

import apache_beam as beam

from gristmill.corpus.keys import section_slice
from gristmill.corpus.stage import StageDirectory
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, Mill
from gristmill.pipelines.stages.aligned import aligned_tasks
from gristmill.transforms.blocks import ReadDocuments
from gristmill.transforms.judge.columns import RULE_COLUMNS
from gristmill.transforms.judge.transform import JudgeSignals, WriteVerdicts
from gristmill.transforms.score.rules import score_rules
from gristmill.transforms.score.transform import JudgeScores
from gristmill.transforms.units import Task


class Judge(BeamStage):
    """Kept or not, the primary reason and every other rule that fails, row-aligned with the documents."""

    name = "judge"
    version = 2
    takes_from = "extract"

    def slice(self, recipe: Recipe) -> Any:
        rules = score_rules(recipe.scores)
        return [section_slice(recipe.judge), rules] if rules else section_slice(recipe.judge)

    def tasks(self, mill: Mill, directory: StageDirectory) -> list[Task]:
        inputs: dict[str, tuple[str, tuple[str, ...]]] = {
            "extract": ("documents", ("source", "lang", "lang_score")),
            "signals": ("signals", RULE_COLUMNS),
        }
        if rules := score_rules(mill.recipe.scores):
            inputs["scores"] = ("scores", tuple(dict.fromkeys(rule.column for rule in rules)))
        return aligned_tasks(mill, directory, inputs)

    def build(self, tasks: beam.PCollection, pending: list[Task], mill: Mill, directory: StageDirectory) -> Any:
        recipe = mill.recipe
        rules = score_rules(recipe.scores)
        judged = JudgeScores(recipe.judge, rules) if rules else JudgeSignals(recipe.judge)
        return tasks | ReadDocuments() | judged | WriteVerdicts(directory)

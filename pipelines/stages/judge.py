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
from gristmill.transforms.judge.columns import SIGNALS_SCHEMA
from gristmill.transforms.judge.transform import JudgeSignals, WriteVerdicts
from gristmill.transforms.units import Task


class Judge(BeamStage):
    """Kept or not, the primary reason and every other rule that fails, row-aligned with the documents."""

    name = "judge"
    version = 1
    takes_from = "extract"

    def slice(self, recipe: Recipe) -> Any:
        return section_slice(recipe.judge)

    def tasks(self, mill: Mill, directory: StageDirectory) -> list[Task]:
        documents = ("documents", ("source", "lang", "lang_score"))
        return aligned_tasks(
            mill, directory, {"extract": documents, "signals": ("signals", tuple(SIGNALS_SCHEMA.names))}
        )

    def build(self, tasks: beam.PCollection, pending: list[Task], mill: Mill, directory: StageDirectory) -> Any:
        return tasks | ReadDocuments() | JudgeSignals(mill.recipe.judge) | WriteVerdicts(directory)

"""``signals``: what is measured of a document's text, kept apart from what is decided on it."""

from __future__ import annotations

from typing import Any

import apache_beam as beam

from gristmill.corpus.words import UNICODE_VERSION
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, RunContext
from gristmill.pipelines.stages.document_tasks import aligned_tasks
from gristmill.store.keys import library_versions
from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.row_blocks import ReadDocuments
from gristmill.transforms.core.units import Task
from gristmill.transforms.quality.judge_beam import MeasureSignals, WriteSignals
from gristmill.transforms.quality.rule_names import Variant

LIBRARIES: dict[Variant, tuple[str, ...]] = {"datatrove": ("spacy",), "dclm": ("regex",)}
"""What cuts the words of a variant."""


class Signals(BeamStage):
    """A float32 column for each signal, and what the line rules cut, row-aligned with the documents."""

    name = "signals"
    version = 2
    takes_from = "extract"

    def key_config(self, recipe: Recipe) -> Any:
        sliced = {"unicode": UNICODE_VERSION, **recipe.judge.measures()}
        libraries = LIBRARIES.get(recipe.judge.variant, ())
        return sliced | {"libraries": library_versions(libraries)} if libraries else sliced

    def tasks(self, context: RunContext, directory: StageDirectory) -> list[Task]:
        return aligned_tasks(context, directory, {"extract": ("documents", ("text", "lang", "source"))})

    def build(
        self, tasks: beam.PCollection, pending: list[Task], context: RunContext, directory: StageDirectory
    ) -> Any:
        return tasks | ReadDocuments() | MeasureSignals(context.recipe.judge) | WriteSignals(directory)

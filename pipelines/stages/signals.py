"""``signals``: what is measured of a document's text, kept apart from what is decided on it."""

from __future__ import annotations

from typing import Any

import apache_beam as beam

from gristmill.corpus.stage import StageDirectory
from gristmill.corpus.words import UNICODE_VERSION
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, Mill
from gristmill.pipelines.stages.aligned import aligned_tasks
from gristmill.transforms.blocks import ReadDocuments
from gristmill.transforms.judge.transform import MeasureSignals, WriteSignals
from gristmill.transforms.units import Task


class Signals(BeamStage):
    """A float32 column for each signal, row-aligned with the documents."""

    name = "signals"
    version = 1
    takes_from = "extract"

    def slice(self, recipe: Recipe) -> Any:
        return {"unicode": UNICODE_VERSION}

    def tasks(self, mill: Mill, directory: StageDirectory) -> list[Task]:
        return aligned_tasks(mill, directory, {"extract": ("documents", ("text", "lang"))})

    def build(self, tasks: beam.PCollection, pending: list[Task], mill: Mill, directory: StageDirectory) -> Any:
        return tasks | ReadDocuments() | MeasureSignals() | WriteSignals(directory)
